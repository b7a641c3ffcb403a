"""Intervals: the cluster bootstrap for any metric, exact binomial bounds for plain shares, and the outer of the two where both apply.

Texts of one account or group stand and fall together, so whole clusters are drawn with replacement (Davison & Hinkley 1997, section 3.8) and
the interval is cut at the percentiles. Two things the bootstrap cannot do: with few clusters (below about 30) its intervals are too narrow, and
where no error was seen at all it says that there can be none. For shares and for F1 the exact interval of Clopper & Pearson (1934) does not
share the second fault, so those get the lower of the two lows and the higher of the two highs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Ints, as_clusters
from classifier.decisions.binomial import lower_bounds, upper_bounds
from classifier.evaluation.metrics import Floats, Weights, f1, precision, ratio, weighted_sums

CONFIDENCE_LEVEL = 0.95
"""Of every interval in this room."""
_MAX_CELLS = 4_000_000  # weights of one block: 32 MB

Statistic = Callable[[Weights], Floats]
"""Weights in, a value for each resample out: *Shape:* () or (k,) for None, with the resamples in front otherwise."""


@dataclass(frozen=True)
class Estimate:
    """A value, its interval at ``CONFIDENCE_LEVEL``, and the number of texts that it is about. All nan where the texts cannot define it."""

    value: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; nan becomes None.

        >>> Estimate(0.5, float("nan"), 1.0, 2).to_dict()
        {'value': 0.5, 'low': None, 'high': 1.0, 'n': 2}
        """
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {name: None if math.isnan(number) else number for name, number in numbers.items()} | {"n": self.n}


@dataclass(frozen=True, eq=False)
class Resamples:
    """A plan of draws: ``clusters`` are numbers from 0 without a gap, *Shape:* (n_texts,). The same plan always gives the same draws,
    so that metrics of the same texts may be paired.
    """

    clusters: Ints
    n_clusters: int
    n_resamples: int
    seed: int

    def blocks(self) -> Iterator[Floats]:
        """How often each text is drawn, block after block of resamples, *Shape:* (n_in_block, n_texts) each."""
        generator = np.random.default_rng(self.seed)
        size = max(1, _MAX_CELLS // max(1, self.clusters.size))
        for start in range(0, self.n_resamples, size):
            n_rows = min(size, self.n_resamples - start)
            counts = np.empty((n_rows, self.n_clusters))
            for row in range(n_rows):
                drawn = generator.integers(self.n_clusters, size=self.n_clusters) if self.n_clusters else np.empty(0, dtype=np.int64)
                counts[row] = np.bincount(drawn, minlength=self.n_clusters)
            yield counts[:, self.clusters]


def plan_resamples(clusters: npt.ArrayLike | None, n_texts: int, *, seed: int, n_resamples: int = 1000) -> Resamples:
    """Plan the draws.

    :param clusters: integers, *Shape:* (n_texts,); None puts every text in a cluster of its own.
    :raises CalibrationError: when the shape is another.

    >>> plan_resamples([7, 7, 2], 3, seed=0).clusters.tolist()
    [1, 1, 0]
    """
    if n_resamples < 1:
        raise ValueError(f"Expected at least one resample, but got {n_resamples}.")
    names, numbers = np.unique(as_clusters(clusters, n_texts), return_inverse=True)
    return Resamples(numbers.astype(np.int64), int(names.size), n_resamples, seed)


def resampled(statistic: Statistic, resamples: Resamples) -> Floats:
    """The statistic of every resample, *Shape:* (n_resamples,) or (n_resamples, k)."""
    return np.concatenate([statistic(weights) for weights in resamples.blocks()])


def estimates(statistic: Statistic, resamples: Resamples, ns: npt.ArrayLike) -> tuple[Estimate, ...]:
    """Percentile intervals of k values. A resample in which a value is not defined says nothing about it.

    :param ns: number of texts that each value is about, *Shape:* (k,).
    """
    values, draws = np.atleast_1d(statistic(None)), resampled(statistic, resamples).reshape(resamples.n_resamples, -1)
    lows, highs = np.full(values.shape, np.nan), np.full(values.shape, np.nan)
    known = ~np.isnan(values) & ~np.isnan(draws).all(axis=0)
    tail = (1 - CONFIDENCE_LEVEL) / 2
    if known.any():
        lows[known], highs[known] = np.nanquantile(draws[:, known], (tail, 1 - tail), axis=0)
    return _estimates(values, lows, highs, ns)


def estimate(statistic: Statistic, resamples: Resamples, n: int) -> Estimate:
    """``estimates`` of a single value."""
    return estimates(statistic, resamples, [n])[0]


def share_estimates(members: npt.ArrayLike, hits: npt.ArrayLike, resamples: Resamples) -> tuple[Estimate, ...]:
    """Share of the member texts that are hits, column by column, with the outer of both intervals; nan without a member.

    :param members: 0/1, *Shape:* (n_texts, k); ``hits`` likewise.
    """
    member, hit = np.asarray(members, dtype=np.bool_), np.asarray(hits, dtype=np.bool_)
    n_members, n_hits = weighted_sums(member), weighted_sums(member & hit)
    drawn = estimates(lambda weights: precision(member, hit, weights), resamples, n_members)
    exact = exact_shares(n_hits, n_members)
    return tuple(_outer(a, b.low, b.high) for a, b in zip(drawn, exact, strict=True))


def f1_estimates(predicted: npt.ArrayLike, gold: npt.ArrayLike, resamples: Resamples) -> tuple[Estimate, ...]:
    """F1, column by column, with the outer of both intervals; nan where nothing is gold, whose F1 nobody asks for.

    F1 is ``2 J / (1 + J)`` with J the share of hits among the texts predicted or gold, so exact bounds of J are exact bounds of F1.

    :param predicted: 0/1, *Shape:* (n_texts, k); ``gold`` likewise.
    """
    guess, truth = np.asarray(predicted, dtype=np.bool_), np.asarray(gold, dtype=np.bool_)
    n_either, n_hits, n_gold = weighted_sums(guess | truth), weighted_sums(guess & truth), weighted_sums(truth)

    def statistic(weights: Weights) -> Floats:
        return np.where(n_gold > 0, f1(guess, truth, weights), np.nan)

    drawn, exact = estimates(statistic, resamples, n_either), exact_shares(n_hits, n_either)
    return tuple(_outer(a, 2 * b.low / (1 + b.low), 2 * b.high / (1 + b.high)) for a, b in zip(drawn, exact, strict=True))


def exact_shares(n_hits: npt.ArrayLike, ns: npt.ArrayLike) -> tuple[Estimate, ...]:
    """Shares of independent texts with their exact interval (Clopper & Pearson 1934).

    :param n_hits: *Shape:* (k,); ``ns`` likewise.

    No hit among 30 (1 - 0.025 ** (1 / 30) = 0.1157):

    >>> round(exact_shares([0], [30])[0].high, 4)
    0.1157
    """
    hits, counts = np.asarray(n_hits, dtype=np.float64), np.asarray(ns, dtype=np.float64)
    tail = (1 - CONFIDENCE_LEVEL) / 2
    lows, highs = lower_bounds(hits, counts, tail), upper_bounds(hits, counts, tail)
    return _estimates(ratio(hits, counts), np.where(counts > 0, lows, np.nan), np.where(counts > 0, highs, np.nan), counts)


def _outer(drawn: Estimate, low: float, high: float) -> Estimate:
    if math.isnan(drawn.value):
        return drawn
    return Estimate(drawn.value, float(np.fmin(drawn.low, low)), float(np.fmax(drawn.high, high)), drawn.n)


def _estimates(values: Floats, lows: Floats, highs: Floats, ns: npt.ArrayLike) -> tuple[Estimate, ...]:
    columns = zip(values.tolist(), lows.tolist(), highs.tolist(), np.asarray(ns).tolist(), strict=True)
    return tuple(Estimate(value, low, high, round(n)) for value, low, high, n in columns)
