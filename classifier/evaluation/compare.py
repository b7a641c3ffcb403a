"""Two bundles, or two settings of one, decide about the same texts: what changes, and is it more than chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.decisions import CategoryThresholds, Decision, Ladder, decisions_of
from classifier.decisions.arrays import as_probs
from classifier.errors import CalibrationError
from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import Resamples, estimates, plan_resamples, share_estimates
from classifier.evaluation.comparison import GATED, Change, DecisionComparison, LabelledComparison, MetricDifference
from classifier.evaluation.mcnemar import mcnemar
from classifier.evaluation.metrics import Floats, Weights
from classifier.evaluation.outcomes import Outcomes, outcomes_of
from classifier.examples import Example, targets_of
from classifier.policy import Policy


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two: calibrated probs, *Shape:* (n_texts, n_questions), and the thresholds that decide by them."""

    name: str
    probs: npt.ArrayLike
    policy: Policy
    ladder: Ladder
    category_thresholds: CategoryThresholds


def compare_sides(
    first: Side,
    second: Side,
    texts: Sequence[Example],
    *,
    labelled: bool,
    clusters: npt.ArrayLike | None,
    seed: int,
    n_resamples: int = 1000,
    n_shown: int = 10,
) -> DecisionComparison:
    """Compare two sides text by text.

    The two policies may differ in all but their questions. Labels are those of the first policy's categories.

    :param texts: that both decided about, in the order of the rows.
    :param labelled: whether their categories and severities are true; else they are not looked at.
    :param clusters: integers, *Shape:* (n_texts,); None when all texts are independent.
    :param n_shown: how many of the texts that rise, and of those that fall, to keep.
    :raises CalibrationError: when the questions differ, there is no text, or a shape or value is wrong.
    """
    _check(first, second, texts)
    resamples = plan_resamples(clusters, len(texts), seed=seed, n_resamples=n_resamples)
    one, other = _decided(first, texts), _decided(second, texts)
    changes = [_change(a, b, text, first.policy, labelled=labelled) for a, b, text in zip(one, other, texts, strict=True)]
    steps = np.array([change.step for change in changes])
    other_categories = np.array([change.first_categories != change.second_categories for change in changes])
    added = np.array([change.second_review and not change.first_review for change in changes])
    dropped = np.array([change.first_review and not change.second_review for change in changes])
    changed = (steps != 0) | other_categories | added | dropped
    severities = metrics.confusion_matrix([b.severity for b in other], [a.severity for a in one], first.policy.max_severity + 1)
    return DecisionComparison(
        first=first.name,
        second=second.name,
        n=len(texts),
        n_clusters=resamples.n_clusters,
        changed=share_estimates(np.ones((len(texts), 1)), changed[:, None], resamples)[0],
        n_up=int((steps > 0).sum()),
        n_down=int((steps < 0).sum()),
        n_categories_changed=int(other_categories.sum()),
        n_review_added=int(added.sum()),
        n_review_dropped=int(dropped.sum()),
        severities=tuple(tuple(row) for row in severities.tolist()),
        ups=_furthest([change for change in changes if change.step > 0], n_shown),
        downs=_furthest([change for change in changes if change.step < 0], n_shown),
        labelled=_labelled(first, second, texts, resamples) if labelled else None,
    )


def _check(first: Side, second: Side, texts: Sequence[Example]) -> None:
    if first.policy.questions != second.policy.questions:
        raise CalibrationError(
            f"Expected two sides that answer the same questions, but got {first.policy.questions} and {second.policy.questions}; "
            "compare bundles of one policy."
        )
    if not texts:
        raise CalibrationError("Expected at least one text to compare on, but got none.")
    for side in (first, second):
        if len(np.asarray(side.probs)) != len(texts):
            raise ValueError(f"Expected one row of probs for each of {len(texts)} texts, but {side.name} has {len(np.asarray(side.probs))}.")


def _decided(side: Side, texts: Sequence[Example]) -> tuple[Decision, ...]:
    sources = [text.source for text in texts]
    return decisions_of(side.probs, side.ladder, side.policy, side.category_thresholds, sources=sources, model_fingerprint=side.name)


def _change(first: Decision, second: Decision, text: Example, policy: Policy, *, labelled: bool) -> Change:
    question = policy.questions[policy.severity_column(1)]
    return Change(
        id=text.id,
        source=text.source,
        text=text.text,
        first_severity=first.severity,
        second_severity=second.severity,
        first_categories=tuple(sorted(score.category for score in first.categories)),
        second_categories=tuple(sorted(score.category for score in second.categories)),
        first_review=first.review,
        second_review=second.review,
        first_prob=first.probs[question],
        second_prob=second.probs[question],
        true_severity=text.severity if labelled else None,
        true_categories=text.categories if labelled else None,
    )


def _furthest(changes: Sequence[Change], n_shown: int) -> tuple[Change, ...]:
    return tuple(sorted(changes, key=lambda change: (-abs(change.step), -abs(change.second_prob - change.first_prob)))[:n_shown])


def _labelled(first: Side, second: Side, texts: Sequence[Example], resamples: Resamples) -> LabelledComparison:
    targets = targets_of(texts, first.policy)
    one, other = (
        outcomes_of(as_probs(side.probs, side.policy), targets, texts, side.policy, side.ladder, side.category_thresholds) for side in (first, second)
    )
    known = one.has_severity
    ns = [len(texts)] * (len(GATED) - 1) + [int(known.sum())]
    differences = estimates(lambda weights: _values(other, weights) - _values(one, weights), resamples, ns)
    columns = zip(GATED, _values(one, None).tolist(), _values(other, None).tolist(), differences, strict=True)
    return LabelledComparison(
        n_violating=int(one.violating.sum()),
        metrics=tuple(MetricDifference(*column) for column in columns),
        acted=mcnemar(one.acted == one.violating, other.acted == one.violating),
        severity=mcnemar(
            (one.decided_severity == one.true_severity)[known],
            (other.decided_severity == one.true_severity)[known],
        ),
    )


def _values(outcomes: Outcomes, weights: Weights) -> Floats:
    """The metrics of ``GATED`` in its order, *Shape:* (5,), with the resamples in front."""
    known, violating = outcomes.has_severity, outcomes.violating
    kept = None if weights is None else np.asarray(weights)[..., known]
    return np.stack(
        [
            metrics.macro_f1(outcomes.named, outcomes.gold_categories, weights),
            metrics.f1(outcomes.flagged, violating, weights),
            metrics.precision(outcomes.acted, violating, weights),
            metrics.recall(outcomes.acted, violating, weights),
            metrics.quadratic_kappa(outcomes.decided_severity[known], outcomes.true_severity[known], kept),
        ],
        axis=-1,
    )
