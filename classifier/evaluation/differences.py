"""Is a difference more than chance? One-sided p-values from the bootstrap, and a correction for asking many times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from classifier.decisions.arrays import Bools
from classifier.evaluation.bootstrap import CONFIDENCE_LEVEL, Resamples, Statistic, resampled
from classifier.evaluation.metrics import Floats


def p_values(statistic: Statistic, resamples: Resamples) -> Floats:
    """P-values of "this difference is not above 0": the normal tail of its value over its bootstrap standard error.

    Percentiles of 1,000 resamples end at 0.001, too coarse for a correction over many slices; the normal tail does not (Davison &
    Hinkley 1997, section 5.2).

    :return: *Shape:* (k,); nan where the difference is not defined.
    """
    values, draws = np.atleast_1d(statistic(None)), resampled(statistic, resamples).reshape(resamples.n_resamples, -1)
    tails = np.full(values.shape, np.nan)
    known = ~np.isnan(values) & ((~np.isnan(draws)).sum(axis=0) >= 2)
    errors = np.nanstd(draws[:, known], axis=0, ddof=1)
    # A difference that no resample changes is sure; where it is 0, it is none.
    steps = np.divide(values[known], errors, out=np.where(values[known] > 0, np.inf, 0.0), where=errors > 0)
    tails[known] = special.ndtr(-steps)
    return tails


def holm(p_values: npt.ArrayLike, alpha: float = 1 - CONFIDENCE_LEVEL) -> Bools:
    """Which hypotheses fall when the probability of one wrong rejection among all is at most ``alpha`` (Holm 1979).

    :param p_values: *Shape:* (m,); nan takes no part and is never rejected.
    :return: *Shape:* (m,).

    0.01 is below 0.05 / 3, and 0.02 below 0.05 / 2, but 0.06 is not below 0.05:

    >>> holm([0.06, 0.01, 0.02, float("nan")]).tolist()
    [False, True, True, False]
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = [int(i) for i in np.argsort(values, kind="stable") if not np.isnan(values[i])]
    rejected = np.zeros(values.shape, dtype=np.bool_)
    for n_done, i in enumerate(order):
        if values[i] * (len(order) - n_done) > alpha:
            break
        rejected[i] = True
    return rejected
