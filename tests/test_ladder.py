import json
from dataclasses import replace

import numpy as np
import pytest

from classifier.decisions import Ladder, LevelThreshold, decide_levels
from classifier.errors import CalibrationError
from classifier.policy import Policy

POLICY = Policy.load()


def _ladder(thresholds, *, would_be=(None, None, None), review_threshold=None):
    levels = tuple(
        LevelThreshold(
            level_id=level.id,
            severity=level.severity,
            threshold=threshold,
            would_be_threshold=otherwise,
            target_precision=level.target_precision,
            confidence_level=level.confidence_level,
            certified=threshold is not None,
            n_acted=100,
            n_errors=1,
            precision=0.99,
            precision_lower_bound=0.95,
            certifiable_precision=0.95,
            n_more_needed=0,
            delta=0.0167,
        )
        for level, threshold, otherwise in zip(POLICY.acting_levels, thresholds, would_be, strict=True)
    )
    return Ladder(
        levels=levels,
        review_threshold=review_threshold,
        policy_fingerprint=POLICY.fingerprint,
        method="fixed_sequence",
        joint_confidence_level=0.95,
        n_clusters=100,
        seed=0,
        prevalence=(0.01, 0.05),
        notes=("by hand",),
    )


def _probs(*severity_rows):
    return np.array([[0.0] * POLICY.n_categories + list(row) for row in severity_rows])


def _decided(ladder, *rows):
    decided = decide_levels(_probs(*rows), ladder, POLICY)
    return decided.severity.tolist(), decided.review.tolist()


def test_thresholds_are_inclusive():
    ladder = _ladder((0.5, 0.7, 0.9))
    rows = [(0.5, 0, 0), (0.4999, 0, 0), (0.9, 0.7, 0), (0.9, 0.9, 0.9)]
    assert _decided(ladder, *rows) == ([1, 0, 2, 3], [False] * 4)


def test_float32_probs_are_not_rounded_up_to_a_threshold():
    # The float32 next to 0.7 lies below it, the one next to 0.9 too.
    decided = decide_levels(_probs((0.7, 0, 0)).astype(np.float32), _ladder((0.7, 0.8, 0.9)), POLICY)
    assert decided.severity.tolist() == [int(np.float64(np.float32(0.7)) >= 0.7)] == [0]


def test_a_text_that_reaches_a_switched_off_level_is_reviewed_at_the_next_lower_one():
    ladder = _ladder((0.5, 0.7, None), would_be=(0.4, 0.6, 0.8))
    assert _decided(ladder, (0.9, 0.9, 0.8), (0.9, 0.9, 0.79), (0.8, 0.6, 0.1)) == ([2, 2, 1], [True, False, False])


def test_a_switched_off_level_below_one_in_force_asks_for_no_review_of_the_higher():
    ladder = _ladder((0.5, None, 0.9), would_be=(0.4, 0.6, 0.8))
    assert _decided(ladder, (0.95, 0.95, 0.95), (0.95, 0.65, 0.1)) == ([3, 1], [False, True])


def test_all_levels_off_leave_review_only():
    ladder = _ladder((None, None, None), would_be=(0.6, None, None), review_threshold=0.3)
    assert _decided(ladder, (0.7, 0.7, 0.7), (0.3, 0, 0), (0.29, 0, 0)) == ([0, 0, 0], [True, True, False])


def test_review_threshold_is_for_texts_on_which_nothing_is_done():
    assert _decided(_ladder((0.5, 0.7, 0.9), review_threshold=0.2), (0.6, 0, 0), (0.2, 0, 0), (0.1, 0, 0)) == ([1, 0, 0], [False, True, False])


def test_probs_that_are_not_monotone_are_made_so():
    assert _decided(_ladder((0.5, 0.7, 0.9)), (0.1, 0.99, 0.99)) == ([0], [False])


def test_acted_on_sets_nest():
    generator = np.random.default_rng(0)
    rows = np.sort(generator.random((2000, 3)), axis=1)[:, ::-1]
    severity = decide_levels(_probs(*rows), _ladder((0.5, 0.6, 0.7)), POLICY).severity
    for level, threshold in ((1, 0.5), (2, 0.6), (3, 0.7)):
        np.testing.assert_array_equal(severity >= level, rows[:, level - 1] >= threshold)


def test_no_text_gives_no_decision():
    assert decide_levels(np.zeros((0, 7)), _ladder((0.5, 0.7, 0.9)), POLICY).severity.tolist() == []


def test_thresholds_that_fall_are_refused():
    with pytest.raises(CalibrationError, match="never fall"):
        _ladder((0.7, 0.5, 0.9))


def test_ladder_of_another_policy_is_refused():
    with pytest.raises(CalibrationError, match="ladder made for"):
        decide_levels(_probs((0, 0, 0)), replace(_ladder((0.5, 0.7, 0.9)), policy_fingerprint="f" * 16), POLICY)


def test_nan_is_refused():
    with pytest.raises(CalibrationError, match="finite"):
        decide_levels(_probs((np.nan, 0, 0)), _ladder((0.5, 0.7, 0.9)), POLICY)


def test_ladder_survives_json():
    ladder = _ladder((0.5, 0.7, None), would_be=(0.4, 0.6, 0.8), review_threshold=0.2)
    assert Ladder.from_dict(json.loads(json.dumps(ladder.to_dict()))) == ladder


@pytest.mark.parametrize("damage", [{"levels": None}, {"unknown": 1}, {"prevalence": []}])
def test_malformed_ladder_is_refused(damage):
    with pytest.raises(CalibrationError, match="malformed"):
        Ladder.from_dict(_ladder((0.5, 0.7, 0.9)).to_dict() | damage)


def test_fingerprint_follows_the_content():
    ladder = _ladder((0.5, 0.7, 0.9))
    assert ladder.fingerprint == _ladder((0.5, 0.7, 0.9)).fingerprint
    assert ladder.fingerprint != ladder.with_review_threshold(0.1).fingerprint
