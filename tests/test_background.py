"""Rates of ordinary texts, by hand and with SciPy's exact intervals."""

import json

import numpy as np
import pytest
from scipy import stats

from classifier.decisions import Ladder, LevelThreshold
from classifier.errors import CalibrationError
from classifier.evaluation import background
from classifier.policy import Policy

POLICY = Policy.load()
LADDER = Ladder(
    levels=tuple(
        LevelThreshold(level.id, level.severity, threshold, None, level.target_precision, 0.95, True, 1, 0, 1.0, 0.9, 0.9, 0)
        for level, threshold in zip(POLICY.acting_levels, (0.8, 0.8, 0.9), strict=True)
    ),
    review_threshold=0.3,
    policy_fingerprint=POLICY.fingerprint,
    method="fixed_sequence",
    joint_confidence_level=0.85,
    n_clusters=1,
    seed=0,
)


def ordinary():
    """500 texts at 0.01 and five others: acted on at two levels, at one, flagged, reviewed."""
    probs = np.zeros((505, len(POLICY.questions)))
    probs[:, POLICY.n_categories] = 0.01
    probs[[3, 30, 300, 301, 302], POLICY.n_categories] = [0.95, 0.8, 0.5, 0.3, 0.29]
    probs[3, POLICY.n_categories + 1] = 0.9
    return probs


def test_fates_are_counted_at_each_level_or_above():
    found = background(ordinary(), POLICY, LADDER)
    assert [item.n_hit for item in found.acted] == [2, 1, 0]
    assert (found.reviewed.n_hit, found.flagged.n_hit) == (2, 3)


def test_rates_are_per_ten_thousand_with_the_exact_interval():
    rate = background(ordinary(), POLICY, LADDER).acted[0].rate
    theirs = stats.binomtest(2, 505).proportion_ci(0.95, method="exact")
    np.testing.assert_allclose([rate.value, rate.low, rate.high], [2e4 / 505, 1e4 * theirs.low, 1e4 * theirs.high], rtol=1e-9)


def test_rates_are_per_any_other_number():
    assert background(ordinary(), POLICY, LADDER, per=505).acted[0].rate.value == pytest.approx(2)


def test_the_worst_come_first():
    assert background(ordinary(), POLICY, LADDER, n_worst=4).worst == (3, 30, 300, 301)


def test_the_content_is_strict_json():
    content = json.loads(json.dumps(background(ordinary(), POLICY, LADDER).to_dict(), allow_nan=False))
    assert content["acted"][1]["n_hit"] == 1


def test_the_markdown_has_a_row_for_every_fate():
    assert len(background(ordinary(), POLICY, LADDER).to_markdown().splitlines()) == 2 + len(LADDER.levels) + 2


def test_no_text_is_refused():
    with pytest.raises(CalibrationError, match="at least one text"):
        background(np.zeros((0, len(POLICY.questions))), POLICY, LADDER)
