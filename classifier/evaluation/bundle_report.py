"""Judging a bundle by saved scores of a split that nothing was fitted to, next to a baseline, with all that is needed to do it again."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy.typing as npt

from classifier.bundle import Bundle, load_bundle
from classifier.data import clusters_of
from classifier.decisions import CategoryThresholds
from classifier.decisions.arrays import Ints
from classifier.decisions.decision import Span
from classifier.decisions.fit_calibration import choose_category_thresholds
from classifier.errors import CalibrationError
from classifier.evaluation.baselines import PairedDifference, tfidf_baseline
from classifier.evaluation.baselines import paired_difference as paired
from classifier.evaluation.bootstrap import plan_resamples
from classifier.evaluation.evaluate import evaluate
from classifier.evaluation.honesty import Honesty, PrecisionAt, honesty_of, overlap_of, precision_at, random_splits
from classifier.evaluation.mistakes import FalsePositives, Mistakes, SeverityCost, false_positives, find_mistakes, severity_cost
from classifier.evaluation.outcomes import outcomes_of
from classifier.evaluation.results import Evaluation
from classifier.evaluation.scores import Scores, read_scores
from classifier.examples import Example, Targets, targets_of
from classifier.files import sha256_of
from classifier.records import read_examples

STEPS = ("evaluating the bundle", "collecting mistakes", "training the baseline", "comparing with the baseline", "splitting at random")
"""What ``report_bundle`` tells ``on_step``, in this order; the last three where training texts were given."""


@dataclass(frozen=True)
class Comparison:
    """Another model on the same texts, and what the bundle has more than it."""

    name: str
    evaluation: Evaluation
    difference: PairedDifference


@dataclass(frozen=True)
class BundleReport:
    """The evaluation of a bundle; ``baseline`` and ``difference`` (bundle minus baseline) where training texts were given."""

    evaluation: Evaluation
    baseline: Evaluation | None
    difference: PairedDifference | None
    facts: dict[str, Any]
    bundle: Bundle
    mistakes: Mistakes
    false_positives: tuple[FalsePositives, ...]
    honesty: Honesty

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The baselines."""
        if self.baseline is None or self.difference is None:
            return ()
        return (Comparison("TF-IDF + logistic regression", self.baseline, self.difference),)

    @property
    def costs(self) -> tuple[SeverityCost, ...]:
        """Of deciding severity by the ladder, and by the number of probs of at least 0.5."""
        return severity_cost(self.evaluation.decided_severity), severity_cost(self.evaluation.even_severity)

    @property
    def precision_at(self) -> tuple[PrecisionAt, ...]:
        """Of acting at all, where violations are rarer."""
        return precision_at(self.evaluation.acted)

    @property
    def alarms(self) -> tuple[str, ...]:
        """Why the figures or promises must not be relied on, one sentence each."""
        void = self.bundle.void
        said = () if void is None else (f"The promises of this bundle were declared void on {void.date}: {void.question} drifted on {void.source}.",)
        return said + self.honesty.alarms

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content. The texts of the mistakes are left out."""
        return {
            "facts": self.facts,
            "evaluation": self.evaluation.to_dict(),
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
            "difference": None if self.difference is None else self.difference.to_dict(),
            "alarms": list(self.alarms),
            "honesty": self.honesty.to_dict(),
            "mistakes": [vars(count) for count in self.mistakes.counts],
            "costs": [{**vars(cost), "per_text": cost.per_text.to_dict()} for cost in self.costs],
            "precision_at": [{"prevalence": item.prevalence, "precision": item.precision.to_dict()} for item in self.precision_at],
        }

    def to_markdown(self) -> str:
        """The same content to read."""
        lines = [f"- {key}: `{value}`" for key, value in self.facts.items() if not isinstance(value, dict)]
        alarms = "".join(f"**Do not rely on these figures: {alarm}**\n\n" for alarm in self.alarms)
        text = "# Evaluation\n\n" + alarms + HONESTY + "\n\n" + "\n".join(lines) + "\n\n" + self.evaluation.to_markdown()
        if self.baseline is not None:
            text += "\n\n" + BASELINE + "\n\n" + self.baseline.to_markdown()
        return text + "\n"


HONESTY = (
    "The labelled texts were written for this project, not collected from a platform, and the severity criteria are the project's own: these "
    "figures hold for texts like these. Before acting on a platform's accounts, label its own texts, calibrate and evaluate on them."
)

BASELINE = (
    "# Baseline: jieba TF-IDF with logistic regression, trained on the same texts\n\nThe ladder was certified for the bundle's probs, not for "
    "these: look at the figures that rest on no level."
)


def report_bundle(
    folder: Path,
    scores_path: Path,
    *,
    train_paths: Sequence[Path] = (),
    seed: int = 13,
    n_resamples: int = 1000,
    model_spans: Mapping[str, Sequence[Span]] | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> BundleReport:
    """Evaluate a bundle on saved scores.

    :param train_paths: texts the model was trained on; with them the report adds a baseline, looks for leaks, and tells what a random
        split would have flattered.
    :param model_spans: for ids of texts, what the model went by; shown beside the mistakes.
    :param on_step: is told each of ``STEPS`` when it begins.
    :raises CalibrationError: when the scores were made by another model.
    """
    bundle, scores = _read(folder, scores_path)
    test = _Test(scores, bundle, clusters_of(scores.examples), seed, n_resamples)
    probs = bundle.calibration.apply(scores.logits)
    on_step(STEPS[0])
    result = test.evaluate(probs, bundle.category_thresholds)
    on_step(STEPS[1])
    outcomes = outcomes_of(probs, test.targets, scores.examples, bundle.policy, bundle.ladder, bundle.category_thresholds)
    mistakes = find_mistakes(outcomes, scores.examples, bundle.policy, model_spans=model_spans)
    resamples = plan_resamples(test.clusters, len(scores.examples), seed=seed, n_resamples=n_resamples)
    by_tag = false_positives(outcomes, scores.examples, resamples)
    facts = _facts(bundle, scores, seed)
    if not train_paths:
        return BundleReport(result, None, None, facts, bundle, mistakes, by_tag, honesty_of(bundle.provenance, scores.data_sha256))
    train = read_examples(train_paths, bundle.policy)
    on_step(STEPS[2])
    other = tfidf_baseline(train, scores.examples, bundle.policy, seed=seed)
    thresholds = _own_thresholds(train, bundle, seed)
    on_step(STEPS[3])
    baseline, difference = test.evaluate(other, thresholds), test.difference(probs, other, thresholds)
    on_step(STEPS[4])
    facts["baseline_data"] = {path.name: sha256_of(path) for path in train_paths}
    honesty = honesty_of(
        bundle.provenance,
        scores.data_sha256,
        train_sha256=facts["baseline_data"],
        overlap=overlap_of(train, scores.examples),
        splits=random_splits(train, scores.examples, bundle.policy, seed=seed, real_probs=other),
    )
    facts["n_leaks_between_train_and_test"] = 0 if honesty.overlap is None else honesty.overlap.n_shared
    return BundleReport(result, baseline, difference, facts, bundle, mistakes, by_tag, honesty)


@dataclass(frozen=True)
class _Test:
    """The test texts with all that stays the same whichever probs are judged on them."""

    scores: Scores
    bundle: Bundle
    clusters: Ints
    seed: int
    n_resamples: int

    @property
    def targets(self) -> Targets:
        return self.scores.targets(self.bundle.policy)

    def evaluate(self, probs: npt.ArrayLike, thresholds: CategoryThresholds) -> Evaluation:
        bundle, examples = self.bundle, self.scores.examples
        options: dict[str, Any] = {"clusters": self.clusters, "seed": self.seed, "n_resamples": self.n_resamples}
        return evaluate(probs, self.targets, examples, bundle.policy, bundle.ladder, thresholds, **options)

    def difference(self, probs: npt.ArrayLike, other: npt.ArrayLike, thresholds: CategoryThresholds) -> PairedDifference:
        return paired(
            probs,
            other,
            self.targets,
            self.scores.examples,
            self.bundle.policy,
            clusters=self.clusters,
            seed=self.seed,
            n_resamples=self.n_resamples,
            first_thresholds=self.bundle.category_thresholds,
            second_thresholds=thresholds,
        )


def _read(folder: Path, scores_path: Path) -> tuple[Bundle, Scores]:
    bundle = load_bundle(folder)
    scores = read_scores(scores_path, bundle.policy)
    if scores.model_fingerprint != bundle.encoder_fingerprint:
        raise CalibrationError(
            f"{scores_path}: expected scores of encoder {bundle.encoder_fingerprint}, but got those of {scores.model_fingerprint}; score again."
        )
    return bundle, scores


_COMPUTED_WITH = ("tiaowen", "numpy", "scipy", "scikit-learn", "jieba")


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _own_thresholds(train: Sequence[Example], bundle: Bundle, seed: int) -> CategoryThresholds:
    """Category thresholds of the baseline, chosen on the odd half of its training texts after fitting to the even half."""
    even, odd = train[::2], train[1::2]
    probs = tfidf_baseline(even, odd, bundle.policy, seed=seed)
    return choose_category_thresholds(probs, targets_of(odd, bundle.policy), bundle.policy)


def _facts(bundle: Bundle, scores: Scores, seed: int) -> dict[str, Any]:
    return {
        "model": bundle.model_fingerprint,
        "policy": bundle.policy.fingerprint,
        "thresholds": bundle.ladder.fingerprint,
        "data": dict(scores.data_sha256),
        "seed": seed,
        "versions": bundle.provenance.get("versions", {}),
        "computed_with": {"python": platform.python_version(), **{name: _version_of(name) for name in _COMPUTED_WITH}},
        "test texts used for": "reports only",
    }
