"""Judging a bundle by saved scores of a split that nothing was fitted to, next to a baseline, with all that is needed to do it again."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy.typing as npt
from scipy import special

from classifier.bundle import Bundle, load_bundle
from classifier.data import clusters_of
from classifier.decisions import CategoryThresholds
from classifier.decisions.arrays import Ints
from classifier.decisions.fit_calibration import best_category_thresholds
from classifier.errors import CalibrationError
from classifier.evaluation.baselines import Baseline, BaselineResult, PairedDifference, compare_baselines, headline_of, tfidf_baseline
from classifier.evaluation.baselines import paired_difference as paired
from classifier.evaluation.baselines.comparing import right_alone
from classifier.evaluation.bootstrap import plan_resamples
from classifier.evaluation.bundle_results import TFIDF, BundleReport
from classifier.evaluation.evaluate import evaluate
from classifier.evaluation.honesty import honesty_of, overlap_of, random_splits
from classifier.evaluation.mistakes import false_positives, find_mistakes
from classifier.evaluation.outcomes import outcomes_of
from classifier.evaluation.results import Evaluation
from classifier.evaluation.saved import SavedResults
from classifier.evaluation.scores import Scores, read_scores
from classifier.examples import Example, Targets, targets_of
from classifier.files import sha256_of
from classifier.records import read_examples

STEPS = ("evaluating the bundle", "collecting mistakes", "training the baseline", "comparing with the baseline", "splitting at random")
"""What ``report_bundle`` tells ``on_step``, in this order; the last three where training texts were given."""


def report_bundle(
    folder: Path,
    scores_path: Path,
    *,
    train_paths: Sequence[Path] = (),
    baseline_scores: Mapping[str, Path] = MappingProxyType({}),
    saved: SavedResults | None = None,
    seed: int = 13,
    n_resamples: int = 1000,
    on_step: Callable[[str], None] = lambda step: None,
) -> BundleReport:
    """Evaluate a bundle on saved scores.

    :param train_paths: texts the model was trained on; with them the report adds a baseline, looks for leaks, and tells what a random
        split would have flattered.
    :param baseline_scores: of other models on the same texts, by the name to show.
    :param saved: results that were measured earlier, to stand in the report.
    :param on_step: is told each of ``STEPS`` when it begins.
    :raises CalibrationError: when the scores were made by another model, or those of a baseline on other texts.
    """
    bundle, scores = _read(folder, scores_path)
    given = [_saved_baseline(name, path, scores, bundle) for name, path in baseline_scores.items()]
    test = _Test(scores, bundle, clusters_of(scores.examples), seed, n_resamples)
    probs = bundle.calibration.apply(scores.logits, scores.n_windows)
    on_step(STEPS[0])
    result = test.evaluate(probs, bundle.category_thresholds)
    on_step(STEPS[1])
    outcomes = outcomes_of(probs, test.targets, scores.examples, bundle.policy, bundle.ladder, bundle.category_thresholds)
    mistakes = find_mistakes(outcomes, scores.examples, bundle.policy)
    resamples = plan_resamples(test.clusters, len(scores.examples), seed=seed, n_resamples=n_resamples)
    by_tag = false_positives(outcomes, scores.examples, resamples)
    facts = _facts(bundle, scores, seed)
    judged = test.compare(probs, given)
    saved = saved or SavedResults()
    if not train_paths:
        return BundleReport(result, None, judged, facts, bundle, mistakes, by_tag, honesty_of(bundle.provenance, scores.data_sha256), saved)
    train = read_examples(train_paths, bundle.policy)
    on_step(STEPS[2])
    other = tfidf_baseline(train, scores.examples, bundle.policy, seed=seed)
    thresholds = _own_thresholds(train, bundle, seed)
    on_step(STEPS[3])
    baseline = test.evaluate(other, thresholds)
    right = right_alone(probs, other, test.targets, bundle.policy)
    judged = (BaselineResult(TFIDF, headline_of(baseline), test.difference(probs, other, thresholds), right), *judged)
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
    return BundleReport(result, baseline, judged, facts, bundle, mistakes, by_tag, honesty, saved)


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
        options: dict[str, Any] = {"clusters": self.clusters, "seed": self.seed, "n_resamples": self.n_resamples, "n_windows": self.scores.n_windows}
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


    def compare(self, probs: npt.ArrayLike, baselines: Sequence[Baseline]) -> tuple[BaselineResult, ...]:
        return compare_baselines(
            probs,
            baselines,
            self.targets,
            self.scores.examples,
            self.bundle.policy,
            clusters=self.clusters,
            seed=self.seed,
            n_resamples=self.n_resamples,
            thresholds=self.bundle.category_thresholds,
        )


def _saved_baseline(name: str, path: Path, scores: Scores, bundle: Bundle) -> Baseline:
    """The probs of another model on the very texts of the scores."""
    other = read_scores(path, bundle.policy)
    if [(e.id, e.text) for e in other.examples] != [(e.id, e.text) for e in scores.examples]:
        raise CalibrationError(
            f"{path}: expected scores of the same {len(scores.examples)} texts in the same order, but got those of other texts; "
            "run `classifier baseline --test` on the file that the bundle was scored on."
        )
    return Baseline(name, special.expit(other.logits))


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
    return best_category_thresholds(probs, targets_of(odd, bundle.policy), bundle.policy)


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
