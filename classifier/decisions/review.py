"""The review threshold: whom a person must look at, by recall or by capacity; and what a ladder would do to production traffic."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Floats, as_clusters, as_probs, as_targets, severity_of
from classifier.decisions.binomial import error_p_values
from classifier.decisions.ladder import Ladder, decide_levels
from classifier.decisions.plan import DEFAULT_GRID
from classifier.decisions.sampling import one_per_cluster
from classifier.errors import CalibrationError
from classifier.policy import Policy


def review_threshold_for_recall(
    probs_any: npt.ArrayLike,
    violating: npt.ArrayLike,
    *,
    clusters: npt.ArrayLike | None,
    max_miss_rate: float,
    confidence_level: float,
    seed: int,
) -> float | None:
    """The highest threshold of the grid below which at most ``max_miss_rate`` of the violating texts fall, with confidence.

    Fixed-sequence testing from the lowest threshold (which misses least) upwards, by the exact binomial tail of the misses. The number of
    violating texts is the same for every threshold, so the first test is the one most likely to pass.

    :param probs_any: calibrated probs of ``severity >= 1``, *Shape:* (n_texts,).
    :param violating: bool or 0/1, *Shape:* (n_texts,).
    :param clusters: integers, *Shape:* (n_texts,); one violating text of each is drawn. None when all texts are independent.
    :return: None where nothing can be certified.
    :raises CalibrationError: when a shape or value is wrong.

    Twenty-nine violating texts are the fewest that certify at most a tenth missed with confidence 0.95:

    >>> review_threshold_for_recall(np.full(29, 0.4), np.ones(29), clusters=None, max_miss_rate=0.1, confidence_level=0.95, seed=0)
    0.4
    """
    if not 0 < max_miss_rate < 1 or not 0 < confidence_level < 1:
        raise ValueError(f"Expected rates above 0 and below 1, but got max_miss_rate={max_miss_rate}, confidence_level={confidence_level}.")
    probs = np.asarray(probs_any, dtype=np.float64)
    if probs.ndim != 1 or not ((probs >= 0) & (probs <= 1)).all():
        raise CalibrationError(f"Expected probs of one question, shape (n_texts,), between 0 and 1, but got shape {probs.shape} or other values.")
    rows = np.flatnonzero(as_targets(np.asarray(violating).reshape(-1, 1), probs.size, 1)[:, 0])
    rows = rows[one_per_cluster(as_clusters(clusters, probs.size)[rows], seed=seed)]
    grid = np.array(DEFAULT_GRID[::-1])
    n_missed = np.searchsorted(np.sort(probs[rows]), grid, side="left")
    passed = np.logical_and.accumulate(error_p_values(n_missed, np.full(grid.shape, rows.size), max_miss_rate) <= 1 - confidence_level)
    return float(grid[np.flatnonzero(passed)[-1]]) if passed.any() else None


def review_threshold_for_capacity(
    probs: npt.ArrayLike, ladder: Ladder, policy: Policy, *, capacity: float, per: int = 10_000
) -> float | None:
    """The lowest review threshold that sends at most ``capacity`` of ``per`` texts to a person.

    Texts that a switched-off level sends there count first.

    :param probs: calibrated, of texts mixed as in production (no labels needed), *Shape:* (n_texts, n_questions).
    :return: None when the switched-off levels alone take more than the capacity.
    :raises CalibrationError: when there is no text, or a shape or value is wrong.
    """
    values = as_probs(probs, policy)
    if not len(values) or capacity < 0 or per < 1:
        raise CalibrationError(f"Expected at least one text, a capacity of at least 0 per at least 1, but got {len(values)}, {capacity}, {per}.")
    decided = decide_levels(values, ladder.with_review_threshold(None), policy)
    n_allowed = math.floor(capacity * len(values) / per) - int(decided.review.sum())
    if n_allowed < 0:
        return None
    waiting = np.sort(values[(decided.severity == 0) & ~decided.review, policy.severity_column(1)])[::-1]
    if n_allowed >= waiting.size:
        return 0.0
    # The first text too many must stay out, and with it all that share its prob.
    reached = waiting[waiting > waiting[n_allowed]]
    return float(reached[-1]) if reached.size else float(np.nextafter(waiting[0], 2.0))


@dataclass(frozen=True)
class PlanRow:
    """What happens at one level, in texts of ``per``.

    ``n_acted`` are decided at exactly this level, ``n_wrong`` of them truly have a lower severity, ``n_reviewed`` of them also go to a person.
    ``n_missed`` truly have exactly this severity, but nothing is done and nobody looks. ``precision_or_above`` is the precision of the texts
    acted on at this level or above, None where there are none and at severity 0.
    """

    level_id: str
    severity: int
    n_acted: float
    n_wrong: float
    n_reviewed: float
    n_missed: float
    precision_or_above: float | None


def plan_table(
    probs: npt.ArrayLike, targets: npt.ArrayLike, ladder: Ladder, policy: Policy, *, prevalence: float | None, per: int = 10_000
) -> tuple[PlanRow, ...]:
    """One row for each level, severity 0 first: what the ladder would do to ``per`` texts of which a share ``prevalence`` is violating.

    :param probs: calibrated, of labelled texts, *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    :param prevalence: None for the mixture of these texts.
    :raises CalibrationError: when a shape or value is wrong, or a kind of text that the prevalence asks for is missing.
    """
    values = as_probs(probs, policy)
    truth = severity_of(as_targets(targets, *values.shape), policy)
    weights = _weights(truth > 0, prevalence) * per
    decided = decide_levels(values, ladder, policy)

    def total(which: npt.NDArray[np.bool_]) -> float:
        return float(weights[which].sum())

    rows = []
    for level in policy.levels:
        here, above = decided.severity == level.severity, decided.severity >= level.severity
        acted_or_above = total(above)
        rows.append(
            PlanRow(
                level_id=level.id,
                severity=level.severity,
                n_acted=total(here),
                n_wrong=total(here & (truth < level.severity)),
                n_reviewed=total(here & decided.review),
                n_missed=total((truth == level.severity) & (truth > 0) & (decided.severity == 0) & ~decided.review),
                precision_or_above=total(above & (truth >= level.severity)) / acted_or_above if level.severity and acted_or_above else None,
            )
        )
    return tuple(rows)


def _weights(violating: npt.NDArray[np.bool_], prevalence: float | None) -> Floats:
    """Weights that sum to 1 and give violating texts the share ``prevalence``."""
    n_violating, n_texts = int(violating.sum()), violating.size
    if not n_texts:
        raise CalibrationError("Expected at least one labelled text, but got none.")
    if prevalence is None:
        return np.full(n_texts, 1 / n_texts)
    if not 0 < prevalence < 1:
        raise ValueError(f"Expected a prevalence above 0 and below 1, but got {prevalence}.")
    if n_violating in (0, n_texts):
        raise CalibrationError(f"Expected violating and benign texts to weigh, but {n_violating} of {n_texts} are violating; add the other kind.")
    return np.where(violating, prevalence / n_violating, (1 - prevalence) / (n_texts - n_violating))
