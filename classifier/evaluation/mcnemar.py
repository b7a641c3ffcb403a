"""McNemar's exact test: do two models that judge the same texts err equally often?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats


@dataclass(frozen=True)
class McNemar:
    """How many texts only the first and only the second gets right, and the two-sided p-value of "each is as likely"."""

    n_only_first: int
    n_only_second: int
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return dict(vars(self))


def mcnemar(first_right: npt.ArrayLike, second_right: npt.ArrayLike) -> McNemar:
    """Compare which texts two models get right (McNemar 1947, in its exact binomial form).

    Only texts on which they differ count: under the null hypothesis each is a toss of a fair coin. Texts count as independent; where they
    come in clusters the p-value is too small, and the paired bootstrap is the one to believe.

    :param first_right: bool, *Shape:* (n_texts,); ``second_right`` likewise.

    Five of five tosses on one side, 2 / 2 ** 5:

    >>> mcnemar([1, 1, 1, 1, 1, 1], [1, 0, 0, 0, 0, 0]).p_value
    0.0625
    """
    first, second = np.asarray(first_right, dtype=np.bool_), np.asarray(second_right, dtype=np.bool_)
    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"Expected one answer of each model for each text, but got shapes {first.shape} and {second.shape}.")
    n_first, n_second = int((first & ~second).sum()), int((second & ~first).sum())
    n_either = n_first + n_second
    p_value = float(stats.binomtest(n_first, n_either, 0.5).pvalue) if n_either else 1.0
    return McNemar(n_first, n_second, p_value)
