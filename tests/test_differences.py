"""P-values of differences are even when there is no difference, and Holm's correction is that of its paper."""

import numpy as np
import pytest
from scipy import stats

from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import plan_resamples
from classifier.evaluation.differences import holm, p_values


def difference_of_shares(hits, half):
    return lambda w: metrics.precision(half, hits, w) - metrics.precision(~half, hits, w)


def p_value(hits, half, seed=0):
    return p_values(difference_of_shares(hits, half), plan_resamples(None, len(hits), seed=seed, n_resamples=300))[0]


def test_without_a_difference_small_p_values_are_as_rare_as_they_say():
    half = np.arange(200) < 100
    found = [p_value(np.random.default_rng(seed).random(200) < 0.3, half) for seed in range(400)]
    assert np.mean(np.array(found) <= 0.05) == pytest.approx(0.05, abs=0.03)
    assert stats.kstest(found, "uniform").pvalue > 0.001


def test_a_plain_difference_has_a_small_p_value_and_its_opposite_a_large_one():
    half = np.arange(200) < 100
    hits = np.where(half, np.arange(200) % 2 == 0, np.arange(200) % 5 == 0)
    assert p_value(hits, half) < 0.001
    assert p_value(hits, ~half) > 0.999


def test_a_difference_that_no_resample_changes_is_sure():
    half = np.arange(40) < 20
    assert p_value(half, half) == 0


def test_no_difference_that_no_resample_changes_is_none():
    half = np.arange(40) < 20
    assert p_value(np.zeros(40, dtype=bool), half) == 0.5


def test_an_undefined_difference_is_nan():
    assert np.isnan(p_value(np.ones(5, dtype=bool), np.ones(5, dtype=bool)))


@pytest.mark.parametrize("seed", range(5))
def test_holm_is_the_step_down_of_adjusted_p_values(seed):
    values = np.random.default_rng(seed).random(12) ** 4
    order = np.argsort(values)
    adjusted = np.empty(12)
    adjusted[order] = np.minimum(1, np.maximum.accumulate((12 - np.arange(12)) * values[order]))
    np.testing.assert_array_equal(holm(values, 0.05), adjusted <= 0.05)


def test_holm_of_nothing_is_nothing():
    assert holm([]).shape == (0,)
