"""What a batch of logits costs."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch


def positive_weights(labels: npt.NDArray[np.float64], max_weight: float) -> torch.Tensor:
    """Weight of a question's positives: ``n_negative / n_positive``, from 1 to ``max_weight``.

    :param labels: 0/1, *Shape:* (n_texts, n_questions).
    :return: float32, *Shape:* (n_questions,).

    >>> positive_weights(np.array([[1, 1], [0, 1], [0, 1], [0, 0]], dtype=float), 2.5).tolist()
    [2.5, 1.0]
    """
    positives = labels.sum(axis=0)
    ratio = (len(labels) - positives) / np.maximum(positives, 1)
    return torch.tensor(np.clip(ratio, 1.0, max_weight), dtype=torch.float32)


def weighted_loss(weights: torch.Tensor) -> Any:
    """Binary cross-entropy over all questions with weighted positives, in the form that ``Trainer`` takes."""

    def loss(outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        logits = outputs["logits"] if isinstance(outputs, dict) else outputs.logits
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), pos_weight=weights.to(logits.device))

    return loss
