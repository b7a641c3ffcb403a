"""The evaluation of calibrated probs on labelled texts. Needs SciPy; draws no picture, prints nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Bools, Ints
from classifier.decisions.categories import CategoryThresholds
from classifier.decisions.ladder import Ladder
from classifier.errors import CalibrationError
from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import Estimate, Resamples, estimate, estimates, f1_estimates, plan_resamples, share_estimates
from classifier.evaluation.curves import curves_of
from classifier.evaluation.metrics import Floats, Weights
from classifier.evaluation.outcomes import EVEN, Outcomes, outcomes_of
from classifier.evaluation.results import Evaluation, LevelResult, QuestionResult, SeverityResult, ViolationResult
from classifier.evaluation.slices import slice_results
from classifier.examples import Example, n_without_severity
from classifier.policy import Policy


def evaluate(
    probs: npt.ArrayLike,
    targets: npt.ArrayLike,
    examples: Sequence[Example],
    policy: Policy,
    ladder: Ladder,
    category_thresholds: CategoryThresholds,
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    n_resamples: int = 1000,
    n_windows: npt.ArrayLike | None = None,
) -> Evaluation:
    """Judge probs, thresholds and decisions by labelled texts that none of them was fitted to.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions); as ``targets_of`` has it, a violating text without a severity answers yes to every
        severity question. Kappa, mean error and confusion of severity leave those texts out.
    :param examples: one for each text; they give the slices.
    :param clusters: integers, *Shape:* (n_texts,); texts of one account or group share a number. None when all texts are independent.
    :param seed: of the resamples.
    :param n_windows: that the encoder saw of each text, for the slices, *Shape:* (n_texts,); None where nothing was cut into windows.
    :raises CalibrationError: when there is no text, a shape or value is wrong, or ladder or thresholds belong to another policy.
    """
    outcomes = outcomes_of(probs, targets, examples, policy, ladder, category_thresholds)
    n_texts = len(outcomes.probs)
    if not n_texts:
        raise CalibrationError("Expected at least one labelled text to evaluate on, but got none.")
    resamples = plan_resamples(clusters, n_texts, seed=seed, n_resamples=n_resamples)
    lowest = next((level for level in ladder.levels if level.threshold is not None), None)
    acted_rule = "the ladder, every level of which is off" if lowest is None else f"the ladder from {lowest.level_id} on"
    return Evaluation(
        n=n_texts,
        n_violating=int(outcomes.violating.sum()),
        n_without_severity=n_without_severity(examples),
        n_clusters=resamples.n_clusters,
        n_resamples=n_resamples,
        seed=seed,
        policy_fingerprint=policy.fingerprint,
        ladder_fingerprint=ladder.fingerprint,
        macro_f1=_of_categories(metrics.macro_f1, outcomes, resamples),
        micro_f1=_of_categories(metrics.micro_f1, outcomes, resamples),
        flagged=_violation(f"prob of {policy.questions[policy.severity_column(1)]} at least {EVEN}", outcomes.flagged, outcomes, resamples),
        acted=_violation(acted_rule, outcomes.acted, outcomes, resamples),
        even_severity=_severity(f"the number of probs at least {EVEN}", outcomes.even_severity, outcomes, policy, resamples),
        decided_severity=_severity("the ladder", outcomes.decided_severity, outcomes, policy, resamples),
        reviewed=share_estimates(np.ones((n_texts, 1)), outcomes.review[:, None], resamples)[0],
        questions=_questions(outcomes, policy, ladder, category_thresholds, resamples),
        levels=_levels(outcomes, ladder, resamples),
        slices=slice_results(outcomes, examples, resamples, n_windows),
        curves=tuple(curves_of(question, outcomes.probs[:, j], outcomes.gold[:, j], resamples) for j, question in enumerate(policy.questions)),
    )


def _of_categories(metric: metrics.Metric, outcomes: Outcomes, resamples: Resamples) -> Estimate:
    named, gold = outcomes.named, outcomes.gold_categories
    return estimate(lambda weights: metric(named, gold, weights), resamples, len(gold))


def _violation(rule: str, hits: Bools, outcomes: Outcomes, resamples: Resamples) -> ViolationResult:
    hit, gold = hits[:, None], outcomes.violating[:, None]
    return ViolationResult(
        rule=rule,
        n_hit=int(hits.sum()),
        f1=f1_estimates(hit, gold, resamples)[0],
        precision=share_estimates(hit, gold, resamples)[0],
        recall=share_estimates(gold, hit, resamples)[0],
        benign_hit=share_estimates(~gold, hit, resamples)[0],
    )


def _severity(rule: str, severities: Ints, outcomes: Outcomes, policy: Policy, resamples: Resamples) -> SeverityResult:
    known = outcomes.has_severity
    guess, truth = severities[known], outcomes.true_severity[known]

    def statistic(weights: Weights) -> Floats:
        kept = None if weights is None else np.asarray(weights)[:, known]
        return np.stack([metrics.quadratic_kappa(guess, truth, kept), metrics.mean_absolute_error(guess, truth, kept)], axis=-1)

    kappa, error = estimates(statistic, resamples, [len(truth)] * 2)
    confusion = metrics.confusion_matrix(guess, truth, policy.max_severity + 1)
    return SeverityResult(rule, kappa, error, tuple(tuple(row) for row in confusion.tolist()))


def _questions(
    outcomes: Outcomes, policy: Policy, ladder: Ladder, category_thresholds: CategoryThresholds, resamples: Resamples
) -> tuple[QuestionResult, ...]:
    """Every question at the decision's own threshold, or at 0.5 where its level is off."""
    given = [*category_thresholds.thresholds, *(level.threshold for level in ladder.levels)]
    thresholds = [EVEN if threshold is None else threshold for threshold in given]
    gold, n_texts = outcomes.gold, len(outcomes.gold)
    predicted = outcomes.probs >= np.array(thresholds)
    columns = zip(
        policy.questions,
        gold.sum(axis=0).tolist(),
        thresholds,
        [threshold is not None for threshold in given],
        share_estimates(predicted, gold, resamples),
        share_estimates(gold, predicted, resamples),
        f1_estimates(predicted, gold, resamples),
        _of_columns(metrics.average_precision, outcomes, resamples),
        estimates(lambda weights: metrics.brier(outcomes.probs, gold, weights), resamples, [n_texts] * gold.shape[1]),
        _of_columns(metrics.calibration_error, outcomes, resamples),
        estimates(lambda weights: metrics.log_loss(outcomes.probs, gold, weights), resamples, [n_texts] * gold.shape[1]),
        strict=True,
    )
    return tuple(QuestionResult(*column) for column in columns)


def _of_columns(metric: metrics.Metric, outcomes: Outcomes, resamples: Resamples) -> tuple[Estimate, ...]:
    """A metric that takes one question at a time."""
    probs, gold = outcomes.probs, outcomes.gold
    n_texts, n_questions = gold.shape

    def statistic(weights: Weights) -> Floats:
        return np.stack([metric(probs[:, j], gold[:, j], weights) for j in range(n_questions)], axis=-1)

    return estimates(statistic, resamples, [n_texts] * n_questions)


def _levels(outcomes: Outcomes, ladder: Ladder, resamples: Resamples) -> tuple[LevelResult, ...]:
    severities = np.array([level.severity for level in ladder.levels])
    acted = outcomes.decided_severity[:, None] >= severities
    # A level that is off acts on nothing of its own; what a higher one acts on is not its doing.
    acted &= np.array([level.threshold is not None for level in ladder.levels])
    found = share_estimates(acted, outcomes.true_severity[:, None] >= severities, resamples)
    return tuple(
        LevelResult(
            level_id=level.level_id,
            severity=level.severity,
            threshold=level.threshold,
            certified=level.certified,
            target_precision=level.target_precision,
            n_acted=precision.n,
            precision=precision,
            below_target=precision.high < level.target_precision,
        )
        for level, precision in zip(ladder.levels, found, strict=True)
    )
