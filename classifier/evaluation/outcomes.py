"""What was decided about each text beside what is true, as arrays: the one place where probs meet thresholds in this room."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Bools, Floats, Ints, as_probs, as_targets, check_policy, severity_of
from classifier.decisions.categories import CategoryThresholds
from classifier.decisions.ladder import Ladder, decide_levels
from classifier.examples import Example
from classifier.policy import Policy

EVEN = 0.5
"""The prob at which yes and no are equally likely: the threshold where the decision has none of its own."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Arrays over the texts.

    ``probs`` float64 and ``gold`` bool are *Shape:* (n_texts, n_questions); ``named`` bool says which categories reach their
    threshold, *Shape:* (n_texts, n_categories); all others are *Shape:* (n_texts,). A text is ``flagged`` when its prob of
    ``severity >= 1`` is at least 0.5, and ``acted`` on when the ladder decides a severity of at least 1: two thresholds for the same
    question. ``even_severity`` is the number of severity questions with a prob of at least 0.5, ``decided_severity`` the ladder's.
    ``named`` leaves out one thing that a decision adds: the most probable category of a text that is acted on though no category
    reaches its threshold. ``has_severity`` is False for violating texts whose labels carry none.
    """

    probs: Floats
    gold: Bools
    named: Bools
    flagged: Bools
    acted: Bools
    review: Bools
    even_severity: Ints
    decided_severity: Ints
    true_severity: Ints
    has_severity: Bools

    @property
    def violating(self) -> Bools:
        """Texts that truly break the rule, *Shape:* (n_texts,)."""
        return np.asarray(self.true_severity > 0)

    @property
    def gold_categories(self) -> Bools:
        """True categories, *Shape:* (n_texts, n_categories)."""
        return self.gold[:, : self.named.shape[1]]


def outcomes_of(
    probs: npt.ArrayLike,
    targets: npt.ArrayLike,
    examples: Sequence[Example],
    policy: Policy,
    ladder: Ladder,
    category_thresholds: CategoryThresholds,
) -> Outcomes:
    """Decide about every text as inference does, and put the truth beside it.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    :raises CalibrationError: when a shape or value is wrong, or ladder or thresholds belong to another policy.
    """
    check_policy(category_thresholds.policy_fingerprint, policy, "set of category thresholds")
    values = as_probs(probs, policy)
    answers = as_targets(targets, *values.shape)
    if len(examples) != len(values):
        raise ValueError(f"Expected one example for each of {len(values)} texts, but got {len(examples)}.")
    decided = decide_levels(values, ladder, policy)
    even_severity = even_severities(values, policy)
    return Outcomes(
        probs=values,
        gold=answers.astype(np.bool_),
        named=values[:, : policy.n_categories] >= np.array(category_thresholds.thresholds),
        flagged=even_severity >= 1,
        acted=decided.severity >= 1,
        review=decided.review,
        even_severity=even_severity,
        decided_severity=decided.severity.astype(np.int64),
        true_severity=severity_of(answers, policy),
        has_severity=severity_known(examples),
    )


def even_severities(probs: Floats, policy: Policy) -> Ints:
    """Number of severity questions with a prob of at least 0.5, *Shape:* (n_texts,).

    :param probs: monotone, as ``as_probs`` gives them, *Shape:* (n_texts, n_questions).
    """
    return np.asarray((probs[:, policy.n_categories :] >= EVEN).sum(axis=1), dtype=np.int64)


def severity_known(examples: Sequence[Example]) -> Bools:
    """Whether the labels carry a severity (a benign text's is 0), *Shape:* (n_texts,)."""
    return np.array([example.severity is not None or not example.violating for example in examples], dtype=np.bool_)
