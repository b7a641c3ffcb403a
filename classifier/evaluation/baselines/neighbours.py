"""The nearest training texts by the vectors of an encoder that was never tuned: what tuning adds is the difference to this."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.errors import CalibrationError, require

N_NEIGHBOURS = 10


def neighbour_baseline(
    train_vectors: npt.ArrayLike, train_targets: npt.ArrayLike, test_vectors: npt.ArrayLike, *, n_neighbours: int = N_NEIGHBOURS
) -> npt.NDArray[np.float32]:
    """Share of the nearest training texts by cosine that answer yes, the nearest weighing most (weight 1 / distance).

    :param train_vectors: *Shape:* (n_train, width); ``test_vectors`` (n_test, width).
    :param train_targets: 0/1, *Shape:* (n_train, n_questions).
    :param n_neighbours: all training texts where there are fewer.
    :return: float32, *Shape:* (n_test, n_questions).
    :raises CalibrationError: when there is no training text, or shapes do not fit.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    neighbors = require("sklearn.neighbors", extra="train")
    train, test = np.asarray(train_vectors, dtype=np.float64), np.asarray(test_vectors, dtype=np.float64)
    targets = np.asarray(train_targets, dtype=np.float64)
    if train.ndim != 2 or not len(train) or len(targets) != len(train) or test.ndim != 2 or test.shape[1] != train.shape[1]:
        raise CalibrationError(
            f"Expected training vectors, targets and test vectors of one width, but got shapes {train.shape}, {targets.shape} and {test.shape}."
        )
    if not len(test):
        return np.empty((0, targets.shape[1]), dtype=np.float32)
    found = neighbors.NearestNeighbors(n_neighbors=min(n_neighbours, len(train)), metric="cosine").fit(train)
    distances, rows = found.kneighbors(test)
    weights = 1 / np.maximum(distances, 1e-6)  # the same text again has distance 0
    probs = (weights[:, :, None] * targets[rows]).sum(axis=1) / weights.sum(axis=1)[:, None]
    clipped: npt.NDArray[np.float32] = np.clip(probs, 0, 1).astype(np.float32)
    return clipped
