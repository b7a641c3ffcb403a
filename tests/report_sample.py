"""A small evaluation with everything that a page may have to show: made of random probs and a few nasty texts, without a model."""

from __future__ import annotations

import dataclasses
from functools import lru_cache
from pathlib import Path

import numpy as np

from classifier.attacks import techniques_of
from classifier.bundle import load_bundle
from classifier.decisions import CategoryThresholds, Ladder, LevelThreshold
from classifier.decisions.decision import Span
from classifier.evaluation import background, evaluate, paired_difference, plan_resamples
from classifier.evaluation.attack import attack_report
from classifier.evaluation.attack_results import AttackReport
from classifier.evaluation.baselines import Baseline, BaselineResult, compare_baselines, headline_of
from classifier.evaluation.baselines.comparing import right_alone
from classifier.evaluation.bundle_results import TFIDF, BundleReport
from classifier.evaluation.evidence_check import EvidenceReport
from classifier.evaluation.faithfulness import Explained, faithfulness
from classifier.evaluation.honesty import Overlap, RandomSplits, honesty_of
from classifier.evaluation.mistakes import false_positives, find_mistakes
from classifier.evaluation.outcomes import outcomes_of
from classifier.evaluation.saved import SavedResults
from classifier.examples import Example, targets_of
from classifier.reports import NamedBackground

ROOT = Path(__file__).parents[1]
NASTY = "<script>document.title='taken'</script> & \"quotes\" 收U </p><img src=x onerror=alert(1)>"
PROVENANCE = {"data": {"train": {"train.jsonl": "a" * 64}}, "calibration": {"data": {"calibration.jsonl": "c" * 64}}, "versions": {"numpy": "2"}}


def sample_examples(n: int, seed: int) -> list[Example]:
    """Half of them violating; the first two texts are nasty."""
    generator = np.random.default_rng(seed)
    made = []
    for i in range(n):
        severity = int(generator.integers(1, 4)) if i % 2 else 0
        text = NASTY if i < 2 else f"第{i}条:{'收U出U' if severity else '看见一只猫'}\n加微信{'幣' if i % 5 == 0 else ''}"
        categories = (("trading", "financing")[i // 2 % 2],) if severity else ()
        tags = ("<b>a tag", "news")[: 1 + i // 4 % 2] if i % 4 == 0 else ("slang",)
        source = "bio" if i % 3 == 0 else "post"
        made.append(
            Example(f"t{i}", text, source, categories, severity, tags=tags, published_at=f"202{i % 3}-01-01", evidence=("收U",) if severity else ())
        )
    return made


def sample_ladder(policy, *thresholds) -> Ladder:
    """Levels in force at the thresholds, off at None."""
    levels = [
        LevelThreshold(level.id, level.severity, t, 0.7, level.target_precision, 0.95, t is not None, 40, 1, 0.975, 0.91, 0.91, None, 0.02)
        for level, t in zip(policy.acting_levels, thresholds, strict=True)
    ]
    return Ladder(tuple(levels), 0.3, policy.fingerprint, "fixed_sequence", 0.95, n_clusters=100, seed=1)


@lru_cache(maxsize=8)
def sample_report(n: int = 120, *, thresholds=(0.6, 0.7, None), test_sha256="d" * 64, baseline=True, n_leaks=0, n_resamples=50) -> BundleReport:
    """The whole report of random probs."""
    bundle = load_bundle(ROOT / "models/default")
    policy = bundle.policy
    bundle = dataclasses.replace(
        bundle,
        ladder=sample_ladder(policy, *thresholds),
        provenance=PROVENANCE,
        category_thresholds=CategoryThresholds(policy.category_ids, (0.5,) * 4, (None,) * 4, (1,) * 4, policy.fingerprint),
        void=None,
    )
    examples = sample_examples(n, 0)
    targets = targets_of(examples, policy)
    generator = np.random.default_rng(1)
    probs, other = (1 / (1 + np.exp(-(3 * targets - 1.5 + generator.normal(0, s, targets.shape)))) for s in (1.5, 3))
    probs[0] = 0.95  # the nasty benign text is acted on
    common = {"clusters": None, "seed": 1, "n_resamples": n_resamples}
    judged = [evaluate(p, targets, examples, policy, bundle.ladder, bundle.category_thresholds, **common) for p in (probs, other)]
    difference = paired_difference(probs, other, targets, examples, policy, **common)
    outcomes = outcomes_of(probs, targets, examples, policy, bundle.ladder, bundle.category_thresholds)
    return BundleReport(
        evaluation=judged[0],
        baseline=judged[1] if baseline else None,
        baselines=(BaselineResult(TFIDF, headline_of(judged[1]), difference, right_alone(probs, other, targets, policy)),) if baseline else (),
        facts={
            "model": "m" * 16,
            "thresholds": bundle.ladder.fingerprint,
            "data": {"test.jsonl": test_sha256},
            "versions": {"numpy": "2"},
            "computed_with": {"numpy": "2"},
        },
        bundle=bundle,
        mistakes=find_mistakes(outcomes, examples, policy, model_spans={"t0": [Span(0, 8, "<script>", 1.0)]}),
        false_positives=false_positives(outcomes, examples, plan_resamples(None, n, seed=1, n_resamples=n_resamples)),
        honesty=honesty_of(
            PROVENANCE,
            {"test.jsonl": test_sha256},
            train_sha256={"train.jsonl": "a" * 64},
            overlap=Overlap(0, 0, n_leaks, n_leaks),
            splits=RandomSplits(2, 0.6, 0.7, 0.65, 0.75, 0.01),
        ),
    )


def with_everything(report: BundleReport) -> BundleReport:
    """The same with a further baseline of a nasty name, an attack and a check of the evidence."""
    policy, examples = report.bundle.policy, sample_examples(120, 0)
    targets = targets_of(examples, policy)
    probs, other = np.full(targets.shape, 0.2) + 0.5 * targets, np.full(targets.shape, 0.4)
    words = compare_baselines(probs, [Baseline("<i>words", other)], targets, examples, policy, clusters=None, seed=1, n_resamples=20)
    return dataclasses.replace(
        report, baselines=report.baselines + words, saved=SavedResults(attack=sample_attack(report.bundle), evidence=sample_evidence(report.bundle))
    )


def sample_attack(bundle) -> AttackReport:
    """Two techniques at two intensities against a model that asks for 收U and takes pinyin for guilt."""

    def predict(texts, sources):
        yes = [[0.9 if "收U" in text or any(letters in text for letters in ("kan", "mao")) else 0.1] for text in texts]
        return np.repeat(np.array(yes, dtype=np.float32), len(bundle.policy.questions), axis=1)

    common = {"clusters": None, "seed": 1, "intensities": (0.5, 1.0), "n_resamples": 50, "model_fingerprint": bundle.model_fingerprint}
    return attack_report(sample_examples(120, 0), bundle.policy, bundle.ladder, predict, techniques_of(["pinyin", "zero_width"]), **common)


def sample_evidence(bundle) -> EvidenceReport:
    """The right span shown for a model that asks for 收U."""
    texts = [Explained(e.text, ((e.text.index("收U"), e.text.index("收U") + 2),), ((0, 4),)) for e in sample_examples(40, 0) if "收U" in e.text]
    found = faithfulness(texts, lambda asked: np.array([0.9 if "收U" in text else 0.1 for text in asked]), clusters=None, seed=1, n_resamples=50)
    return EvidenceReport(20, 1, 3, 50, bundle.model_fingerprint, bundle.policy.fingerprint, bundle.ladder.fingerprint, found)


def sample_background() -> NamedBackground:
    """Ordinary texts, the worst of them nasty."""
    report = sample_report()
    policy = report.bundle.policy
    probs = np.zeros((50, len(policy.questions)))
    probs[:3, policy.severity_column(1)] = 0.9
    result = background(probs, policy, report.bundle.ladder, n_worst=3)
    return NamedBackground("diaries.jsonl", result, (NASTY, "收U", "猫"), (0.9, 0.9, 0.9))
