"""Which texts to label next: those whose probs lie nearest to a threshold, and that are unlike each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.bundle import Bundle
from classifier.data.similar import same_text
from classifier.decisions.arrays import as_probs
from classifier.errors import CalibrationError, require
from classifier.evaluation.outcomes import EVEN
from classifier.labelling.out_of_fold import Features
from classifier.policy import Policy

POOL_FACTOR = 5
"""So many times the budget of the most uncertain texts are candidates; more would let a text in that is sure but far from all others."""
N_DIMENSIONS = 64
_EDGE = 1e-6
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """How near the probs of each text come to a threshold, from 0 to 1 (on it), *Shape:* (n_texts,), and the column of the question of which."""

    values: Floats
    questions: npt.NDArray[np.int64]


def even_thresholds(policy: Policy) -> Floats:
    """A threshold of 0.5 for every question, *Shape:* (n_questions,)."""
    return np.full(len(policy.questions), EVEN)


def thresholds_of(bundle: Bundle) -> Floats:
    """The thresholds of a bundle: of its categories, and of its levels; of a level that is off, what it would have; 0.5 where there is nothing.

    :return: *Shape:* (n_questions,).
    """
    levels = [level.would_be_threshold if level.threshold is None else level.threshold for level in bundle.ladder.levels]
    return np.array([*bundle.category_thresholds.thresholds, *(EVEN if threshold is None else threshold for threshold in levels)])


def uncertainty(probs: npt.ArrayLike, thresholds: npt.ArrayLike, policy: Policy) -> Uncertainty:
    """Nearness to a threshold: exp(-d), where d is the least distance over the questions between the log odds of prob and threshold.

    In log odds a distance means the same everywhere: 0.98 is far from 0.90, and 0.58 is near to 0.50.

    :param probs: *Shape:* (n_texts, n_questions).
    :param thresholds: *Shape:* (n_questions,).

    >>> policy = Policy.load()
    >>> found = uncertainty([[0.0, 0.5, 0.0, 0.0, 0.2, 0.0, 0.0]], [0.5] * 7, policy)
    >>> found.values.tolist(), policy.questions[found.questions[0]]
    ([1.0], 'trading')
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    if limits.shape != (len(policy.questions),):
        raise CalibrationError(f"Expected a threshold for each of {len(policy.questions)} questions, but got shape {limits.shape}.")
    distances = np.abs(_log_odds(as_probs(probs, policy)) - _log_odds(limits))
    return Uncertainty(np.exp(-distances.min(axis=1)), distances.argmin(axis=1))


def reduced(features: Features, *, seed: int, n_dimensions: int = N_DIMENSIONS) -> Floats:
    """Latent semantic vectors of length 1 (truncated SVD; Deerwester et al. 1990), or 0 where a text has nothing in common with any.

    :return: *Shape:* (n_texts, n_dimensions), fewer where there are not so many texts or features.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    decomposition = require("sklearn.decomposition", extra="train")
    n_kept = max(1, min(n_dimensions, features.shape[0] - 1, features.shape[1] - 1))
    vectors = np.asarray(decomposition.TruncatedSVD(n_kept, random_state=seed).fit_transform(features), dtype=np.float64)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def choose(weights: npt.ArrayLike, vectors: npt.ArrayLike, budget: int, *, pool_factor: int = POOL_FACTOR) -> npt.NDArray[np.int64]:
    """Greedy k-centre (Gonzalez 1985; for labelling Sener and Savarese 2018) among the most uncertain texts, each distance weighted by uncertainty.

    The first is the most uncertain one; each further one has the largest product of uncertainty and distance to the nearest one chosen.

    :param weights: uncertainty, *Shape:* (n_texts,).
    :param vectors: *Shape:* (n_texts, width).
    :return: positions in the order of choice, *Shape:* (min(budget, n_texts),).

    >>> choose([0.9, 0.8, 0.5, 0.1], [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], 2).tolist()
    [0, 2]
    """
    if budget < 1 or pool_factor < 1:
        raise ValueError(f"Expected a budget and a pool factor of at least 1, but got {budget} and {pool_factor}.")
    values, places = np.asarray(weights, dtype=np.float64), np.asarray(vectors, dtype=np.float64)
    candidates = np.argsort(-values, kind="stable")[: pool_factor * budget]
    weight, place = values[candidates], places[candidates]
    distance = np.full(len(candidates), np.inf)
    free = np.ones(len(candidates), dtype=np.bool_)
    chosen: list[int] = []
    for _ in range(min(budget, len(candidates))):
        gains = weight if not chosen else weight * distance
        best = int(np.where(free, gains, -np.inf).argmax())
        free[best] = False
        chosen.append(best)
        distance = np.minimum(distance, np.linalg.norm(place - place[best], axis=1))
    return np.asarray(candidates[chosen], dtype=np.int64)


def _log_odds(probs: Floats) -> Floats:
    kept = np.clip(probs, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(kept) - np.log1p(-kept), dtype=np.float64)


def unlike(texts: Sequence[str], known: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which texts are not the same as a known one, nor as an earlier of their own, spaces and case aside, *Shape:* (n_texts,).

    >>> unlike(["收U", "收 u", "出U"], ["出u"]).tolist()
    [True, False, False]
    """
    seen = {same_text(text) for text in known}
    fresh = []
    for text in map(same_text, texts):
        fresh.append(text not in seen)
        seen.add(text)
    return np.array(fresh, dtype=np.bool_)
