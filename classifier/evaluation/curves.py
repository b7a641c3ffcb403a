"""Curves of one question: precision over recall, reliability, and the parts of the Brier score. Arrays in, frozen numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Bools, Ints
from classifier.evaluation.bootstrap import CONFIDENCE_LEVEL, Estimate, Resamples, exact_shares, share_estimates
from classifier.evaluation.metrics import Floats

MAX_POINTS = 100
"""Most points of a precision-recall curve."""
N_BINS = 15
"""Bins of equal mass, as many as ``calibration_error`` cuts."""
N_SIMULATIONS = 1_000
_MAX_CELLS = 4_000_000  # simulated answers of one block: 32 MB


@dataclass(frozen=True)
class CurvePoint:
    """Recall, and precision with its interval, of the texts with a prob of at least ``threshold``."""

    threshold: float
    recall: float
    precision: Estimate


@dataclass(frozen=True)
class ReliabilityBin:
    """Texts of similar prob: their mean prob, and the share of them that are gold with its exact interval."""

    mean_prob: float
    share: Estimate


@dataclass(frozen=True)
class BrierParts:
    """The Brier score as ``reliability - resolution + uncertainty + within_bin_variance - within_bin_covariance``, exactly.

    ``reliability`` (0 is best) is the mean squared distance of prob and share of the bins, ``resolution`` how far their shares are spread
    (more is better), ``uncertainty`` what the share of gold alone would score.
    """

    brier: float
    reliability: float
    resolution: float
    uncertainty: float
    within_bin_variance: float
    within_bin_covariance: float


@dataclass(frozen=True)
class CalibrationResult:
    """How far probs may be taken at their word.

    ``calibration_error`` is biased upwards, and ``if_perfect`` says by how much: the mean, and the middle 95%, of the errors that
    perfectly calibrated probs of the same values would show on as many texts. ``beyond_chance`` says that the error lies above those.
    """

    bins: tuple[ReliabilityBin, ...]
    brier: BrierParts
    calibration_error: float
    if_perfect: Estimate
    beyond_chance: bool


@dataclass(frozen=True)
class Curves:
    """The curves of one question; ``points`` from the highest threshold down, empty where nothing is gold."""

    question: str
    points: tuple[CurvePoint, ...]
    calibration: CalibrationResult


def curves_of(question: str, probs: npt.ArrayLike, gold: npt.ArrayLike, resamples: Resamples) -> Curves:
    """Both curves of one question.

    :param probs: calibrated, *Shape:* (n_texts,); ``gold`` 0/1 likewise.
    :param resamples: of the band of the first; its seed also decides the simulation.
    """
    return Curves(question, precision_recall_curve(probs, gold, resamples), calibration_result(probs, gold, seed=resamples.seed))


def precision_recall_curve(probs: npt.ArrayLike, gold: npt.ArrayLike, resamples: Resamples) -> tuple[CurvePoint, ...]:
    """Precision with a pointwise band at thresholds that spread evenly over recall, at most ``MAX_POINTS`` of them.

    Every point is one at which recall rises: those that ``average_precision`` sums over. The band is that of the precision at a fixed
    threshold, the outer of the cluster bootstrap and the exact interval; it is no band for the curve as a whole.

    :param probs: *Shape:* (n_texts,); ``gold`` 0/1 likewise.
    """
    values, truth = _pair(probs, gold)
    thresholds = np.unique(values[truth])[::-1]
    if not thresholds.size:
        return ()
    ranked = np.sort(values[truth])
    recalls = (ranked.size - np.searchsorted(ranked, thresholds, side="left")) / ranked.size
    wanted = np.linspace(recalls[0], 1.0, MAX_POINTS)
    kept = np.unique(np.searchsorted(recalls, wanted, side="left").clip(max=recalls.size - 1))
    found = share_estimates(values[:, None] >= thresholds[kept], np.broadcast_to(truth[:, None], (truth.size, kept.size)), resamples)
    return tuple(CurvePoint(*point) for point in zip(thresholds[kept].tolist(), recalls[kept].tolist(), found, strict=True))


def equal_mass_bins(probs: npt.ArrayLike, n_bins: int = N_BINS) -> Ints:
    """The bin of each text when texts are ranked and cut into bins of as equal a number as ties allow, *Shape:* (n_texts,).

    >>> equal_mass_bins([0.1, 0.9, 0.3, 0.9], n_bins=2).tolist()
    [0, 1, 0, 1]
    """
    values = np.asarray(probs, dtype=np.float64)
    first_rank = np.searchsorted(np.sort(values), values, side="left")
    return np.asarray(first_rank * n_bins // max(values.size, 1), dtype=np.int64)


def reliability_bins(probs: npt.ArrayLike, gold: npt.ArrayLike, *, n_bins: int = N_BINS) -> tuple[ReliabilityBin, ...]:
    """Mean prob and share of gold of every bin that has a text, lowest first. The interval takes texts as independent.

    >>> [(b.mean_prob, b.share.value) for b in reliability_bins([0.25, 0.25, 0.75, 0.75], [0, 0, 1, 0], n_bins=2)]
    [(0.25, 0.0), (0.75, 0.5)]
    """
    values, truth = _pair(probs, gold)
    n_texts, prob_sums, n_gold = _bin_sums(values, truth, n_bins)
    means = prob_sums / n_texts
    return tuple(ReliabilityBin(mean, share) for mean, share in zip(means.tolist(), exact_shares(n_gold, n_texts), strict=True))


def brier_parts(probs: npt.ArrayLike, gold: npt.ArrayLike, *, n_bins: int = N_BINS) -> BrierParts:
    """Take the Brier score apart: Murphy (1973), with the two within-bin terms of Stephenson, Coelho & Jolliffe (2008).

    With ``f`` the probs, ``o`` the gold answers and bars for means of a bin: reliability ``mean (f̄ - ō)²``, resolution ``mean (ō - mean o)²``,
    within-bin variance ``mean (f - f̄)²``, within-bin covariance ``2 mean (f - f̄)(o - ō)``.

    One bin for each prob, so nothing is left within; shares 0 and 1/2, mean 1/4:

    >>> parts = brier_parts([0.25, 0.25, 0.75, 0.75], [0, 0, 1, 0], n_bins=2)
    >>> parts.reliability, parts.resolution, parts.uncertainty, parts.brier
    (0.0625, 0.0625, 0.1875, 0.1875)
    """
    values, truth = _pair(probs, gold)
    if not values.size:
        return BrierParts(*[float("nan")] * 6)
    numbers = np.unique(equal_mass_bins(values, n_bins), return_inverse=True)[1]
    n_texts, prob_sums, n_gold = _bin_sums(values, truth, n_bins)
    mean_probs, shares = (prob_sums / n_texts)[numbers], (n_gold / n_texts)[numbers]
    return BrierParts(
        brier=float(((values - truth) ** 2).mean()),
        reliability=float(((mean_probs - shares) ** 2).mean()),
        resolution=float(((shares - truth.mean()) ** 2).mean()),
        uncertainty=float(truth.mean() * (1 - truth.mean())),
        within_bin_variance=float(((values - mean_probs) ** 2).mean()),
        within_bin_covariance=float(2 * ((values - mean_probs) * (truth - shares)).mean()),
    )


def error_if_perfect(probs: npt.ArrayLike, *, seed: int, n_bins: int = N_BINS, n_simulations: int = N_SIMULATIONS) -> Estimate:
    """The calibration error that perfectly calibrated probs of these values show by chance: mean and middle 95% over simulated answers.

    Every simulation draws each answer as yes with exactly its prob, texts independent of each other; where texts of one account stand
    and fall together, chance does more than this.

    :param probs: *Shape:* (n_texts,).

    Sure and right, there is no chance in it:

    >>> error_if_perfect([0.0, 1.0], seed=0).value
    0.0
    """
    values = np.asarray(probs, dtype=np.float64)
    if not values.size:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    generator = np.random.default_rng(seed)
    member = (equal_mass_bins(values, n_bins)[:, None] == np.arange(n_bins)).astype(np.float64)
    size = max(1, _MAX_CELLS // values.size)
    errors = np.concatenate(
        [
            np.abs(((generator.random((min(size, n_simulations - start), values.size)) < values) - values) @ member).sum(axis=1)
            for start in range(0, n_simulations, size)
        ]
    )
    tail = (1 - CONFIDENCE_LEVEL) / 2
    low, high = np.quantile(errors, (tail, 1 - tail)) / values.size
    return Estimate(float(errors.mean()) / values.size, float(low), float(high), values.size)


def calibration_result(probs: npt.ArrayLike, gold: npt.ArrayLike, *, seed: int, n_bins: int = N_BINS) -> CalibrationResult:
    """Reliability, Brier parts, and the equal-mass calibration error next to the one that chance alone would show.

    :param probs: *Shape:* (n_texts,); ``gold`` 0/1 likewise.
    """
    values, truth = _pair(probs, gold)
    _, prob_sums, n_gold = _bin_sums(values, truth, n_bins)
    error = float(np.abs(prob_sums - n_gold).sum() / values.size) if values.size else float("nan")
    chance = error_if_perfect(values, seed=seed, n_bins=n_bins)
    bins = reliability_bins(values, truth, n_bins=n_bins)
    return CalibrationResult(bins, brier_parts(values, truth, n_bins=n_bins), error, chance, error > chance.high)


def _bin_sums(values: Floats, truth: Bools, n_bins: int) -> tuple[Floats, Floats, Floats]:
    """Number of texts, sum of probs and number of gold texts of every bin that has a text."""
    numbers = np.unique(equal_mass_bins(values, n_bins), return_inverse=True)[1]
    columns = (np.ones(values.size), values, truth)
    n_texts, prob_sums, n_gold = (np.asarray(np.bincount(numbers, weights=column), dtype=np.float64) for column in columns)
    return n_texts, prob_sums, n_gold


def _pair(probs: npt.ArrayLike, gold: npt.ArrayLike) -> tuple[Floats, Bools]:
    values, truth = np.asarray(probs, dtype=np.float64), np.asarray(gold)
    if values.ndim != 1 or values.shape != truth.shape:
        raise ValueError(f"Expected probs and gold of one question, shape (n_texts,), but got {values.shape} and {truth.shape}; pass one column.")
    if not np.isin(truth, (0, 1)).all() or not ((values >= 0) & (values <= 1)).all():
        raise ValueError("Expected probs between 0 and 1 and gold of 0 and 1, but got other values; calibrate the logits first.")
    return values, truth.astype(np.bool_)
