"""The ladder of thresholds and what each promises; applying it to probabilities. Certifying it is the job of ``certify``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import as_probs, check_policy
from classifier.errors import CalibrationError
from classifier.policy import Policy


@dataclass(frozen=True)
class Promise:
    """What a level promises: of the texts acted on at it or above, at least ``target_precision`` have its severity or more."""

    level_id: str
    target_precision: float
    confidence_level: float


def promises_of(policy: Policy) -> tuple[Promise, ...]:
    """The promises that a policy asks for, one for each acting level, ascending."""
    promises = []
    for level in policy.acting_levels:
        if level.target_precision is None or level.confidence_level is None:
            raise ValueError(f"Expected a promise for level `{level.id}` of policy `{policy.id}`, but it has none; give it both numbers.")
        promises.append(Promise(level.id, level.target_precision, level.confidence_level))
    return tuple(promises)


@dataclass(frozen=True)
class LevelThreshold:
    """The threshold of one acting level and the evidence for its promise.

    A text is acted on at this level or above when its prob of ``severity >= severity`` is at least ``threshold``; None means that the
    level is switched off. ``would_be_threshold`` is the plain empirical choice: texts that reach it while the level is off are
    reviewed. ``certified`` says that the precision of the texts acted on at this level or above is at least ``target_precision``, with
    confidence ``confidence_level``. ``n_acted`` and ``n_errors`` count independent calibration texts at the threshold (at the best tested
    one where the level is off), ``precision`` is their share without error, ``precision_lower_bound`` its exact lower bound at the
    error budget ``delta``. ``certifiable_precision`` is the highest target that the same test would certify today, and
    ``n_more_needed`` the number of further labelled acted-on texts at the present precision with which this target would pass
    (0 when it passes, None when it never would).
    """

    level_id: str
    severity: int
    threshold: float | None
    would_be_threshold: float | None
    target_precision: float
    confidence_level: float
    certified: bool
    n_acted: int
    n_errors: int
    precision: float | None
    precision_lower_bound: float | None
    certifiable_precision: float | None
    n_more_needed: int | None
    delta: float | None = None


@dataclass(frozen=True)
class Ladder:
    """Thresholds of all acting levels, ascending; those in force never fall with severity, so that the acted-on sets nest.

    ``review_threshold`` is a prob of ``severity >= 1``. All promises of certified levels hold together with ``joint_confidence_level``
    (None where nothing is certified); ``prevalence`` is the range of shares of violating texts for which they hold, None for the
    mixture of the calibration texts.
    """

    levels: tuple[LevelThreshold, ...]
    review_threshold: float | None
    policy_fingerprint: str
    method: str
    joint_confidence_level: float | None
    n_clusters: int
    seed: int | None
    prevalence: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        severities = [level.severity for level in self.levels]
        if severities != list(range(1, len(severities) + 1)):
            raise CalibrationError(f"Expected levels of severity 1, 2, … in this order, but got {severities}.")
        in_force = [level.threshold for level in self.levels if level.threshold is not None]
        if in_force != sorted(in_force):
            raise CalibrationError(f"Expected thresholds that never fall with severity, but got {in_force}; acted-on sets would not nest.")

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the content."""
        content = json.dumps(self.to_dict(), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(content.encode("utf-8")).hexdigest()[:16]

    def with_review_threshold(self, review_threshold: float | None) -> Ladder:
        """The same ladder with another review threshold."""
        return dataclasses.replace(self, review_threshold=review_threshold)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content, read back by ``from_dict``."""
        content = dataclasses.asdict(self)
        content["levels"] = list(content["levels"])
        content["prevalence"] = None if self.prevalence is None else list(self.prevalence)
        content["notes"] = list(self.notes)
        return content

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Ladder:
        """Read what ``to_dict`` wrote.

        :raises CalibrationError: when a key is missing, unknown, or of the wrong kind.
        """
        try:
            fields = dict(content)
            fields["levels"] = tuple(LevelThreshold(**level) for level in fields["levels"])
            fields["notes"] = tuple(fields["notes"])
            prevalence = fields["prevalence"]
            fields["prevalence"] = None if prevalence is None else (float(prevalence[0]), float(prevalence[1]))
            return cls(**fields)
        except (KeyError, TypeError, IndexError) as error:
            raise CalibrationError(f"Expected the content of a ladder, but got a malformed one: {error!r}; certify it again.") from error


@dataclass(frozen=True)
class LevelDecisions:
    """Decided severities, int8 *Shape:* (n_texts,), and whether a person must look, bool *Shape:* (n_texts,)."""

    severity: npt.NDArray[np.int8]
    review: npt.NDArray[np.bool_]


def decide_levels(probs: npt.ArrayLike, ladder: Ladder, policy: Policy) -> LevelDecisions:
    """Decide the severity of many texts.

    Each text gets the highest severity whose level is in force and whose threshold it reaches. It is reviewed when it reaches the
    ``would_be_threshold`` of a switched-off level above that, or when nothing is done and its prob of ``severity >= 1`` reaches
    ``review_threshold``. All bounds are inclusive.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :raises CalibrationError: when the shape or a value is wrong, or the ladder belongs to another policy.
    """
    check_policy(ladder.policy_fingerprint, policy, "ladder")
    values = as_probs(probs, policy)
    severity = np.zeros(len(values), dtype=np.int8)
    review = np.zeros(len(values), dtype=np.bool_)
    for level in ladder.levels:
        if level.threshold is not None:
            severity[values[:, policy.severity_column(level.severity)] >= level.threshold] = level.severity
    for level in ladder.levels:
        if level.threshold is None and level.would_be_threshold is not None:
            reached = values[:, policy.severity_column(level.severity)] >= level.would_be_threshold
            review |= reached & (severity < level.severity)
    if ladder.review_threshold is not None:
        review |= (severity == 0) & (values[:, policy.severity_column(1)] >= ladder.review_threshold)
    return LevelDecisions(severity=severity, review=review)
