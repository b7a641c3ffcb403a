"""Judging a bundle by saved scores of a split that nothing was fitted to, next to a baseline, with all that is needed to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.bundle import Bundle, load_bundle
from classifier.data import clusters_of, leak_report
from classifier.decisions import CategoryThresholds
from classifier.decisions.fit_calibration import choose_category_thresholds
from classifier.errors import CalibrationError
from classifier.evaluation.baselines import PairedDifference, tfidf_baseline
from classifier.evaluation.baselines import paired_difference as paired
from classifier.evaluation.evaluate import evaluate
from classifier.evaluation.results import Evaluation
from classifier.evaluation.scores import Scores, read_scores
from classifier.examples import Example, targets_of
from classifier.files import sha256_of
from classifier.records import read_examples


@dataclass(frozen=True)
class BundleReport:
    """The evaluation of a bundle; ``baseline`` and ``difference`` (bundle minus baseline) where training texts were given."""

    evaluation: Evaluation
    baseline: Evaluation | None
    difference: PairedDifference | None
    facts: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "facts": self.facts,
            "evaluation": self.evaluation.to_dict(),
            "baseline": None if self.baseline is None else self.baseline.to_dict(),
            "difference": None if self.difference is None else self.difference.to_dict(),
        }

    def to_markdown(self) -> str:
        """The same content to read."""
        lines = [f"- {key}: `{value}`" for key, value in self.facts.items() if not isinstance(value, dict)]
        text = "# Evaluation\n\n" + HONESTY + "\n\n" + "\n".join(lines) + "\n\n" + self.evaluation.to_markdown()
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
    folder: Path, scores_path: Path, *, train_paths: Sequence[Path] = (), seed: int = 13, n_resamples: int = 1000
) -> BundleReport:
    """Evaluate a bundle on saved scores.

    :param train_paths: texts the model was trained on; with them the report adds a baseline and looks for leaks.
    :raises CalibrationError: when the scores were made by another model.
    """
    bundle = load_bundle(folder)
    scores = read_scores(scores_path, bundle.policy)
    if scores.model_fingerprint != bundle.encoder_fingerprint:
        raise CalibrationError(
            f"{scores_path}: expected scores of encoder {bundle.encoder_fingerprint}, but got those of {scores.model_fingerprint}; score again."
        )
    clusters = clusters_of(scores.examples)
    targets = scores.targets(bundle.policy)
    probs = bundle.calibration.apply(scores.logits)
    result = evaluate(
        probs,
        targets,
        scores.examples,
        bundle.policy,
        bundle.ladder,
        bundle.category_thresholds,
        clusters=clusters,
        seed=seed,
        n_resamples=n_resamples,
    )
    facts = _facts(bundle, scores, seed)
    if not train_paths:
        return BundleReport(result, None, None, facts)
    train = read_examples(train_paths, bundle.policy)
    split_of = {example.id: "train" for example in train} | {example.id: "test" for example in scores.examples}
    facts["n_leaks_between_train_and_test"] = leak_report((*train, *scores.examples), split_of).n_leaks
    facts["baseline_data"] = {path.name: sha256_of(path) for path in train_paths}
    other = tfidf_baseline(train, scores.examples, bundle.policy, seed=seed)
    thresholds = _own_thresholds(train, bundle, seed)
    baseline = evaluate(
        other, targets, scores.examples, bundle.policy, bundle.ladder, thresholds, clusters=clusters, seed=seed, n_resamples=n_resamples
    )
    difference = paired(
        probs,
        other,
        targets,
        scores.examples,
        bundle.policy,
        clusters=clusters,
        seed=seed,
        n_resamples=n_resamples,
        first_thresholds=bundle.category_thresholds,
        second_thresholds=thresholds,
    )
    return BundleReport(result, baseline, difference, facts)


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
        "test texts used for": "reports only",
    }
