"""Fitting the correction for length to benign texts, and telling on other texts what it does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Bools, Floats, Ints
from classifier.decisions.length import LengthCorrection, LengthFigure

TAIL = (0.9, 0.925, 0.95, 0.975)
"""Quantiles of the benign logits that shall not move with the number of windows: thresholds lie in the upper tail."""
MIN_LONG = 80
"""Fewest benign texts of more than one window: two of them above the highest quantile."""
MAX_SLOPE = 8.0
BUCKETS = ((1, 1), (2, 2), (3, 4), (5, 8), (9, 10**6))
FALSE_ALARMS = 0.05
"""Share of the benign texts of one window above the logit at which the figures are taken."""
_STEPS = 60
_GOLDEN = (5**0.5 - 1) / 2


def fit_length(logits: npt.ArrayLike, n_windows: npt.ArrayLike) -> LengthCorrection:
    """Fit one slope a question to benign texts; with too few long ones every slope is 0, and the note says so.

    Quantile regression with one slope for several quantiles (Zou & Yuan 2008, *Composite quantile regression*): the sum of the tilted losses of
    ``logit - slope * ln(n_windows)`` around its own quantiles, least over slopes of 0 or more. That sum is convex in the slope.

    :param logits: of benign texts, the highest over the windows, *Shape:* (n_texts, n_questions).
    :param n_windows: of each text, *Shape:* (n_texts,).

    >>> fit_length(np.zeros((3, 2)), [1, 2, 3]).note
    'no correction for length: 2 benign texts of more than one window, at least 80 needed'
    """
    values, counts = np.asarray(logits, dtype=np.float64), np.asarray(n_windows, dtype=np.int64)
    if values.ndim != 2 or counts.shape != (len(values),):
        raise ValueError(f"Expected logits of shape (n_texts, n_questions) and one number of windows a text, but got {values.shape}, {counts.shape}.")
    n_long, n_short = int((counts > 1).sum()), int((counts == 1).sum())
    longest = max(int(counts.max(initial=1)), 1)
    if min(n_long, n_short) < MIN_LONG:
        kind, n = ("more than one window", n_long) if n_long < MIN_LONG else ("one window", n_short)
        note = f"no correction for length: {n} benign texts of {kind}, at least {MIN_LONG} needed"
        return LengthCorrection((0.0,) * values.shape[1], longest, len(values), n_long, note)
    log_counts = np.log(counts)
    slopes = tuple(_slope(values[:, j], log_counts) for j in range(values.shape[1]))
    return LengthCorrection(slopes, longest, len(values), n_long)


def _slope(logits: Floats, log_counts: Floats) -> float:
    """The slope of least loss, by golden sections."""
    low, high = 0.0, MAX_SLOPE
    for _ in range(_STEPS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        if _loss(logits - left * log_counts) <= _loss(logits - right * log_counts):
            high = right
        else:
            low = left
    return 0.0 if low == 0.0 else float((low + high) / 2)


def _loss(values: Floats) -> float:
    distance = values[:, None] - np.quantile(values, TAIL)
    return float((distance * (np.array(TAIL) - (distance < 0))).sum())


def length_figures(
    correction: LengthCorrection, logits: npt.ArrayLike, n_windows: npt.ArrayLike, violating: npt.ArrayLike, *, column: int
) -> tuple[LengthFigure, ...]:
    """What the correction does to texts that it was not fitted on, by number of windows.

    :param logits: *Shape:* (n_texts, n_questions).
    :param n_windows: *Shape:* (n_texts,).
    :param violating: bool, *Shape:* (n_texts,).
    :param column: the question of any violation.
    """
    counts, answers = np.asarray(n_windows, dtype=np.int64), np.asarray(violating, dtype=np.bool_)
    plain = np.asarray(logits, dtype=np.float64)[:, column]
    corrected = correction.apply(logits, counts)[:, column]
    short = plain[(counts == 1) & ~answers]
    if not short.size:
        return ()
    cut = float(np.quantile(short, 1 - FALSE_ALARMS))
    return tuple(_figures(plain >= cut, corrected >= cut, counts, answers, BUCKETS))


def _figures(plain: Bools, corrected: Bools, counts: Ints, violating: Bools, buckets: Sequence[tuple[int, int]]) -> Iterator[LengthFigure]:
    for low, high in buckets:
        inside = (counts >= low) & (counts <= high)
        benign, bad = inside & ~violating, inside & violating
        if inside.any():
            longest = int(counts[inside].max())
            of_benign = int(benign.sum()), _share(plain[benign]), _share(corrected[benign])
            yield LengthFigure(low, longest, *of_benign, int(bad.sum()), _share(plain[bad]), _share(corrected[bad]))


def _share(hits: Bools) -> float | None:
    return float(hits.mean()) if hits.size else None
