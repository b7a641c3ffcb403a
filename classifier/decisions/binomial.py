"""Exact binomial tails and bounds. Needs SciPy; inference never comes here."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from classifier.decisions.arrays import Floats


def error_p_values(n_errors: npt.ArrayLike, n_trials: npt.ArrayLike, max_error_rate: float) -> Floats:
    """P-values of the hypothesis that the error rate is above ``max_error_rate``: P(Binomial(n_trials, max_error_rate) <= n_errors).

    Small values speak for a low error rate. Without a trial the value is 1.

    :param n_errors: *Shape:* (m,).
    :param n_trials: *Shape:* (m,).
    :return: *Shape:* (m,).

    Twenty-nine trials without an error are the fewest that reject a tenth at one in twenty (0.9 ** 29 = 0.047):

    >>> error_p_values([0, 0], [28, 29], 0.1).round(3).tolist()
    [0.052, 0.047]
    """
    errors, trials = np.asarray(n_errors, dtype=np.float64), np.asarray(n_trials)
    tails = special.bdtr(errors, np.maximum(trials, 1), max_error_rate)
    return np.where(trials > 0, tails, 1.0)


def lower_bounds(n_hits: npt.ArrayLike, n_trials: npt.ArrayLike, delta: npt.ArrayLike) -> Floats:
    """One-sided lower bounds of a rate (Clopper & Pearson 1934), each wrong with probability at most ``delta``.

    :param n_hits: *Shape:* (m,).
    :param n_trials: *Shape:* (m,).
    :return: *Shape:* (m,); 0 without a hit.

    >>> lower_bounds([29, 0], [29, 29], 0.05).round(4).tolist()
    [0.9019, 0.0]
    """
    hits, trials = np.asarray(n_hits, dtype=np.float64), np.asarray(n_trials, dtype=np.float64)
    bounds = special.betaincinv(np.maximum(hits, 1), trials - np.minimum(hits, trials) + 1, delta)
    return np.where(hits > 0, bounds, 0.0)


def upper_bounds(n_hits: npt.ArrayLike, n_trials: npt.ArrayLike, delta: npt.ArrayLike) -> Floats:
    """One-sided upper bounds of a rate (Clopper & Pearson 1934), each wrong with probability at most ``delta``.

    :param n_hits: *Shape:* (m,).
    :param n_trials: *Shape:* (m,).
    :return: *Shape:* (m,); 1 where every trial hit, or there was none.

    >>> upper_bounds([0, 3], [29, 3], 0.05).round(4).tolist()
    [0.0981, 1.0]
    """
    hits, trials = np.asarray(n_hits, dtype=np.float64), np.asarray(n_trials, dtype=np.float64)
    bounds = special.betaincinv(hits + 1, np.maximum(trials - hits, 1), 1 - np.asarray(delta, dtype=np.float64))
    return np.where(hits < trials, bounds, 1.0)
