"""Fitting a Venn-Abers calibrator in one pass over the sorted scores, instead of one isotonic fit for each new score."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Floats
from classifier.decisions.calibration import VennAbers


def fit_venn_abers(logits: Floats, targets: npt.NDArray[np.int8]) -> VennAbers:
    """Inductive Venn-Abers predictor (Vovk, Petej & Fedorova 2015, algorithms 1 to 4).

    ``p1`` of a score is the isotonic fit at that score once (score, 1) joins the texts; it is constant from one distinct score
    (exclusive) to the next (inclusive). ``p0`` follows by symmetry: turn scores and answers over, and ``p0 = 1 - p1``.

    :param logits: *Shape:* (n,).
    :param targets: 0/1, *Shape:* (n,).
    """
    scores, upper = _upper_steps(logits, targets)
    _, turned = _upper_steps(-logits, 1 - targets)
    lower = 1.0 - turned[::-1]
    return VennAbers(*_compact(scores, lower), *_compact(scores, upper))


def _upper_steps(logits: Floats, targets: npt.NDArray[np.int8]) -> tuple[Floats, Floats]:
    """Distinct scores, ascending, *Shape:* (k,), and ``p1`` up to each of them and above the last, *Shape:* (k + 1,)."""
    scores, index = np.unique(logits, return_inverse=True)
    n_texts = np.concatenate([[0], np.cumsum(np.bincount(index))]).tolist()
    n_yes = np.concatenate([[0], np.cumsum(np.bincount(index, weights=targets))]).tolist()
    # Cumulative sums, with the joining yes in front of all: point 0 is (-1, -1). Its corners of the convex minorant, leftmost last.
    points = [(-1.0, -1.0), *zip(map(float, n_texts), map(float, n_yes), strict=True)]
    corners = _minorant(points)[::-1]
    steps: list[float] = []
    for i in range(1, len(points) - 1):
        (x0, y0), (x1, y1) = corners[-1], corners[-2]
        steps.append((y1 - y0) / (x1 - x0))
        # The joining yes moves behind the i-th distinct score: the score's own step now starts at the left end of the curve.
        left, right = points[i], points[i + 1]
        moved = (points[i - 1][0] + right[0] - left[0], points[i - 1][1] + right[1] - left[1])
        points[i] = moved
        if _turn(corners[-1], moved, corners[-2]) <= 0:
            continue
        corners.pop()
        while len(corners) > 1 and _turn(moved, corners[-1], corners[-2]) <= 0:
            corners.pop()
        corners.append(moved)
    return scores, np.array([*steps, 1.0])


def _minorant(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Corners of the greatest convex minorant of points with ascending x."""
    corners: list[tuple[float, float]] = []
    for point in points:
        while len(corners) > 1 and _turn(corners[-2], corners[-1], point) <= 0:
            corners.pop()
        corners.append(point)
    return corners


def _turn(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    """Above 0 when the way a, b, c turns left: b lies below the line from a to c."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def _compact(scores: Floats, values: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Jumps only: scores at which the value changes, and the values between them."""
    kept = np.flatnonzero(np.diff(values) != 0)
    return tuple(scores[kept].tolist()), (float(values[0]), *values[kept + 1].tolist())
