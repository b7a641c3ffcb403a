"""A threshold below which only few of the texts fall that must not be lost: for a first stage before the model."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.decisions.binomial import error_p_values, upper_bounds
from classifier.errors import CalibrationError


@dataclass(frozen=True)
class CertifiedThreshold:
    """A threshold, and of ``n_trials`` scores the ``n_lost`` that lie below it, with the exact upper bound of their share."""

    threshold: float
    n_trials: int
    n_lost: int
    upper_bound: float


def certified_threshold(scores: npt.ArrayLike, *, max_loss_rate: float, confidence_level: float) -> CertifiedThreshold:
    """The highest threshold below which at most ``max_loss_rate`` of such texts fall, with confidence.

    It is the order statistic that a one-sided tolerance limit takes (Wilks 1941): of ``n`` independent scores, as many may fall below as the exact
    binomial test allows. No grid is needed, for the number below a threshold only grows with it.

    :param scores: of independent texts that must not be lost, *Shape:* (n,).
    :raises CalibrationError: when there are too few; says how many more are needed, and what they can certify.

    Twenty-nine texts are the fewest that certify at most a tenth, with none below the threshold:

    >>> certified_threshold(np.arange(29.0), max_loss_rate=0.1, confidence_level=0.95).threshold
    0.0
    >>> certified_threshold(np.arange(46.0), max_loss_rate=0.1, confidence_level=0.95).threshold
    1.0
    """
    if not 0 < max_loss_rate < 1 or not 0 < confidence_level < 1:
        raise ValueError(f"Expected rates above 0 and below 1, but got max_loss_rate={max_loss_rate}, confidence_level={confidence_level}.")
    values = np.sort(np.asarray(scores, dtype=np.float64))
    lost = np.arange(values.size + 1)
    allowed = np.flatnonzero(error_p_values(lost, np.full(lost.size, values.size), max_loss_rate) <= 1 - confidence_level)
    if not allowed.size:
        raise CalibrationError(_too_few(values.size, max_loss_rate, confidence_level))
    n_lost = int(allowed[-1])
    bound = float(upper_bounds([n_lost], [values.size], 1 - confidence_level)[0])
    return CertifiedThreshold(float(values[n_lost]), values.size, n_lost, bound)


def n_needed(max_loss_rate: float, confidence_level: float) -> int:
    """The fewest texts with which a loss rate can be certified: those of which none may be lost.

    >>> n_needed(0.1, 0.95), n_needed(0.005, 0.95)
    (29, 598)
    """
    return math.ceil(math.log(1 - confidence_level) / math.log1p(-max_loss_rate))


def _too_few(n_trials: int, max_loss_rate: float, confidence_level: float) -> str:
    needed = n_needed(max_loss_rate, confidence_level)
    today = float(upper_bounds([0], [n_trials], 1 - confidence_level)[0])
    rounded = math.ceil(today * 10_000) / 10_000
    offer = f"certifiable today: --max-loss-rate {rounded:g}" if rounded < 1 else "nothing can be certified with these"
    return (
        f"Expected at least {needed} independent violating texts that the bundle finds, to certify a loss of at most {max_loss_rate:g} "
        f"with confidence {confidence_level:g}, but got {n_trials}: {needed - n_trials} more needed; {offer}."
    )
