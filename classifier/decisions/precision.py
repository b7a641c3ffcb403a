"""Precision of the texts acted on: counts over a grid of thresholds, estimates, exact tests. Needs SciPy; inference never comes here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from classifier.decisions.arrays import Bools, Floats, Ints
from classifier.decisions.binomial import error_p_values, lower_bounds, upper_bounds

MAX_MORE = 200_000
"""Nobody labels more further acted-on texts than this."""


@dataclass(frozen=True)
class ActedCounts:
    """What is acted on at each threshold of a grid, for one level; *Shape:* (m,) each.

    ``n_right`` texts truly have at least the level's severity, ``n_below`` break the rule with a lower severity, ``n_benign`` do not;
    ``n_violating_texts`` and ``n_benign_texts`` are the sizes of the whole sample, acted on or not.
    """

    severity: int
    n_right: Ints
    n_below: Ints
    n_benign: Ints
    n_violating_texts: Ints
    n_benign_texts: Ints

    @property
    def n_acted(self) -> Ints:
        """Texts acted on, *Shape:* (m,)."""
        return self.n_right + self.n_errors

    @property
    def n_errors(self) -> Ints:
        """Texts acted on whose true severity is below the level's, *Shape:* (m,)."""
        return self.n_below + self.n_benign

    def at(self, where: Ints) -> ActedCounts:
        """The counts at some thresholds of the grid only."""
        return ActedCounts(
            severity=self.severity,
            n_right=self.n_right[where],
            n_below=self.n_below[where],
            n_benign=self.n_benign[where],
            n_violating_texts=self.n_violating_texts[where],
            n_benign_texts=self.n_benign_texts[where],
        )


def count_acted(probs: Floats, true_severity: Ints, severity: int, grid: Floats) -> ActedCounts:
    """Count the texts with a prob of at least each threshold, by what they truly are.

    :param probs: prob of ``severity >= severity``, *Shape:* (n_texts,).
    :param true_severity: *Shape:* (n_texts,).
    :param grid: thresholds, *Shape:* (m,).

    >>> counts = count_acted(np.array([0.9, 0.8, 0.7]), np.array([2, 1, 0]), 2, np.array([0.9, 0.7]))
    >>> counts.n_right.tolist(), counts.n_below.tolist(), counts.n_benign.tolist()
    ([1, 1], [0, 1], [0, 1])
    """

    def n_reaching(which: Bools) -> Ints:
        ranked = np.sort(probs[which])
        return (ranked.size - np.searchsorted(ranked, grid, side="left")).astype(np.int64)

    benign = true_severity == 0
    right = true_severity >= severity
    n_benign = int(benign.sum())
    return ActedCounts(
        severity=severity,
        n_right=n_reaching(right),
        n_below=n_reaching(~right & ~benign),
        n_benign=n_reaching(benign),
        n_violating_texts=np.full(grid.shape, true_severity.size - n_benign, dtype=np.int64),
        n_benign_texts=np.full(grid.shape, n_benign, dtype=np.int64),
    )


def estimated_precision(counts: ActedCounts, prevalence: float | None) -> Floats:
    """Share of acted-on texts that are right, at the sample's own mixture or at a prevalence; NaN where nothing is acted on.

    At prevalence pi each violating text weighs pi / n_violating and each benign one (1 - pi) / n_benign.

    :return: *Shape:* (m,).
    """
    right, errors = counts.n_right.astype(np.float64), counts.n_errors.astype(np.float64)
    if prevalence is not None:
        heavy, light = prevalence / np.maximum(counts.n_violating_texts, 1), (1 - prevalence) / np.maximum(counts.n_benign_texts, 1)
        right, errors = heavy * counts.n_right, heavy * counts.n_below + light * counts.n_benign
    acted = right + errors
    return np.asarray(np.divide(right, acted, out=np.full(acted.shape, np.nan), where=acted > 0), dtype=np.float64)


def precision_lower_bounds(counts: ActedCounts, prevalence: float | None, delta: float) -> Floats:
    """Exact lower bounds of the precision at each threshold, each wrong with probability at most ``delta``.

    At the sample's own mixture this is the Clopper-Pearson bound of right among acted-on texts. At prevalence pi, with A and B the
    acted-on rates of violating texts at or above, and below, the level, and C that of benign ones, precision is
    ``pi A / (pi A + pi B + (1 - pi) C)``: a lower bound of A and upper bounds of B and C, which share ``delta``, give its lower bound
    (union bound). What is acted on among violating and among benign texts must look in production as it does here.

    :return: *Shape:* (m,).

    >>> counts = count_acted(np.full(29, 0.9), np.ones(29, dtype=np.int64), 1, np.array([0.5]))
    >>> precision_lower_bounds(counts, None, 0.05).round(4).tolist()
    [0.9019]
    """
    if prevalence is None:
        return lower_bounds(counts.n_right, counts.n_acted, delta)
    n_violating, n_benign = counts.n_violating_texts, counts.n_benign_texts
    # Shares fixed beforehand: the benign rate is the smallest and its bound the loosest, so it gets most; severity 1 has nothing below it.
    right_share, below_share = (0.2, 0.2) if counts.severity > 1 else (0.2, 0.0)
    right = prevalence * lower_bounds(counts.n_right, n_violating, delta * right_share)
    below = prevalence * upper_bounds(counts.n_below, n_violating, delta * below_share) if below_share else np.zeros_like(right)
    benign = (1 - prevalence) * upper_bounds(counts.n_benign, n_benign, delta * (1 - right_share - below_share))
    acted = right + below + benign
    return np.asarray(np.divide(right, acted, out=np.zeros_like(right), where=acted > 0), dtype=np.float64)


def passes(counts: ActedCounts, prevalence: float | None, target_precision: float, delta: float) -> Bools:
    """Whether the test rejects "the precision at this threshold is below the target" at level ``delta``, *Shape:* (m,).

    At the sample's own mixture by the exact binomial tail of the errors among the acted-on texts, which is valid whatever their
    number; at a prevalence by the lower bound.

    >>> counts = count_acted(np.full(29, 0.9), np.ones(29, dtype=np.int64), 1, np.array([0.5]))
    >>> passes(counts, None, 0.9, 0.05).tolist(), passes(counts, None, 0.91, 0.05).tolist()
    ([True], [False])
    """
    if prevalence is None:
        return np.asarray(error_p_values(counts.n_errors, counts.n_acted, 1 - target_precision) <= delta, dtype=np.bool_)
    return np.asarray(precision_lower_bounds(counts, prevalence, delta) >= target_precision, dtype=np.bool_)


def n_more_until_pass(counts: ActedCounts, prevalence: float | None, target_precision: float, delta: float) -> int | None:
    """How many further labelled acted-on texts, at the present precision, until the test passes.

    Counts grow in proportion, errors rounded up. Where nothing is acted on yet, no error is assumed. At a prevalence the whole sample
    grows with the acted-on texts.

    :param counts: at one threshold, *Shape:* (1,).
    :return: 0 when it passes already; None when it never does, or not within ``MAX_MORE``.

    >>> counts = count_acted(np.full(10, 0.9), np.ones(10, dtype=np.int64), 1, np.array([0.5]))
    >>> n_more_until_pass(counts, None, 0.9, 0.05)
    19
    """

    def pass_at(sizes: Ints) -> Bools:
        return _passes_when_grown(counts, sizes, prevalence, target_precision, delta)

    now = int(counts.n_acted[0])
    if bool(passes(counts, prevalence, target_precision, delta)[0]):
        return 0
    if now and not float(estimated_precision(counts, prevalence)[0]) > target_precision:
        return None
    if not now and prevalence is not None:
        return None
    # Sizes at which no error is rounded up lie `step` apart, and along them passing is a matter of size alone: bisect there.
    step = max(now, 1) // math.gcd(max(now, 1), int(counts.n_errors[0])) if prevalence is None else 1
    fails, holds = 0, MAX_MORE // step
    if not bool(pass_at(np.array([now + holds * step]))[0]):
        return None
    while holds - fails > 1:
        middle = (fails + holds) // 2
        fails, holds = (fails, middle) if bool(pass_at(np.array([now + middle * step]))[0]) else (middle, holds)
    sizes = now + np.arange(fails * step + 1, holds * step + 1, dtype=np.int64)
    return int(sizes[np.flatnonzero(pass_at(sizes))[0]]) - now


def _passes_when_grown(counts: ActedCounts, sizes: Ints, prevalence: float | None, target_precision: float, delta: float) -> Bools:
    now = max(int(counts.n_acted[0]), 1)
    below, benign = (-(-part * sizes // now) for part in (counts.n_below, counts.n_benign))
    grown = ActedCounts(
        severity=counts.severity,
        n_right=np.maximum(sizes - below - benign, 0),
        n_below=below,
        n_benign=benign,
        n_violating_texts=counts.n_violating_texts * sizes // now,
        n_benign_texts=counts.n_benign_texts * sizes // now,
    )
    return passes(grown, prevalence, target_precision, delta)
