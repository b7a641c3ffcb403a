"""What one set of probs has more than another on the same texts, and whether it is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import as_probs, as_targets, check_policy
from classifier.decisions.categories import CategoryThresholds
from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import Estimate, estimates, plan_resamples
from classifier.evaluation.metrics import Floats, Weights
from classifier.evaluation.outcomes import EVEN, even_severities, severity_known
from classifier.evaluation.results import Evaluation
from classifier.examples import Example
from classifier.policy import Policy


@dataclass(frozen=True)
class Headline:
    """The four figures that models are compared by.

    F1s and kappa at a prob of 0.5, the macro-F1 at category thresholds where they were given.
    """

    macro_f1: Estimate
    violation_f1: Estimate
    violation_average_precision: Estimate
    severity_kappa: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {name: value.to_dict() for name, value in vars(self).items()}


def headline_of(evaluation: Evaluation) -> Headline:
    """The four figures of a whole evaluation."""
    any_violation = evaluation.questions[len(evaluation.questions) - len(evaluation.levels)]
    return Headline(
        evaluation.macro_f1, evaluation.flagged.f1, any_violation.average_precision, evaluation.even_severity.quadratic_kappa
    )


@dataclass(frozen=True)
class PairedDifference(Headline):
    """What the first probs have more than the second on the same texts; an interval without 0 says that it is more than chance."""


def headline(
    probs: npt.ArrayLike,
    targets: npt.ArrayLike,
    examples: Sequence[Example],
    policy: Policy,
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    n_resamples: int = 1000,
    thresholds: CategoryThresholds | None = None,
) -> Headline:
    """The figures of one set of probs. Parameters and errors as in ``paired_difference``."""
    values = as_probs(probs, policy)
    if len(examples) != len(values):
        raise ValueError(f"Expected one row of probs for each of {len(examples)} examples, but got {len(values)}.")
    gold = as_targets(targets, *values.shape)
    known = severity_known(examples)
    resamples = plan_resamples(clusters, len(values), seed=seed, n_resamples=n_resamples)
    named = _named(values, thresholds, policy)
    ns = [len(values)] * 3 + [int(known.sum())]
    return Headline(*estimates(lambda weights: _values(values, named, gold, known, policy, weights), resamples, ns))


def paired_difference(
    first_probs: npt.ArrayLike,
    second_probs: npt.ArrayLike,
    targets: npt.ArrayLike,
    examples: Sequence[Example],
    policy: Policy,
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    n_resamples: int = 1000,
    first_thresholds: CategoryThresholds | None = None,
    second_thresholds: CategoryThresholds | None = None,
) -> PairedDifference:
    """Compare two sets of probs text by text: every resample draws the same clusters for both.

    :param first_probs: *Shape:* (n_texts, n_questions); ``second_probs`` and ``targets`` (0/1) likewise.
    :param clusters: integers, *Shape:* (n_texts,); None when all texts are independent.
    :param first_thresholds: of the categories, for the first probs; None for 0.5. ``second_thresholds`` likewise.
    :raises CalibrationError: when a shape or value is wrong, or thresholds belong to another policy.
    """
    first, second = as_probs(first_probs, policy), as_probs(second_probs, policy)
    if len(first) != len(second) or len(examples) != len(first):
        raise ValueError(f"Expected two rows of probs for each of {len(examples)} examples, but got {len(first)} and {len(second)}.")
    gold = as_targets(targets, *first.shape)
    known = severity_known(examples)
    resamples = plan_resamples(clusters, len(first), seed=seed, n_resamples=n_resamples)

    def difference(weights: Weights) -> Floats:
        one = _values(first, _named(first, first_thresholds, policy), gold, known, policy, weights)
        return one - _values(second, _named(second, second_thresholds, policy), gold, known, policy, weights)

    n_known = int(known.sum())
    return PairedDifference(*estimates(difference, resamples, [len(first), len(first), len(first), n_known]))


def _named(probs: Floats, thresholds: CategoryThresholds | None, policy: Policy) -> npt.NDArray[np.bool_]:
    if thresholds is None:
        return np.asarray(probs[:, : policy.n_categories] >= EVEN)
    check_policy(thresholds.policy_fingerprint, policy, "set of category thresholds")
    return np.asarray(probs[:, : policy.n_categories] >= np.array(thresholds.thresholds))


def _values(
    probs: Floats, named: npt.NDArray[np.bool_], gold: npt.NDArray[np.int8], known: npt.NDArray[np.bool_], policy: Policy, weights: Weights
) -> Floats:
    """The four values of ``Headline`` of one set of probs, *Shape:* (4,), with the resamples in front."""
    severity, true_severity = even_severities(probs, policy), gold[:, policy.n_categories :].sum(axis=1)
    violating = gold[:, policy.severity_column(1)]
    kept = None if weights is None else np.asarray(weights)[..., known]
    return np.stack(
        [
            metrics.macro_f1(named, gold[:, : policy.n_categories], weights),
            metrics.f1(severity >= 1, violating, weights),
            metrics.average_precision(probs[:, policy.severity_column(1)], violating, weights),
            metrics.quadratic_kappa(severity[known], true_severity[known], kept),
        ],
        axis=-1,
    )
