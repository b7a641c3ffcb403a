"""From saved logits of the calibration split to calibrators, category thresholds and a certified ladder: no torch.

The split is parted by clusters: calibrators and the plan of the tests come from the first part, the certificates from the second, so that no
threshold is tested on labels that shaped the scale it lies on. The encoder is needed only to see long texts joined from those of the first part.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from classifier.data import clusters_of
from classifier.decisions import Calibration, CategoryThresholds, Ladder
from classifier.decisions.certify import certify_ladder
from classifier.decisions.fit_calibration import choose_category_thresholds, fit_calibration
from classifier.decisions.plan import plan_ladder
from classifier.decisions.review import review_threshold_for_recall
from classifier.decisions.sampling import split_clusters
from classifier.errors import CalibrationError
from classifier.evaluation.scores import Scores
from classifier.examples import n_without_severity
from classifier.policy import Policy
from classifier.training.long_texts import Encode, length_correction

FIT_SHARE = 0.3
DEFAULT_MISS_RATE = 0.10
"""Share of violating texts that may fall below review and every level; a lower one sends more ordinary texts to review."""
REVIEW_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Calibrated:
    """What one calibration split gives, and in plain words how."""

    calibration: Calibration
    category_thresholds: CategoryThresholds
    ladder: Ladder
    facts: dict[str, Any]


def calibrate_scores(
    scores: Scores,
    policy: Policy,
    *,
    seed: int,
    prevalence: float | tuple[float, float] | None = None,
    max_miss_rate: float = DEFAULT_MISS_RATE,
    leave_out_accounts: bool = False,
    encode: Encode | None = None,
    max_tokens: int = 0,
) -> Calibrated:
    """Fit and certify on one calibration split.

    :param scores: of the calibration split, which nothing else has used.
    :param prevalence: share of violating texts in production or its range; None when production is mixed as the calibration split.
    :param max_miss_rate: share of violating texts that may fall below review and every level.
    :param leave_out_accounts: use no text that has an ``account_id``, so that those accounts can certify levels of accounts afterwards.
    :param encode: raw logits and windows of texts by the model of the scores, to correct for length; None for no correction.
    :param max_tokens: of its windows; needed with ``encode``.
    :raises CalibrationError: when there are too few texts or labels to fit anything.
    """
    n_given = len(scores.examples)
    if leave_out_accounts:
        scores = scores.select([example.account_id is None for example in scores.examples])
    targets = scores.targets(policy)
    clusters = clusters_of(scores.examples)
    first = split_clusters(clusters, share=FIT_SHARE, seed=seed)
    length = None if encode is None else length_correction(scores, first, policy, encode, max_tokens=max_tokens, seed=seed)
    logits = scores.logits if length is None else length.apply(scores.logits, scores.n_windows)
    calibration = replace(fit_calibration(logits[first], targets[first], policy, clusters=clusters[first], seed=seed), length=length)
    probs = calibration.apply(scores.logits, scores.n_windows).astype(np.float64)
    worst = prevalence[0] if isinstance(prevalence, tuple) else prevalence
    rest = ~first
    plan = plan_ladder(
        probs[first],
        targets[first],
        policy,
        clusters=clusters[first],
        seed=seed,
        prevalence=worst,
        n_certifying=np.unique(clusters[rest]).size,
    )
    any_column = policy.severity_column(1)
    review = review_threshold_for_recall(
        probs[rest, any_column],
        targets[rest, any_column],
        clusters=clusters[rest],
        max_miss_rate=max_miss_rate,
        confidence_level=REVIEW_CONFIDENCE,
        seed=seed,
    )
    if review is None:
        raise CalibrationError(f"Expected enough violating texts to certify a miss rate of {max_miss_rate:.0%}, but there are too few; label more.")
    ladder = certify_ladder(
        probs[rest], targets[rest], policy, clusters=clusters[rest], seed=seed, plan=plan, prevalence=prevalence, review_threshold=review
    )
    note = f"review threshold: at most {max_miss_rate:.0%} of violating texts fall below it, confidence {REVIEW_CONFIDENCE:.0%}"
    n_missing = n_without_severity(scores.examples)
    if n_missing:
        note += f"; {n_missing} violating texts carry no severity and count for every level"
    facts = {
        "n_texts": len(scores.examples),
        "accounts_left_out": leave_out_accounts,
        "n_texts_left_out": n_given - len(scores.examples),
        "n_clusters": len(set(clusters.tolist())),
        "n_fitted": int(first.sum()),
        "n_certifying": int(rest.sum()),
        "max_miss_rate": max_miss_rate,
        "data": dict(scores.data_sha256),
        "seed": seed,
    }
    # The categories promise nothing, so that the whole split may choose them.
    thresholds = choose_category_thresholds(probs, targets, policy)
    return Calibrated(calibration, thresholds, replace(ladder, notes=(*ladder.notes, note)), facts)
