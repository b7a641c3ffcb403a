"""The correction for length: the highest of many windows is higher by chance alone, and that much is taken off before calibrating.

Of ``n`` windows of a benign text each has its own chance to look bad, so the highest logit grows with ``n``; where the upper tail of one window falls
off like that of a logistic or an exponential law, it grows like the logarithm of ``n`` (Gumbel 1958, *Statistics of Extremes*, section 3). One
number a question says how fast; 0 is the plain maximum, and a text of one window is never changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Floats
from classifier.errors import CalibrationError

VERSION = 1


@dataclass(frozen=True)
class LengthFigure:
    """Texts of ``min_windows`` to ``max_windows`` windows, none of which the correction was fitted on: the shares of the benign and of the violating
    ones above the logit of any violation that a twentieth of the benign texts of one window reach, without the correction and with it.

    A share of no texts is None.
    """

    min_windows: int
    max_windows: int
    n_benign: int
    benign_plain: float | None
    benign_corrected: float | None
    n_violating: int
    violating_plain: float | None
    violating_corrected: float | None


@dataclass(frozen=True)
class LengthCorrection:
    """``logit - slope * ln(n_windows)``, the slope of each question in the policy's order, none below 0.

    ``max_windows`` is the longest text of the fit; a longer one is corrected like it, for nothing is known of it. ``n_long`` of the ``n_texts``
    benign texts of the fit had more than one window. ``note`` says where nothing was fitted, and why.
    """

    slopes: tuple[float, ...]
    max_windows: int
    n_texts: int
    n_long: int
    note: str = ""
    figures: tuple[LengthFigure, ...] = ()

    def __post_init__(self) -> None:
        if not all(0 <= slope < np.inf for slope in self.slopes) or self.max_windows < 1:
            raise CalibrationError(f"Expected slopes of 0 or more and at least one window, but got {self.slopes} and {self.max_windows}; fit again.")

    def apply(self, logits: npt.ArrayLike, n_windows: npt.ArrayLike) -> Floats:
        """Corrected logits.

        :param logits: the highest over the windows, *Shape:* (n_texts, n_questions).
        :param n_windows: of each text, *Shape:* (n_texts,).
        :return: *Shape:* (n_texts, n_questions).

        >>> LengthCorrection((1.0, 0.0), max_windows=8, n_texts=100, n_long=60).apply([[2.0, 2.0], [2.0, 2.0]], [1, 2]).round(4).tolist()
        [[2.0, 2.0], [1.3069, 2.0]]
        """
        values, counts = np.asarray(logits, dtype=np.float64), np.asarray(n_windows)
        if values.ndim != 2 or values.shape[1] != len(self.slopes) or counts.shape != (len(values),):
            raise CalibrationError(
                f"Expected logits of shape (n_texts, {len(self.slopes)}) and one number of windows a text, but got {values.shape} and {counts.shape}."
            )
        known = np.clip(counts, 1, self.max_windows).astype(np.float64)
        return np.asarray(values - np.log(known)[:, None] * np.array(self.slopes), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content, read back by ``from_dict``."""
        return {"version": VERSION} | asdict(self) | {"slopes": list(self.slopes), "figures": [asdict(figure) for figure in self.figures]}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> LengthCorrection:
        """Read what ``to_dict`` wrote.

        :raises CalibrationError: when the version is another, or a key is missing or of the wrong kind.
        """
        fields = dict(content)
        version = fields.pop("version", None)
        if version != VERSION:
            raise CalibrationError(f"Expected a correction for length of version {VERSION}, but got {version!r}; use the matching release.")
        try:
            fields["slopes"] = tuple(map(float, fields["slopes"]))
            fields["figures"] = tuple(LengthFigure(**figure) for figure in fields["figures"])
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise CalibrationError(f"Expected the content of a correction for length, but got a malformed one: {error!r}; fit it again.") from error
