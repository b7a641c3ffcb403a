"""The shipped bundle decides today as it did when it was made.

``classifier classify data/demo.jsonl --format jsonl --out tests/golden.jsonl`` wrote the expected decisions. Integer kernels differ a little
between processors, so probs are compared to a tolerance, and a level only where no threshold lies within it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classifier import Classifier

ROOT = Path(__file__).parents[1]
TOLERANCE = 0.06
GOLDEN = [json.loads(line) for line in (ROOT / "tests/golden.jsonl").read_text(encoding="utf-8").splitlines()]
TEXTS = {record["id"]: record for record in map(json.loads, (ROOT / "data/demo.jsonl").read_text(encoding="utf-8").splitlines())}


@pytest.fixture(scope="module")
def classifier():
    return Classifier.load(ROOT / "models/default")


def test_the_bundle_is_the_one_that_made_them(classifier):
    assert {golden["model_fingerprint"] for golden in GOLDEN} == {classifier.bundle.model_fingerprint}
    assert {golden["policy_fingerprint"] for golden in GOLDEN} == {classifier.policy.fingerprint}


def test_the_bundle_was_made_for_the_shipped_policy(classifier):
    from classifier import Policy

    assert classifier.policy.fingerprint == Policy.load().fingerprint


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda golden: golden["id"])
def test_a_golden_decision(classifier, golden):
    record = TEXTS[golden["id"]]
    decision = classifier.classify(record["text"], source=record["source"])
    assert decision.probs == pytest.approx(golden["probs"], abs=TOLERANCE)
    ladder = classifier.bundle.ladder
    borders = [t for level in ladder.levels for t in (level.threshold, level.would_be_threshold) if t is not None] + [ladder.review_threshold]
    severities = [prob for question, prob in golden["probs"].items() if question.startswith("severity")]
    if all(abs(prob - border) > TOLERANCE for prob in severities for border in borders if border is not None):
        assert (decision.level, decision.review) == (golden["level"], golden["review"])


def test_the_bundle_is_small_and_needs_no_torch(classifier):
    sizes = {path.name: path.stat().st_size for path in (ROOT / "models/default").iterdir()}
    assert max(sizes.values()) <= 70_000_000  # fp16 weights of a model of BERT-base size, without its word vectors of unused tokens
    assert not any(name.endswith((".bin", ".pt", ".pkl", ".joblib")) for name in sizes)


def test_a_text_is_decided_the_same_whatever_comes_with_it(classifier):
    records = list(TEXTS.values())
    together = classifier.classify_many([r["text"] for r in records], source=[r["source"] for r in records])
    assert [d.probs for d in together] == [classifier.classify(r["text"], source=r["source"]).probs for r in records]


@pytest.mark.parametrize("options", [{"low_latency": True}, {"n_threads": 1}, {"n_threads": 3}], ids=str)
def test_threads_and_batches_change_nothing(classifier, options):
    texts = [f"{text} {i}" for i, text in enumerate([record["text"] for record in TEXTS.values()] * 4)] + ["收U出U 私聊", "今天吃面 下雨"]
    alone = [classifier.predict_proba([text])[0].tolist() for text in texts]
    assert Classifier.load(ROOT / "models/default", cache_size=0, **options).predict_proba(texts).tolist() == alone
