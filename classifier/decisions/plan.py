"""The plan of a certification: which thresholds may be tested, and where the testing starts. Fixed before any calibration label is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from classifier.decisions.arrays import Floats, as_clusters, as_probs, as_targets, check_policy, severity_of
from classifier.decisions.binomial import error_p_values
from classifier.decisions.ladder import promises_of
from classifier.decisions.precision import ActedCounts, count_acted, precision_lower_bounds
from classifier.decisions.sampling import one_per_cluster
from classifier.errors import CalibrationError
from classifier.policy import Policy

DEFAULT_GRID = (
    *(i / 10_000 for i in range(9_999, 9_990, -1)),
    *(i / 1000 for i in range(999, 990, -1)),
    *(i / 1000 for i in range(990, 9, -5)),
    *(i / 1000 for i in range(9, 0, -1)),
)
"""Thresholds from the safest (0.9999) to the lowest (0.001): steps of 0.005, finer at both ends."""
DEFAULT_STARTS = (0.98, 0.94, 0.88, 0.78, 0.6)
"""Where chains of tests start when no other data says where to."""
_PRIOR_TEXTS = 100.0
"""Weight of what calibrated probs say of the error rate, in texts: a few hundred texts show too few errors to place a start by those alone."""


@dataclass(frozen=True)
class LevelPlan:
    """Thresholds of one level, strictly falling, and those of them at which a chain of tests starts; the starts share the error budget."""

    level_id: str
    grid: tuple[float, ...]
    starts: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.grid or list(self.grid) != sorted(set(self.grid), reverse=True):
            raise ValueError(f"Expected strictly falling thresholds for level `{self.level_id}`, but got {self.grid[:5]} …")
        if not self.starts or not set(self.starts) <= set(self.grid):
            raise ValueError(f"Expected at least one start, all of them on the grid of level `{self.level_id}`, but got {self.starts}.")


@dataclass(frozen=True)
class LadderPlan:
    """One plan for each acting level, ascending; ``origin`` says in words where the starts come from."""

    levels: tuple[LevelPlan, ...]
    policy_fingerprint: str
    origin: str


def default_plan(policy: Policy, *, odds_ratio: float = 1.0) -> LadderPlan:
    """The plan without any data: ``DEFAULT_GRID``, and ``DEFAULT_STARTS`` that share the budget.

    :param odds_ratio: odds of a violating text in the calibration set over those in production. Where violating texts are rarer in
        production, the same precision needs a higher threshold: the starts' odds are multiplied by it and put on the grid. It may come from the
        numbers of violating and benign calibration texts, for the tests at a prevalence hold given those numbers.

    >>> default_plan(Policy.load(), odds_ratio=9.0).levels[0].starts[-1]
    0.93
    """
    grid = np.array(DEFAULT_GRID)
    odds = odds_ratio * np.array(DEFAULT_STARTS) / (1 - np.array(DEFAULT_STARTS))
    nearest = {int(np.argmin(np.abs(grid - start))) for start in odds / (1 + odds)}
    starts = tuple(DEFAULT_GRID[i] for i in sorted(nearest))
    levels = tuple(LevelPlan(level.id, DEFAULT_GRID, starts) for level in policy.acting_levels)
    return LadderPlan(levels, policy.fingerprint, f"{len(starts)} starts fixed beforehand")


def plan_ladder(
    probs: npt.ArrayLike,
    targets: npt.ArrayLike,
    policy: Policy,
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    prevalence: float | None = None,
    n_certifying: int | None = None,
) -> LadderPlan:
    """Choose one start for each level on OTHER texts than those that will certify, so that a single chain keeps the whole budget.

    The start is the threshold most likely to pass on the certifying texts (``_chance_to_pass``), or at a prevalence the one with the highest
    exact lower bound of precision (of equals the lowest threshold). A level starts no lower than where the chain of the level before is
    expected to end (at a prevalence: to start), so that the certified thresholds can be made monotone.

    :param probs: calibrated, *Shape:* (n_texts, n_questions); the texts that the calibrators were fitted to may serve.
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    :param n_certifying: clusters that will certify; None for as many as here.
    :raises CalibrationError: when there is no text, or a shape or value is wrong.
    """
    values = as_probs(probs, policy)
    answers = as_targets(targets, *values.shape)
    if not len(values):
        raise CalibrationError("Expected at least one text to plan on, but got none; use default_plan(policy).")
    drawn = one_per_cluster(as_clusters(clusters, len(values)), seed=seed)
    severities = severity_of(answers[drawn], policy)
    growth = 1.0 if n_certifying is None else n_certifying / drawn.size
    grid = np.array(DEFAULT_GRID)
    plans: list[LevelPlan] = []
    lowest = 0.0
    for level, promise in zip(policy.acting_levels, promises_of(policy), strict=True):
        column = values[drawn, policy.severity_column(level.severity)]
        counts = count_acted(column, severities, level.severity, grid)
        delta = (1 - promise.confidence_level) / len(policy.acting_levels)
        if prevalence is None:
            promising = _chance_to_pass(counts, column, 1 - promise.target_precision, delta, growth)
        else:
            promising = precision_lower_bounds(counts, prevalence, delta)
        best = DEFAULT_GRID[int(np.flatnonzero(promising == promising.max())[-1])] if promising.max() > 0 else DEFAULT_STARTS[0]
        start = max(best, lowest)
        plans.append(LevelPlan(level.id, DEFAULT_GRID, (start,)))
        lowest = max(lowest, start if prevalence is not None else _expected_end(promising, start))
    return LadderPlan(tuple(plans), policy.fingerprint, f"one start for each level, planned on {drawn.size} clusters of other texts")


def _chance_to_pass(counts: ActedCounts, probs: Floats, max_error_rate: float, delta: float, growth: float) -> Floats:
    """The chance that each threshold of the grid passes its test on ``growth`` times as many texts, *Shape:* (m,).

    The error rate at a threshold has a Beta distribution: Jeffreys' prior, the errors counted there, and the error rate that the calibrated
    probs of the acted-on texts imply, which is worth ``_PRIOR_TEXTS`` texts. The errors to come are then beta-binomial.
    """
    implied = np.append(0.0, np.cumsum(1 - np.sort(probs)[::-1]))[counts.n_acted] / np.maximum(counts.n_acted, 1)
    alpha = 0.5 + counts.n_errors + _PRIOR_TEXTS * implied
    beta = 0.5 + counts.n_right + _PRIOR_TEXTS * (1 - implied)
    n_to_come = np.rint(counts.n_acted * growth).astype(np.int64)
    allowed = stats.binom.ppf(delta, n_to_come, max_error_rate)
    allowed = np.where(error_p_values(allowed, n_to_come, max_error_rate) <= delta, allowed, allowed - 1)
    chance = stats.betabinom.cdf(np.maximum(allowed, 0), n_to_come, alpha, beta)
    return np.where((allowed >= 0) & (n_to_come > 0), chance, 0.0)


def _expected_end(chance: Floats, start: float) -> float:
    """Where a chain from ``start`` is expected to end: the last threshold below it before the chance to pass falls under a half."""
    below = chance[DEFAULT_GRID.index(start) :]
    n_passing = int(np.argmin(below >= 0.5)) if (below < 0.5).any() else below.size
    return DEFAULT_GRID[DEFAULT_GRID.index(start) + max(n_passing - 1, 0)]


def check_plan(plan: LadderPlan, policy: Policy) -> None:
    """Refuse a plan made for another policy.

    :raises CalibrationError: when the fingerprints or the levels differ.
    """
    check_policy(plan.policy_fingerprint, policy, "plan")
    expected, got = [level.id for level in policy.acting_levels], [level.level_id for level in plan.levels]
    if expected != got:
        raise CalibrationError(f"Expected a plan for the levels {expected}, but got one for {got}.")
