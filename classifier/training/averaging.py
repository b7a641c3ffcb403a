"""The mean of the weights of the last epochs (Izmailov et al. 2018, arXiv:1803.05407; Wortsman et al. 2022, arXiv:2203.05482).

The checkpoints that early stopping leaves are enough for it; the mean is kept only where dev likes it better than the best epoch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

WEIGHTS = "model.safetensors"


def last_checkpoints(folder: Path, n: int) -> list[Path]:
    """The last ``n`` checkpoints of a run, or all where there are fewer, in the order of their steps."""
    found = [path for path in folder.glob("checkpoint-*") if (path / WEIGHTS).is_file()]
    return sorted(found, key=lambda path: int(path.name.rpartition("-")[2]))[-n:]


def mean_weights(checkpoints: Sequence[Path]) -> dict[str, torch.Tensor]:
    """Mean of each weight over checkpoints of one model; what is no floating point number comes from the last.

    :raises ValueError: when there is no checkpoint.
    """
    if not checkpoints:
        raise ValueError("Expected at least one checkpoint to average, but got none.")
    mean = load_file(checkpoints[-1] / WEIGHTS)
    for path in checkpoints[:-1]:
        for name, weight in load_file(path / WEIGHTS).items():
            if weight.is_floating_point():
                mean[name] += weight
    return {name: weight / len(checkpoints) if weight.is_floating_point() else weight for name, weight in mean.items()}


def keep_better_mean(trainer: Any, folder: Path, n: int) -> float:
    """Put the mean of the last ``n`` checkpoints into a trainer's model, and take it out again where dev liked the best epoch better.

    :param trainer: a ``Trainer`` that has ended and holds its best epoch.
    :param folder: of the checkpoints.
    :return: the average precision on dev of the weights that stay.
    """
    best = {name: weight.detach().clone() for name, weight in trainer.model.state_dict().items()}
    best_precision = float(trainer.state.best_metric or 0.0)
    trainer.model.load_state_dict(mean_weights(last_checkpoints(folder, n)))
    precision = float(trainer.evaluate()["eval_average_precision"])
    if precision >= best_precision:
        return precision
    trainer.model.load_state_dict(best)
    return best_precision
