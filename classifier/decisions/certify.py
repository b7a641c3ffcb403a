"""Certified thresholds: the lowest ones whose precision is sure enough, or a stated refusal. Needs SciPy; inference never comes here.

The argument, in the order in which it is used:

1. *One test.* Draws are independent (one text a cluster). Of the texts that reach threshold t some number are errors; given how many
   reach it, the errors are Binomial(n, 1 - precision(t)). The exact tail P(Binomial(n, 1 - target) <= errors) is therefore a
   p-value of "precision(t) is below the target", valid for every n. At a production prevalence an exact lower bound takes its place.
2. *One level.* Thresholds are tested from the safest down and the level may use any rejected one. A threshold is only tested with a
   budget that it has of its own (a start) or that the rejected threshold before it hands on. This is the fallback procedure (Wiens
   2003; Wiens & Dmitrienko 2005), which Learn-then-Test (Angelopoulos et al. 2022, section 3) uses as fixed-sequence testing with
   several starts: whatever the dependence of the p-values, the probability of rejecting ANY threshold that breaks the target is
   at most the sum of the starts' budgets, delta. With one start it is plain fixed-sequence testing. Very high thresholds act on too few texts to
   reject anything, and a chain begun there would end there; so the starts lie lower, at places fixed before the labels are
   seen: ``DEFAULT_STARTS``, which share delta, or one start planned on other texts. Choosing the start by the calibration texts
   themselves, even by their number alone, would not keep the argument, and is not done.
3. *Monotone thresholds.* All rejections of a level hold together, so any rule may pick among them. A level takes the lowest of its own
   rejected thresholds that is not below the threshold of the level before. No threshold is used whose own hypothesis was not rejected.
4. *All levels.* Level L has delta_L = (1 - confidence_L) / n_acting_levels, and the union bound makes all promises hold together with
   confidence 1 - sum(delta_L).

The scale must be fixed beforehand as well: calibrators fitted to the same labels would move the thresholds with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Bools, Floats, Ints, as_clusters, as_probs, as_targets, severity_of
from classifier.decisions.ladder import Ladder, LevelThreshold, Promise, promises_of
from classifier.decisions.plan import DEFAULT_GRID, LadderPlan, LevelPlan, check_plan, default_plan
from classifier.decisions.precision import (
    ActedCounts,
    count_acted,
    estimated_precision,
    n_more_until_pass,
    passes,
    precision_lower_bounds,
)
from classifier.decisions.sampling import one_per_cluster
from classifier.errors import CalibrationError
from classifier.policy import Policy

Method = Literal["fixed_sequence", "bonferroni"]
Prevalence = float | tuple[float, float] | None


def certify_ladder(
    probs: npt.ArrayLike,
    targets: npt.ArrayLike,
    policy: Policy,
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    plan: LadderPlan | None = None,
    method: Method = "fixed_sequence",
    prevalence: Prevalence = None,
    review_threshold: float | None = None,
) -> Ladder:
    """For each level the lowest threshold whose precision is certified; all certified promises hold together.

    A level for which nothing can be certified is switched off, and says how far it is (``certifiable_precision``, ``n_more_needed``).

    :param probs: calibrated by calibrators that were fitted to other texts, *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    :param clusters: integers, *Shape:* (n_texts,); one text of each is drawn. None when all texts are independent.
    :param seed: of that draw.
    :param plan: thresholds and starts made on OTHER texts (``plan_ladder``); None for ``default_plan``.
    :param method: ``"fixed_sequence"``, or ``"bonferroni"``: every threshold of the grid at an even share of the budget.
    :param prevalence: share of violating texts in production, or the range it lies in (its lower end is the worst); None when the
        calibration texts are mixed as in production.
    :param review_threshold: kept in the ladder as it is.
    :raises CalibrationError: when there is no text, a shape or value is wrong, or the plan belongs to another policy.
    """
    if method not in ("fixed_sequence", "bonferroni"):
        raise ValueError(f"Expected method 'fixed_sequence' or 'bonferroni', but got {method!r}.")
    span = _prevalence_range(prevalence)
    worst = None if span is None else span[0]
    values, severities = _drawn(probs, targets, policy, clusters, seed)
    plan = default_plan(policy, odds_ratio=_odds_ratio(severities, worst)) if plan is None else plan
    check_plan(plan, policy)
    promises = promises_of(policy)
    levels: list[LevelThreshold] = []
    for level_plan, promise in zip(plan.levels, promises, strict=True):
        severity = len(levels) + 1
        counts = count_acted(values[:, policy.severity_column(severity)], severities, severity, np.array(level_plan.grid))
        delta = (1 - promise.confidence_level) / len(promises)
        at_least = max((level.threshold for level in levels if level.threshold is not None), default=0.0)
        levels.append(_certify_level(counts, promise, _sequence(level_plan, method, delta), worst, at_least))
    return Ladder(
        levels=tuple(levels),
        review_threshold=review_threshold,
        policy_fingerprint=policy.fingerprint,
        method=method,
        joint_confidence_level=1 - sum(1 - promise.confidence_level for promise in promises) / len(promises),
        n_clusters=len(values),
        seed=seed,
        prevalence=span,
        notes=(plan.origin, *(_refusal(level) for level in levels if level.threshold is None)),
    )


def empirical_ladder(probs: npt.ArrayLike, targets: npt.ArrayLike, policy: Policy, *, prevalence: Prevalence = None) -> Ladder:
    """For each level the lowest threshold of the grid at which the observed precision reaches the target: plain, and without a promise.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    :raises CalibrationError: when there is no text, or a shape or value is wrong.
    """
    span = _prevalence_range(prevalence)
    worst = None if span is None else span[0]
    values, severities = _drawn(probs, targets, policy, None, 0)
    levels: list[LevelThreshold] = []
    for severity, promise in enumerate(promises_of(policy), start=1):
        counts = count_acted(values[:, policy.severity_column(severity)], severities, severity, np.array(DEFAULT_GRID))
        precision = estimated_precision(counts, worst)
        at_least = max((level.threshold for level in levels if level.threshold is not None), default=0.0)
        chosen = _lowest(precision >= promise.target_precision, DEFAULT_GRID, at_least)
        where = 0 if chosen is None else chosen
        threshold = None if chosen is None else DEFAULT_GRID[chosen]
        levels.append(_level_threshold(counts.at(np.array([where])), promise, worst, threshold=threshold, would_be=threshold))
    return Ladder(
        levels=tuple(levels),
        review_threshold=None,
        policy_fingerprint=policy.fingerprint,
        method="empirical",
        joint_confidence_level=None,
        n_clusters=len(values),
        seed=None,
        prevalence=span,
    )


@dataclass(frozen=True)
class _Sequence:
    """Thresholds, falling, and the budget that each has of its own; ``hands_on`` says whether a rejection passes its budget on."""

    grid: tuple[float, ...]
    starts: tuple[int, ...]
    budget: float
    hands_on: bool
    delta: float


def _sequence(plan: LevelPlan, method: Method, delta: float) -> _Sequence:
    if method == "bonferroni":
        return _Sequence(plan.grid, tuple(range(len(plan.grid))), delta / len(plan.grid), False, delta)
    starts = tuple(sorted(plan.grid.index(start) for start in plan.starts))
    return _Sequence(plan.grid, starts, delta / len(starts), True, delta)


def _rejected(counts: ActedCounts, target_precision: float, sequence: _Sequence, prevalence: float | None) -> Bools:
    """Which thresholds the procedure certifies, *Shape:* (m,)."""
    if not sequence.hands_on:
        return passes(counts, prevalence, target_precision, sequence.budget)
    rejected = np.zeros(len(sequence.grid), dtype=np.bool_)
    handed = 0.0
    for start, end in zip(sequence.starts, (*sequence.starts[1:], len(sequence.grid)), strict=True):
        segment = np.arange(start, end)
        level = handed + sequence.budget
        passed = np.logical_and.accumulate(passes(counts.at(segment), prevalence, target_precision, level))
        rejected[segment] = passed
        handed = level if passed[-1] else 0.0
    return rejected


def _certify_level(counts: ActedCounts, promise: Promise, sequence: _Sequence, prevalence: float | None, at_least: float) -> LevelThreshold:
    rejected = _rejected(counts, promise.target_precision, sequence, prevalence)
    chosen = _lowest(rejected, sequence.grid, at_least)
    starts = np.array(sequence.starts)
    bounds = precision_lower_bounds(counts.at(starts), prevalence, sequence.budget)
    reported = int(starts[int(np.argmax(bounds))]) if bounds.max() > 0 else int(starts[int(np.argmax(counts.n_acted[starts]))])
    empirical = _lowest(estimated_precision(counts, prevalence) >= promise.target_precision, sequence.grid, 0.0)
    return _level_threshold(
        counts.at(np.array([reported if chosen is None else chosen])),
        promise,
        prevalence,
        threshold=None if chosen is None else sequence.grid[chosen],
        would_be=None if empirical is None else sequence.grid[empirical],
        certifiable=float(bounds.max()),
        n_more=0 if rejected.any() else _n_more(counts, promise.target_precision, sequence, prevalence),
        delta=sequence.delta,
    )


def _level_threshold(
    counts: ActedCounts,
    promise: Promise,
    prevalence: float | None,
    *,
    threshold: float | None,
    would_be: float | None,
    certifiable: float | None = None,
    n_more: int | None = None,
    delta: float | None = None,
) -> LevelThreshold:
    """Put together what is known of one level; ``counts`` at one threshold, *Shape:* (1,)."""
    n_acted = int(counts.n_acted[0])
    return LevelThreshold(
        level_id=promise.level_id,
        severity=counts.severity,
        threshold=threshold,
        would_be_threshold=would_be,
        target_precision=promise.target_precision,
        confidence_level=promise.confidence_level,
        certified=threshold is not None and delta is not None,
        n_acted=n_acted,
        n_errors=int(counts.n_errors[0]),
        precision=float(estimated_precision(counts, prevalence)[0]) if n_acted else None,
        precision_lower_bound=None if delta is None else float(precision_lower_bounds(counts, prevalence, delta)[0]),
        certifiable_precision=certifiable,
        n_more_needed=n_more,
        delta=delta,
    )


def _n_more(counts: ActedCounts, target_precision: float, sequence: _Sequence, prevalence: float | None) -> int | None:
    """The fewest further texts over the starts; those that act on something come first, for only they have a present precision."""
    starts = np.array(sequence.starts)
    acting = starts[counts.n_acted[starts] > 0]
    found = [
        n_more
        for start in (acting if acting.size else starts[:1])
        if (n_more := n_more_until_pass(counts.at(np.array([start])), prevalence, target_precision, sequence.budget)) is not None
    ]
    return min(found, default=None)


def _lowest(accepted: Bools, grid: Sequence[float], at_least: float) -> int | None:
    """Position of the lowest accepted threshold that is at least ``at_least``."""
    allowed = np.flatnonzero(accepted & (np.array(grid) >= at_least))
    return int(allowed[-1]) if allowed.size else None


def _drawn(probs: npt.ArrayLike, targets: npt.ArrayLike, policy: Policy, clusters: npt.ArrayLike | None, seed: int) -> tuple[Floats, Ints]:
    """Probs and true severities of one text a cluster."""
    values = as_probs(probs, policy)
    answers = as_targets(targets, *values.shape)
    if not len(values):
        raise CalibrationError("Expected at least one calibration text, but got none; label some.")
    numbers = as_clusters(clusters, len(values))
    rows = one_per_cluster(numbers, seed=seed) if clusters is not None else numbers
    return values[rows], severity_of(answers[rows], policy)


def _prevalence_range(prevalence: Prevalence) -> tuple[float, float] | None:
    if prevalence is None:
        return None
    low, high = (prevalence, prevalence) if isinstance(prevalence, int | float) else prevalence
    if not 0 < low <= high < 1:
        raise ValueError(f"Expected a prevalence above 0 and below 1, or a rising range of them, but got {prevalence}.")
    return float(low), float(high)


def _odds_ratio(severities: Ints, prevalence: float | None) -> float:
    """Odds of a violating text here over those in production."""
    n_violating = int((severities > 0).sum())
    if prevalence is None or n_violating in (0, severities.size):
        return 1.0
    return n_violating / (severities.size - n_violating) * (1 - prevalence) / prevalence


def _refusal(level: LevelThreshold) -> str:
    more = f"{level.n_more_needed} more acted-on texts needed"
    if level.n_more_needed is None:
        more = "more texts at the present precision would not do"
    elif level.n_more_needed == 0:
        more = "its certified thresholds lie below that of the level before"
    return f"{level.level_id} is switched off: {more}; certifiable today: {level.certifiable_precision:.4f}, target {level.target_precision}"
