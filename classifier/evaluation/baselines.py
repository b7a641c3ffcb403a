"""What a simple model reaches on the same texts, and whether the difference to it is more than chance."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import as_probs, as_targets, check_policy
from classifier.decisions.categories import CategoryThresholds
from classifier.errors import CalibrationError, require
from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import Estimate, estimates, plan_resamples
from classifier.evaluation.metrics import Floats, Weights
from classifier.evaluation.outcomes import EVEN, even_severities, severity_known
from classifier.examples import Example, targets_of
from classifier.policy import Policy
from classifier.text import normalise


def tfidf_baseline(train_examples: Sequence[Example], test_examples: Sequence[Example], policy: Policy, *, seed: int) -> npt.NDArray[np.float32]:
    """Probs of the TF-IDF of jieba's words with one logistic regression for each question, positives and negatives weighing alike.

    The equal weights serve the F1 at 0.5; the probs are not calibrated and too high where a question is rare. A question that all
    training texts answer alike gets that answer.

    :return: float32, *Shape:* (n_test, n_questions).
    :raises CalibrationError: when there is no training text, or no word in any.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    jieba = require("jieba", extra="train")
    jieba.setLogLevel(logging.WARNING)  # it tells stderr how it loads its words
    text_features = require("sklearn.feature_extraction.text", extra="train")
    linear_model = require("sklearn.linear_model", extra="train")
    vectoriser = text_features.TfidfVectorizer(tokenizer=jieba.lcut, token_pattern=None, sublinear_tf=True)
    try:
        train = vectoriser.fit_transform(_texts(train_examples))
    except ValueError as error:  # an empty vocabulary
        raise CalibrationError(f"Expected training texts with words in them, but got {len(train_examples)} texts: {error}.") from error
    test = vectoriser.transform(_texts(test_examples)) if test_examples else None
    targets = targets_of(train_examples, policy)
    probs = np.empty((len(test_examples), len(policy.questions)), dtype=np.float32)
    for j in range(probs.shape[1] if test_examples else 0):
        if len(np.unique(targets[:, j])) == 1:
            probs[:, j] = targets[0, j]
            continue
        model = linear_model.LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed)
        probs[:, j] = model.fit(train, targets[:, j]).predict_proba(test)[:, 1]
    return probs


@dataclass(frozen=True)
class PairedDifference:
    """What the first probs have more than the second on the same texts; an interval without 0 says that it is more than chance.

    F1s and kappa at a prob of 0.5, the macro-F1 at category thresholds where they were given.
    """

    macro_f1: Estimate
    violation_f1: Estimate
    violation_average_precision: Estimate
    severity_kappa: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {name: value.to_dict() for name, value in vars(self).items()}


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
    """The four values of ``PairedDifference`` of one set of probs, *Shape:* (4,), with the resamples in front."""
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


def _texts(examples: Sequence[Example]) -> list[str]:
    return [normalise(example.text).text for example in examples]
