"""Decisions read back from their JSON are the same objects."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from classifier.decisions import CategoryScore, Decision, Promise, Span
from classifier.decisions.accounts import AccountDecision, Post
from classifier.errors import DataError
from classifier.inference import Classifier

from .conftest import make_examples

DECISION = Decision(
    id="a",
    text_sha256="0" * 64,
    source="bio",
    categories=(CategoryScore("trading", 0.1 + 0.2), CategoryScore("financing", 1e-17)),
    severity=1,
    level="rectify",
    action="order_rectification",
    review=True,
    certified=True,
    promise=Promise("rectify", 0.9, 0.95),
    probs={"trading": 0.1 + 0.2, "severity>=1": 1 / 3},
    evidence=(Span(0, 2, "收\ud800", 0.7),),
    n_windows=3,
    model_fingerprint="m",
    policy_fingerprint="p",
    ladder_fingerprint="l",
)


@pytest.mark.parametrize("change", [{}, {"promise": None, "evidence": (), "categories": ()}, {"error": "empty", "probs": {}, "id": None}])
def test_a_decision_survives_its_json(change):
    decision = replace(DECISION, **change)
    assert Decision.from_dict(json.loads(json.dumps(decision.to_dict()))) == decision


def test_what_is_no_field_is_left_out():
    assert Decision.from_dict(DECISION.to_dict() | {"explanation": {"zh": "", "en": ""}}) == DECISION


@pytest.mark.parametrize(
    "damage", [{"categories": [{"category": "a"}]}, {"evidence": 5}, {"promise": {"level": "x"}}, {"probs": [1]}, {"categories": None}]
)
def test_a_malformed_decision_is_refused(damage):
    with pytest.raises(DataError, match="content of a decision"):
        Decision.from_dict(DECISION.to_dict() | damage)


@pytest.mark.parametrize("missing", ["id", "error", "probs", "ladder_fingerprint"])
def test_a_missing_field_is_told(missing):
    content = DECISION.to_dict()
    del content[missing]
    with pytest.raises(DataError, match=missing):
        Decision.from_dict(content)


def test_an_account_decision_survives_its_json(tiny_bundle):
    posts = [Post(example.text, f"2026-01-{day:02}", example.id) for day, example in enumerate(make_examples(9, seed=3), 1)]
    made = Classifier.load(tiny_bundle.folder, n_threads=1).classify_account("收U出U加微信群大家", [*posts, Post("")], account_id="a")
    assert made.rules
    assert AccountDecision.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    with pytest.raises(DataError, match="account decision"):
        AccountDecision.from_dict(made.to_dict() | {"rules": [{"name": "x"}]})
