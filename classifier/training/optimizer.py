"""Which weights learn how fast."""

from __future__ import annotations

import torch
from transformers import BertForSequenceClassification

from classifier.training.config import TrainingConfig


def make_optimizer(model: BertForSequenceClassification, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW with a rate of its own for pooler and classifier, and no decay of biases and norms."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        head = name.startswith(("classifier", "bert.pooler"))
        groups.setdefault((head, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "lr": config.head_learning_rate if head else config.learning_rate,
                "weight_decay": config.weight_decay if matrix else 0.0,
            }
            for (head, matrix), parameters in groups.items()
        ],
        fused=True,  # a tenth of the time of the plain one on CPUs
    )
