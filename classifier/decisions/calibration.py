"""From logits to probabilities: calibrators as frozen numbers. Fitting them is the job of ``fit_calibration``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Floats, as_logits
from classifier.decisions.length import LengthCorrection
from classifier.errors import CalibrationError


class Calibrator(Protocol):
    """A fitted, non-decreasing map (for every usable fit) from the logits of one question to probabilities."""

    method: ClassVar[str]

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits, *Shape:* (n,) both."""

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, read back by ``calibrator_from_dict``."""


def sigmoid(values: Floats) -> Floats:
    """The logistic function, without overflow, accurate in both tails.

    >>> sigmoid(np.array([0.0, -800.0])).tolist()
    [0.5, 0.0]
    """
    return np.asarray(np.exp(-np.logaddexp(0.0, -values)), dtype=np.float64)


@dataclass(frozen=True)
class Platt:
    """``sigmoid(slope * logit + intercept)`` (Platt 1999, *Probabilistic outputs for support vector machines*).

    >>> Platt(slope=1.0, intercept=0.0).apply([0.0]).tolist()
    [0.5]
    """

    slope: float
    intercept: float
    method: ClassVar[str] = "platt"

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits, *Shape:* (n,) both."""
        return sigmoid(self.slope * as_logits(logits) + self.intercept)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, read back by ``calibrator_from_dict``."""
        return {"method": self.method} | asdict(self)


@dataclass(frozen=True)
class Temperature:
    """``sigmoid(logit / temperature)`` (Guo et al. 2017, *On calibration of modern neural networks*).

    >>> Temperature(temperature=2.0).apply([2 * np.log(3)]).round(6).tolist()
    [0.75]
    """

    temperature: float
    method: ClassVar[str] = "temperature"

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits, *Shape:* (n,) both."""
        return sigmoid(as_logits(logits) / self.temperature)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, read back by ``calibrator_from_dict``."""
        return {"method": self.method} | asdict(self)


@dataclass(frozen=True)
class Beta:
    """``sigmoid(a * ln(s) - b * ln(1 - s) + c)`` with ``s = sigmoid(logit)`` (Kull et al. 2017, *Beta calibration*).

    With a = b = 1 and c = 0 it changes nothing:

    >>> Beta(a=1.0, b=1.0, c=0.0).apply([np.log(3)]).round(6).tolist()
    [0.75]
    """

    a: float
    b: float
    c: float
    method: ClassVar[str] = "beta"

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits, *Shape:* (n,) both."""
        values = as_logits(logits)
        return sigmoid(self.c - self.a * np.logaddexp(0.0, -values) + self.b * np.logaddexp(0.0, values))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, read back by ``calibrator_from_dict``."""
        return {"method": self.method} | asdict(self)


@dataclass(frozen=True)
class Isotonic:
    """Straight lines between the corners of a non-decreasing fit, flat outside (Zadrozny & Elkan 2002).

    >>> Isotonic(logits=(0.0, 2.0), probs=(0.1, 0.9)).apply([-5.0, 1.0, 5.0]).tolist()
    [0.1, 0.5, 0.9]
    """

    logits: tuple[float, ...]
    probs: tuple[float, ...]
    method: ClassVar[str] = "isotonic"

    def __post_init__(self) -> None:
        if len(self.logits) != len(self.probs) or not self.logits:
            raise CalibrationError(f"Expected as many logits as probs and at least one, but got {len(self.logits)} and {len(self.probs)}.")

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits, *Shape:* (n,) both."""
        return np.interp(as_logits(logits), self.logits, self.probs)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, read back by ``calibrator_from_dict``."""
        return {"method": self.method, "logits": list(self.logits), "probs": list(self.probs)}


@dataclass(frozen=True)
class VennAbers:
    """Two isotonic answers for each logit, one with the text counted as a no, one as a yes, merged into one probability.

    ``p = p1 / (1 - p0 + p1)``, the choice that loses least log loss (Vovk, Petej & Fedorova 2015, *Large-scale probabilistic
    predictors with and without guarantees of validity*). Both answers are step functions of the logit, kept as their jumps:
    ``lower_probs[i]`` holds from ``lower_logits[i - 1]`` (inclusive), ``upper_probs[i]`` holds up to ``upper_logits[i]`` (inclusive).

    >>> calibrator = VennAbers(lower_logits=(0.0,), lower_probs=(0.0, 0.5), upper_logits=(0.0,), upper_probs=(0.5, 1.0))
    >>> calibrator.apply([-1.0, 0.0, 1.0]).round(4).tolist()
    [0.3333, 0.5, 0.6667]
    """

    lower_logits: tuple[float, ...]
    lower_probs: tuple[float, ...]
    upper_logits: tuple[float, ...]
    upper_probs: tuple[float, ...]
    method: ClassVar[str] = "venn_abers"

    def __post_init__(self) -> None:
        if len(self.lower_probs) != len(self.lower_logits) + 1 or len(self.upper_probs) != len(self.upper_logits) + 1:
            raise CalibrationError("Expected one prob more than jumps on both sides, but got other lengths; fit the calibrator again.")

    def lower(self, logits: npt.ArrayLike) -> Floats:
        """``p0``: the isotonic answer with the text counted as a no, *Shape:* (n,)."""
        return np.asarray(self.lower_probs, dtype=np.float64)[np.searchsorted(self.lower_logits, as_logits(logits), side="right")]

    def upper(self, logits: npt.ArrayLike) -> Floats:
        """``p1``: the isotonic answer with the text counted as a yes, *Shape:* (n,)."""
        return np.asarray(self.upper_probs, dtype=np.float64)[np.searchsorted(self.upper_logits, as_logits(logits), side="left")]

    def apply(self, logits: npt.ArrayLike) -> Floats:
        """Probabilities of logits, *Shape:* (n,) both."""
        lower, upper = self.lower(logits), self.upper(logits)
        return np.asarray(upper / (1.0 - lower + upper), dtype=np.float64)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, read back by ``calibrator_from_dict``."""
        return {"method": self.method} | {key: list(value) for key, value in asdict(self).items()}


_CALIBRATORS: tuple[type[Platt | Beta | Isotonic | VennAbers | Temperature], ...] = (Platt, Beta, Isotonic, VennAbers, Temperature)
METHODS = tuple(kind.method for kind in _CALIBRATORS)
"""Every calibration method, in the order of preference where two fit equally well."""


def calibrator_from_dict(content: Mapping[str, Any]) -> Calibrator:
    """Read what ``to_dict`` of any calibrator wrote.

    :raises CalibrationError: when the method or its numbers are not as expected.
    """
    fields = dict(content)
    method = fields.pop("method", None)
    for kind in _CALIBRATORS:
        if kind.method == method:
            try:
                return kind(**{key: _numbers(value) for key, value in fields.items()})
            except (TypeError, ValueError) as error:
                raise CalibrationError(f"Expected the numbers of a `{method}` calibrator, but got {sorted(fields)}: {error}") from error
    raise CalibrationError(f"Expected a calibration method among {', '.join(METHODS)}, but got {method!r}.")


def _numbers(value: Any) -> Any:
    return tuple(map(float, value)) if isinstance(value, list | tuple) else float(value)


@dataclass(frozen=True)
class MethodLoss:
    """Cross-validated log loss of one method on one question, in nats a text."""

    method: str
    log_loss: float


@dataclass(frozen=True)
class QuestionCalibration:
    """The calibrator of one question and why it was chosen; ``note`` says where no choice could be made."""

    question: str
    calibrator: Calibrator
    log_losses: tuple[MethodLoss, ...] = ()
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        losses = {loss.method: loss.log_loss for loss in self.log_losses}
        return {"question": self.question, "calibrator": self.calibrator.to_dict(), "log_losses": losses, "note": self.note}


@dataclass(frozen=True)
class Calibration:
    """One calibrator for each question, in the policy's order; the questions from ``n_categories`` on are those of severity.

    ``length`` corrects logits for the number of windows first; None in calibrations that were made without.
    """

    questions: tuple[QuestionCalibration, ...]
    n_categories: int
    policy_fingerprint: str
    n_texts: int
    n_folds: int
    seed: int
    length: LengthCorrection | None = None

    def apply(self, logits: npt.ArrayLike, n_windows: npt.ArrayLike | None = None) -> npt.NDArray[np.float32]:
        """Calibrated probabilities, severity made monotone: P(severity >= 1) >= P(severity >= 2) >= … by a running minimum.

        :param logits: *Shape:* (n_texts, n_questions).
        :param n_windows: of each text, *Shape:* (n_texts,); only a calibration without a correction for length can do without.
        :return: float32, *Shape:* (n_texts, n_questions).
        :raises CalibrationError: when the shape is another, a logit is not finite, or the numbers of windows are missing.
        """
        values = np.asarray(logits, dtype=np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.questions):
            raise CalibrationError(f"Expected logits of shape (n_texts, {len(self.questions)}), but got shape {values.shape}.")
        if self.length is not None:
            if n_windows is None:
                raise CalibrationError("Expected the number of windows of each text, to correct the logits for it, but got none; give n_windows.")
            values = self.length.apply(values, n_windows)
        probs = np.empty(values.shape, dtype=np.float32)
        for column, question in enumerate(self.questions):
            probs[:, column] = question.calibrator.apply(values[:, column])
        severity = probs[:, self.n_categories :]
        np.minimum.accumulate(severity, axis=1, out=severity)
        return probs

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content, read back by ``from_dict``."""
        content: dict[str, Any] = {
            "policy_fingerprint": self.policy_fingerprint,
            "n_categories": self.n_categories,
            "n_texts": self.n_texts,
            "n_folds": self.n_folds,
            "seed": self.seed,
            "questions": [question.to_dict() for question in self.questions],
        }
        return content if self.length is None else content | {"length": self.length.to_dict()}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Calibration:
        """Read what ``to_dict`` wrote.

        :raises CalibrationError: when a key is missing or of the wrong kind.
        """
        try:
            return cls(
                questions=_questions(content["questions"]),
                n_categories=int(content["n_categories"]),
                policy_fingerprint=str(content["policy_fingerprint"]),
                n_texts=int(content["n_texts"]),
                n_folds=int(content["n_folds"]),
                seed=int(content["seed"]),
                length=LengthCorrection.from_dict(content["length"]) if "length" in content else None,
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise CalibrationError(f"Expected the content of a calibration, but got a malformed one: {error!r}; fit it again.") from error


def _questions(items: Sequence[Mapping[str, Any]]) -> tuple[QuestionCalibration, ...]:
    return tuple(
        QuestionCalibration(
            question=str(item["question"]),
            calibrator=calibrator_from_dict(item["calibrator"]),
            log_losses=tuple(MethodLoss(method, float(loss)) for method, loss in item["log_losses"].items()),
            note=str(item["note"]),
        )
        for item in items
    )
