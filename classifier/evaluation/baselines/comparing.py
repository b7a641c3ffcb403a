"""A model next to its baselines: headline figures, paired differences with intervals, and McNemar's test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import as_probs, as_targets
from classifier.decisions.categories import CategoryThresholds
from classifier.evaluation.baselines.difference import Headline, PairedDifference, headline, paired_difference
from classifier.evaluation.mcnemar import McNemar, mcnemar
from classifier.evaluation.outcomes import EVEN
from classifier.examples import Example
from classifier.policy import Policy


@dataclass(frozen=True, eq=False)
class Baseline:
    """Probs of a simple model on the test texts, *Shape:* (n_texts, n_questions), and its own category thresholds, None for 0.5."""

    name: str
    probs: npt.NDArray[np.float32]
    thresholds: CategoryThresholds | None = None


@dataclass(frozen=True)
class BaselineResult:
    """One baseline: its figures, what the model has more (``difference``), and who is right alone about any violation at a prob of 0.5.

    In ``mcnemar`` the model is the first and the baseline the second.
    """

    name: str
    headline: Headline
    difference: PairedDifference
    mcnemar: McNemar

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "name": self.name,
            "headline": self.headline.to_dict(),
            "difference": self.difference.to_dict(),
            "mcnemar": self.mcnemar.to_dict(),
        }


def compare_baselines(
    probs: npt.ArrayLike,
    baselines: Sequence[Baseline],
    targets: npt.ArrayLike,
    examples: Sequence[Example],
    policy: Policy,
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    n_resamples: int = 1000,
    thresholds: CategoryThresholds | None = None,
) -> tuple[BaselineResult, ...]:
    """Judge every baseline, and the model against it, on the same texts and the same resamples.

    :param probs: of the model, *Shape:* (n_texts, n_questions); ``targets`` (0/1) likewise.
    :param clusters: integers, *Shape:* (n_texts,); None when all texts are independent.
    :param thresholds: of the model's categories; None for 0.5.
    :raises CalibrationError: when a shape or value is wrong, or thresholds belong to another policy.
    """
    model = as_probs(probs, policy)
    options: dict[str, Any] = {"clusters": clusters, "seed": seed, "n_resamples": n_resamples}
    results = []
    for baseline in baselines:
        other = as_probs(baseline.probs, policy)
        difference = paired_difference(
            model, other, targets, examples, policy, first_thresholds=thresholds, second_thresholds=baseline.thresholds, **options
        )
        results.append(
            BaselineResult(
                name=baseline.name,
                headline=headline(other, targets, examples, policy, thresholds=baseline.thresholds, **options),
                difference=difference,
                mcnemar=right_alone(model, other, targets, policy),
            )
        )
    return tuple(results)


def right_alone(first_probs: npt.ArrayLike, second_probs: npt.ArrayLike, targets: npt.ArrayLike, policy: Policy) -> McNemar:
    """McNemar's test of who is right about any violation at a prob of 0.5.

    :param first_probs: *Shape:* (n_texts, n_questions); ``second_probs`` and ``targets`` (0/1) likewise.
    """
    column = policy.severity_column(1)
    first, second = as_probs(first_probs, policy), as_probs(second_probs, policy)
    violating = as_targets(targets, *first.shape)[:, column] == 1
    return mcnemar(*((probs[:, column] >= EVEN) == violating for probs in (first, second)))
