import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from classifier.decisions import CategoryThresholds, Promise, Span, decisions_of, failed_decision
from classifier.decisions.certify import certify_ladder, empirical_ladder
from classifier.errors import CalibrationError
from classifier.policy import Policy

POLICY = Policy.load()
THRESHOLDS = CategoryThresholds(POLICY.category_ids, (0.5, 0.6, 0.7, 0.8), (1.0, 1.0, 1.0, None), (9, 9, 9, 0), POLICY.fingerprint)


def _training():
    """Nine hundred texts of severity 3 at 0.9 and as many benign ones at 0.2: every level certifies down to 0.205."""
    probs = np.zeros((1800, len(POLICY.questions)))
    targets = np.zeros_like(probs, dtype=np.int8)
    probs[:900, POLICY.n_categories :], probs[900:, POLICY.n_categories :] = 0.9, 0.2
    targets[:900, POLICY.n_categories :] = 1
    return probs, targets


CERTIFIED = certify_ladder(*_training(), POLICY, clusters=None, seed=0).with_review_threshold(0.1)


def _decide(*rows, ladder=CERTIFIED, **options):
    return decisions_of(np.array(rows), ladder, POLICY, THRESHOLDS, sources=["post"] * len(rows), model_fingerprint="m" * 16, **options)


def test_categories_reach_their_threshold_inclusive_and_the_highest_comes_first():
    decision = _decide((0.5, 0.59, 0.7, 0.1, 0.9, 0.9, 0.9))[0]
    assert [(c.category, c.prob) for c in decision.categories] == [("financing", 0.7), ("issuance", 0.5)]


def test_best_category_is_named_when_something_is_done_and_none_reaches_its_threshold():
    assert [c.category for c in _decide((0.1, 0.2, 0.3, 0.1, 0.9, 0.1, 0.1))[0].categories] == ["financing"]


def test_no_category_is_named_when_nothing_is_done_and_none_reaches_its_threshold():
    assert _decide((0.1, 0.2, 0.3, 0.1, 0.05, 0.0, 0.0))[0].categories == ()


def test_level_action_and_promise_come_from_policy_and_ladder():
    decision = _decide((0.9, 0, 0, 0, 0.9, 0.9, 0.1))[0]
    assert (decision.severity, decision.level, decision.action, decision.certified) == (2, "restrict", "restrict_functions", True)
    assert decision.promise == Promise("restrict", 0.92, 0.95)


def test_empirical_levels_promise_nothing():
    decision = _decide((0.9, 0, 0, 0, 0.9, 0.9, 0.9), ladder=empirical_ladder(*_training(), POLICY))[0]
    assert (decision.severity, decision.certified, decision.promise) == (3, False, None)


def test_nothing_done_promises_nothing():
    decision = _decide((0, 0, 0, 0, 0.1, 0, 0))[0]
    assert (decision.severity, decision.certified, decision.review) == (0, False, True)


def test_probs_are_kept_by_question():
    assert _decide((0.9, 0, 0, 0, 0.8, 0.7, 0.6))[0].probs["severity>=2"] == 0.7


def test_text_is_kept_as_its_hash():
    decision = _decide((0, 0, 0, 0, 0, 0, 0), texts=["出U"], ids=["a1"])[0]
    assert (decision.text_sha256, decision.id) == (hashlib.sha256("出U".encode()).hexdigest(), "a1")


def test_decision_survives_json_in_the_order_of_its_fields():
    decision = _decide((0.9, 0, 0, 0, 0.9, 0.9, 0.9), evidence=[(Span(0, 2, "出U", 0.8),)], n_windows=[2])[0]
    content = json.loads(json.dumps(decision.to_dict()))
    assert list(content) == list(decision.__dataclass_fields__)
    assert content["evidence"] == [{"start": 0, "end": 2, "text": "出U", "weight": 0.8}]


def test_explanation_names_clause_act_span_level_and_promise():
    words = _decide((0, 0.9, 0, 0, 0.9, 0.9, 0.9), evidence=[(Span(0, 2, "出U", 0.8),)])[0].explain(POLICY)
    for part in ("虚拟货币交易", "3.24.1", "「出U」", "永久封禁", "95%"):
        assert part in words.zh
    for part in ("crypto trading", "3.24.1", "“出U”", "banned for good", "95% confidence at least 95%"):
        assert part in words.en


def test_explanation_asks_for_a_person_only_where_one_must_look():
    reviewed, left = (_decide((0, 0, 0, 0, prob, 0, 0))[0].explain(POLICY) for prob in (0.1, 0.05))
    assert ("须人工复核" in reviewed.zh, "A person must look" in reviewed.en) == (True, True)
    assert ("须人工复核" in left.zh, "A person must look" in left.en) == (False, False)


def test_explanation_says_when_a_level_is_not_certified():
    words = _decide((0, 0.9, 0, 0, 0.9, 0.9, 0.9), ladder=empirical_ladder(*_training(), POLICY))[0].explain(POLICY)
    assert "未经认证" in words.zh
    assert "not certified" in words.en


def test_explanation_under_another_policy_is_refused():
    decision = _decide((0, 0, 0, 0, 0, 0, 0))[0]
    with pytest.raises(ValueError, match="policy of the decision"):
        decision.explain(replace(POLICY, version="other"))


def test_failed_text_goes_to_a_person():
    decision = failed_decision("empty text", CERTIFIED, POLICY, source="bio", model_fingerprint="m" * 16, id="a")
    assert (decision.severity, decision.review, decision.error) == (0, True, "empty text")
    assert "empty text" in decision.explain(POLICY).zh


def test_half_a_surrogate_pair_can_be_kept_as_a_hash():
    assert len(_decide((0, 0, 0, 0, 0, 0, 0), texts=["\ud83d"])[0].text_sha256) == 64


def test_wrong_number_of_texts_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="`texts`"):
        _decide((0, 0, 0, 0, 0, 0, 0), texts=[])


def test_thresholds_of_another_policy_are_refused():
    with pytest.raises(CalibrationError, match="category thresholds"):
        decisions_of(
            np.zeros((1, 7)), CERTIFIED, POLICY, replace(THRESHOLDS, policy_fingerprint="0" * 16), sources=["post"], model_fingerprint="m" * 16
        )


def test_category_thresholds_survive_json():
    assert CategoryThresholds.from_dict(json.loads(json.dumps(THRESHOLDS.to_dict()))) == THRESHOLDS


def test_malformed_category_thresholds_are_refused():
    with pytest.raises(CalibrationError, match="malformed"):
        CategoryThresholds.from_dict({"categories": [{}]})
