"""Metrics: arrays in, numbers out. Nothing is drawn, decided or printed here.

Every function takes optional ``weights``: None counts each text once, *Shape:* (n_texts,) counts it so many times, and
*Shape:* (n_resamples, n_texts) gives one value for each row (that is what the bootstrap feeds). A value that its texts cannot define, such
as the precision of no prediction, is nan: never 0, never a warning.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Weights = npt.ArrayLike | None


class Metric(Protocol):
    """Any metric of this file that needs no more than two arrays and the weights."""

    def __call__(self, predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None, /) -> Floats:
        """The value, with the resamples in front."""


def weighted_sums(columns: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Sums over the texts.

    :param columns: *Shape:* (n_texts,) or (n_texts, k).
    :return: *Shape:* () or (k,), with the resamples in front where the weights have them.

    >>> weighted_sums([[1, 0], [1, 1]], [[1, 1], [0, 2]]).tolist()
    [[2.0, 1.0], [2.0, 2.0]]
    """
    values = np.asarray(columns, dtype=np.float64)
    if weights is None:
        return np.asarray(values.sum(axis=0))
    counts = np.asarray(weights, dtype=np.float64)
    if counts.ndim not in (1, 2) or counts.shape[-1] != len(values):
        raise ValueError(f"Expected weights of shape ({len(values)},) or (n_resamples, {len(values)}), but got {counts.shape}.")
    return np.asarray(counts @ values)


def ratio(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """Numerator over denominator, nan where the denominator is 0; any shapes that broadcast.

    >>> ratio([1.0, 0.0], [2.0, 0.0]).tolist()
    [0.5, nan]
    """
    top, bottom = np.broadcast_arrays(np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64))
    return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0))


def precision(predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Share of the predicted texts that are gold; nan where nothing is predicted.

    :param predicted: 0/1, *Shape:* (n_texts,) or (n_texts, k); ``gold`` likewise.
    :return: *Shape:* () or (k,), with the resamples in front.

    >>> precision([1, 1, 0, 0], [1, 0, 1, 0]).item()
    0.5
    """
    yes, truth = _binary_pair(predicted, gold)
    return ratio(weighted_sums(yes & truth, weights), weighted_sums(yes, weights))


def recall(predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Share of the gold texts that are predicted; nan where nothing is gold. Shapes as in ``precision``.

    >>> recall([1, 1, 0, 0], [1, 0, 1, 1]).round(4).item()
    0.3333
    """
    return precision(gold, predicted, weights)


def f1(predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Harmonic mean of precision and recall, ``2 TP / (n_predicted + n_gold)``; nan where nothing is predicted nor gold.

    Shapes as in ``precision``.

    >>> f1([1, 1, 0, 0], [1, 0, 1, 1]).item()
    0.4
    """
    yes, truth = _binary_pair(predicted, gold)
    return ratio(2 * weighted_sums(yes & truth, weights), weighted_sums(yes, weights) + weighted_sums(truth, weights))


def macro_f1(predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Mean of the F1 of each column over the columns in which anything is predicted or gold; nan where there is none.

    :param predicted: 0/1, *Shape:* (n_texts, k); ``gold`` likewise.
    :return: *Shape:* (), with the resamples in front.

    F1 of 1 and of 2/3:

    >>> macro_f1([[1, 1], [0, 1]], [[1, 1], [0, 0]]).round(4).item()
    0.8333
    """
    values = f1(predicted, gold, weights)
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=-1), defined.sum(axis=-1))


def micro_f1(predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """F1 over all cells of all columns together; nan where nothing is predicted nor gold. Shapes as in ``macro_f1``.

    >>> micro_f1([[1, 1], [0, 1]], [[1, 1], [0, 0]]).item()
    0.8
    """
    yes, truth = _binary_pair(predicted, gold)
    hits, n_predicted, n_gold = (weighted_sums(cells, weights).sum(axis=-1) for cells in (yes & truth, yes, truth))
    return ratio(2 * hits, n_predicted + n_gold)


def average_precision(probs: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Area under the steps of the precision-recall curve, ``sum (R_i - R_{i-1}) P_i``; nan where nothing is gold.

    Texts of equal prob count as one step, so their order does not matter (the definition of scikit-learn's ``average_precision_score``).

    :param probs: *Shape:* (n_texts,); ``gold`` 0/1 likewise.
    :return: *Shape:* (), with the resamples in front.

    Half of the gold at precision 1, the other half at 2/3:

    >>> average_precision([0.9, 0.8, 0.7], [1, 0, 1]).round(4).item()
    0.8333
    """
    values, truth = _prob_pair(probs, gold)
    if values.ndim != 1:
        raise ValueError(f"Expected the probs of one question, shape (n_texts,), but got shape {values.shape}; pass one column.")
    order = np.argsort(-values, kind="stable")
    steps = np.flatnonzero(np.diff(values[order], append=-np.inf))  # the last text of each run of equal probs
    counts = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if counts.shape[-1] != len(values):
        raise ValueError(f"Expected weights of {len(values)} texts, but got shape {counts.shape}.")
    counts = counts[..., order]
    n_predicted = np.cumsum(counts, axis=-1)[..., steps]
    hits = np.cumsum(counts * truth[order], axis=-1)[..., steps]
    gained = np.diff(hits, axis=-1, prepend=0.0)
    area = (gained * hits / np.maximum(n_predicted, np.finfo(np.float64).tiny)).sum(axis=-1)
    return ratio(area, hits[..., -1] if len(steps) else np.zeros(counts.shape[:-1]))


def brier(probs: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Mean squared distance of prob and gold (Brier 1950, for one yes/no question); nan without a text.

    :param probs: *Shape:* (n_texts,) or (n_texts, k); ``gold`` 0/1 likewise.
    :return: *Shape:* () or (k,), with the resamples in front.

    >>> brier([0.5, 1.0], [1, 1]).item()
    0.125
    """
    values, truth = _prob_pair(probs, gold)
    return _mean((values - truth) ** 2, weights)


def log_loss(probs: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Mean negative log likelihood in nats; nan without a text. Shapes as in ``brier``.

    Probs are kept 2.2e-16 (the precision of float64) away from 0 and 1, so that one sure mistake costs 36 nats and not infinitely many.

    >>> log_loss([0.5, 1.0], [1, 1]).round(4).item()
    0.3466
    """
    values, truth = _prob_pair(probs, gold)
    margin = np.finfo(np.float64).eps
    kept = np.clip(values, margin, 1 - margin)
    return _mean(-np.where(truth == 1, np.log(kept), np.log1p(-kept)), weights)


def calibration_error(probs: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None, *, n_bins: int = 15) -> Floats:
    """Expected calibration error with bins of equal mass: mean over the texts of ``|mean prob - share of gold|`` of their bin.

    Texts are ranked by prob and cut into ``n_bins`` bins of as equal a number as ties allow; equal probs are never torn apart. (Bins of
    equal *width*, the older custom, would put nearly all benign texts in one.) The value is biased upwards: even perfectly calibrated probs
    leave chance differences in each bin, about ``sqrt(2 p (1 - p) n_bins / (pi n_texts))``, and resampling adds as much again, so that
    a bootstrap interval lies too high. Compare it between models on the same texts; it is no absolute measure (Kumar et al. 2019,
    *Verified uncertainty calibration*; Nixon et al. 2019). Bins are cut once, whatever the weights.

    :param probs: *Shape:* (n_texts,); ``gold`` 0/1 likewise.
    :return: *Shape:* (), with the resamples in front; nan without a text.

    Two bins with means 0.2 and 0.8, shares 0 and 1:

    >>> calibration_error([0.1, 0.3, 0.7, 0.9], [0, 0, 1, 1], n_bins=2).round(4).item()
    0.2
    """
    values, truth = _prob_pair(probs, gold)
    if values.ndim != 1 or n_bins < 1:
        raise ValueError(f"Expected the probs of one question and at least one bin, but got shape {values.shape} and {n_bins} bins.")
    first_rank = np.searchsorted(np.sort(values), values, side="left")
    bins = first_rank * n_bins // max(len(values), 1)
    member = bins[:, None] == np.arange(n_bins)
    gaps = np.abs(weighted_sums(member * (values - truth)[:, None], weights)).sum(axis=-1)
    return ratio(gaps, weighted_sums(np.ones(len(values)), weights))


def quadratic_kappa(predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Agreement beyond chance on an ordered scale, a mistake of two steps counting four times (Cohen 1968).

    ``1 - E(predicted - gold)^2 / E(predicted' - gold')^2`` with the primed pair independent. 1 is full agreement, 0 that of chance; nan
    where both are the same constant.

    :param predicted: integers, *Shape:* (n_texts,); ``gold`` likewise.
    :return: *Shape:* (), with the resamples in front.

    Mean squares 1/3 and 4/3 (hence 1 - 0.25):

    >>> quadratic_kappa([0, 1, 1], [0, 1, 2]).round(4).item()
    0.6667
    """
    guess, truth = _pair(predicted, gold)
    guess, truth = guess.astype(np.float64), truth.astype(np.float64)
    n_texts = weighted_sums(np.ones(len(guess)), weights)
    squares, together, of_guess, of_truth = (weighted_sums(cells, weights) for cells in (guess**2 + truth**2, guess * truth, guess, truth))
    observed = squares - 2 * together
    by_chance = squares - ratio(2 * of_guess * of_truth, n_texts)
    return 1 - ratio(observed, np.where(np.abs(by_chance) > 1e-9, by_chance, 0.0))


def mean_absolute_error(predicted: npt.ArrayLike, gold: npt.ArrayLike, weights: Weights = None) -> Floats:
    """Mean distance in steps; nan without a text. Shapes as in ``quadratic_kappa``.

    >>> mean_absolute_error([0, 1], [0, 3]).item()
    1.0
    """
    guess, truth = _pair(predicted, gold)
    return _mean(np.abs(guess.astype(np.float64) - truth), weights)


def confusion_matrix(predicted: npt.ArrayLike, gold: npt.ArrayLike, n_classes: int) -> npt.NDArray[np.int64]:
    """How many texts of each gold class (row) are predicted as each class (column).

    :param predicted: integers from 0 to ``n_classes - 1``, *Shape:* (n_texts,); ``gold`` likewise.
    :return: int64, *Shape:* (n_classes, n_classes).

    >>> confusion_matrix([0, 1, 1], [0, 1, 0], 2).tolist()
    [[1, 1], [0, 1]]
    """
    guess, truth = _pair(predicted, gold)
    for values in (guess, truth):
        if values.size and not (values.min() >= 0 and values.max() < n_classes):
            raise ValueError(f"Expected classes from 0 to {n_classes - 1}, but got {values.min()} to {values.max()}.")
    cells = np.bincount(truth.astype(np.int64) * n_classes + guess.astype(np.int64), minlength=n_classes * n_classes)
    return cells.reshape(n_classes, n_classes).astype(np.int64)


def _mean(values: Floats, weights: Weights) -> Floats:
    n_texts = weighted_sums(np.ones(len(values)), weights)
    sums = weighted_sums(values, weights)
    return ratio(sums, n_texts[..., None] if sums.ndim > n_texts.ndim else n_texts)


def _pair(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    guess, truth = np.asarray(predicted), np.asarray(gold)
    if guess.shape != truth.shape or guess.ndim not in (1, 2):
        raise ValueError(f"Expected predictions and gold of the same shape, (n_texts,) or (n_texts, k), but got {guess.shape} and {truth.shape}.")
    return guess.astype(np.int64), truth.astype(np.int64)


def _binary_pair(predicted: npt.ArrayLike, gold: npt.ArrayLike) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    guess, truth = _pair(predicted, gold)
    if not (np.isin(guess, (0, 1)).all() and np.isin(truth, (0, 1)).all()):
        raise ValueError("Expected predictions and gold of 0 and 1, but got other values; compare probs with their thresholds first.")
    return guess.astype(np.bool_), truth.astype(np.bool_)


def _prob_pair(probs: npt.ArrayLike, gold: npt.ArrayLike) -> tuple[Floats, npt.NDArray[np.int64]]:
    values, truth = np.asarray(probs, dtype=np.float64), np.asarray(gold)
    if values.shape != truth.shape or values.ndim not in (1, 2):
        raise ValueError(f"Expected probs and gold of the same shape, (n_texts,) or (n_texts, k), but got {values.shape} and {truth.shape}.")
    if values.size and not (values.min() >= 0 and values.max() <= 1):
        raise ValueError(f"Expected probs between 0 and 1, but got {values.min():.6g} to {values.max():.6g}.")
    return values, truth.astype(np.int64)
