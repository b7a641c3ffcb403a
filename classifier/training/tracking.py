"""Trackers that follow a run, through the callbacks that ``Trainer`` brings; off unless they are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from transformers import TrainerCallback
from transformers.integrations import MLflowCallback, TensorBoardCallback

from classifier.errors import require

TRACKERS = ("tensorboard", "mlflow")


def trackers(names: Sequence[str], run_dir: Path) -> list[TrainerCallback]:
    """A callback for each name; their files land in ``run_dir/tensorboard`` and ``run_dir/mlflow.db``.

    MLflow writes where ``MLFLOW_TRACKING_URI`` says, if it is set: a file or a server.

    :raises ValueError: when a name is none of ``TRACKERS``.
    :raises MissingExtraError: when the package of a tracker is not installed.
    """
    unknown = sorted(set(names) - set(TRACKERS))
    if unknown:
        raise ValueError(f"Expected trackers among {', '.join(TRACKERS)}, but got {', '.join(unknown)}.")
    made = {"tensorboard": _tensorboard, "mlflow": _mlflow}
    return [made[name](run_dir) for name in dict.fromkeys(names)]


def _tensorboard(run_dir: Path) -> TrainerCallback:
    require("tensorboard", extra="track")
    summary = require("torch.utils.tensorboard", extra="track")
    return TensorBoardCallback(summary.SummaryWriter(str(run_dir / "tensorboard")))


def _mlflow(run_dir: Path) -> TrainerCallback:
    mlflow = require("mlflow", extra="track")
    if "MLFLOW_TRACKING_URI" not in os.environ:
        for module in ("sqlalchemy", "alembic"):  # its small distribution leaves them out
            require(module, extra="track")
        run_dir.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(f"sqlite:///{(run_dir / 'mlflow.db').absolute()}")
    return MLflowCallback()
