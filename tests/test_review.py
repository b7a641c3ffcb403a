import numpy as np
import pytest

from classifier.decisions import decide_levels
from classifier.decisions.certify import empirical_ladder
from classifier.decisions.review import plan_table, review_threshold_for_capacity, review_threshold_for_recall
from classifier.errors import CalibrationError
from classifier.policy import Policy

POLICY = Policy.load()


def _recall(probs, violating, clusters=None, max_miss_rate=0.1, confidence_level=0.95):
    return review_threshold_for_recall(
        np.array(probs), np.array(violating), clusters=clusters, max_miss_rate=max_miss_rate, confidence_level=confidence_level, seed=0
    )


def test_recall_threshold_by_hand():
    # With one miss of 46, P(Binomial(46, 0.1) <= 1) = 0.048 still passes; with two misses 0.142 does not.
    assert _recall([0.2, 0.3] + [0.8] * 44, [1] * 46) == 0.3


def test_recall_threshold_looks_at_violating_texts_only():
    assert _recall([0.4] * 29 + [0.01] * 100, [1] * 29 + [0] * 100) == 0.4


def test_recall_needs_enough_violating_texts():
    assert _recall([0.9] * 28, [1] * 28) is None


def test_recall_counts_a_cluster_once():
    assert _recall([0.9] * 290, [1] * 290, clusters=np.arange(290) // 11) is None


def test_no_violating_text_certifies_no_recall():
    assert _recall([0.9, 0.1], [0, 0]) is None


def test_recall_refuses_nan():
    with pytest.raises(CalibrationError, match="between 0 and 1"):
        _recall([np.nan], [1])


def test_recall_promise_holds_over_redraws():
    # Violating texts score evenly between 0 and 1: the true miss rate of a threshold is the threshold.
    chosen = [
        review_threshold_for_recall(
            np.random.default_rng(seed).random(200), np.ones(200), clusters=None, max_miss_rate=0.1, confidence_level=0.9, seed=seed
        )
        for seed in range(1000)
    ]
    broken = np.mean([threshold is not None and threshold > 0.1 for threshold in chosen])
    assert 0.01 < broken <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 1000)


def _arrays(severity_prob, severity):
    probs = np.zeros((len(severity), len(POLICY.questions)))
    probs[:, POLICY.n_categories :] = np.asarray(severity_prob, dtype=float)[:, None]
    targets = np.zeros_like(probs, dtype=np.int8)
    targets[:, POLICY.n_categories :] = np.asarray(severity)[:, None] >= np.arange(1, 4)
    return probs, targets


def _ladder():
    """Every level at the same threshold 0.805: all four texts at 0.9 are of severity 3, the one at 0.8 is benign."""
    probs, targets = _arrays([0.9] * 4 + [0.8] * 4, [3] * 4 + [0] * 4)
    return empirical_ladder(probs, targets, POLICY)


@pytest.mark.parametrize(("capacity", "n_reviewed"), [(0, 0), (2500, 1), (5000, 1), (7500, 3), (10_000, 3)])
def test_capacity_is_used_as_far_as_ties_allow(capacity, n_reviewed):
    # Four texts: one acted on, three below it, two of which share a prob.
    probs, _ = _arrays([0.9, 0.6, 0.4, 0.4], [0] * 4)
    threshold = review_threshold_for_capacity(probs, _ladder(), POLICY, capacity=capacity)
    assert decide_levels(probs, _ladder().with_review_threshold(threshold), POLICY).review.sum() == n_reviewed


def test_capacity_is_none_when_switched_off_levels_take_more():
    few, answers = _arrays([0.9], [3])
    off = empirical_ladder(few, answers * 0, POLICY)
    forced = type(off)(**{**off.__dict__, "levels": tuple(type(v)(**{**v.__dict__, "would_be_threshold": 0.5}) for v in off.levels)})
    assert review_threshold_for_capacity(few, forced, POLICY, capacity=0) is None


def test_capacity_of_no_text_is_refused():
    with pytest.raises(CalibrationError, match="at least one text"):
        review_threshold_for_capacity(np.zeros((0, 7)), _ladder(), POLICY, capacity=10)


def test_plan_table_by_hand():
    # Violating: two acted on rightly, one missed, one reviewed. Benign: one acted on wrongly, three left alone. Prevalence 0.2.
    probs, targets = _arrays([0.9, 0.9, 0.1, 0.5, 0.9, 0.1, 0.1, 0.1], [3, 3, 1, 2, 0, 0, 0, 0])
    rows = plan_table(probs, targets, _ladder().with_review_threshold(0.5), POLICY, prevalence=0.2)
    assert [row.n_acted for row in rows] == pytest.approx([500 + 500 + 6000, 0, 0, 500 + 500 + 2000])
    assert [row.n_wrong for row in rows] == pytest.approx([0, 0, 0, 2000])
    assert [row.n_reviewed for row in rows] == pytest.approx([500, 0, 0, 0])
    assert [row.n_missed for row in rows] == pytest.approx([0, 500, 0, 0])
    assert rows[3].precision_or_above == pytest.approx(1 / 3)


def test_plan_table_without_prevalence_keeps_the_mixture():
    probs, targets = _arrays([0.9, 0.1], [3, 0])
    assert [row.n_acted for row in plan_table(probs, targets, _ladder(), POLICY, prevalence=None)] == pytest.approx([5000, 0, 0, 5000])


def test_plan_table_refuses_a_prevalence_without_benign_texts():
    probs, targets = _arrays([0.9, 0.9], [3, 3])
    with pytest.raises(CalibrationError, match="2 of 2 are violating"):
        plan_table(probs, targets, _ladder(), POLICY, prevalence=0.1)
