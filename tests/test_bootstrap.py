"""Intervals hold the true value as often as they say, by simulation, and agree with SciPy where it has the same one."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from classifier.errors import CalibrationError
from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import Estimate, estimate, estimates, exact_shares, f1_estimates, plan_resamples, resampled, share_estimates


def all_weights(resamples):
    return np.concatenate(list(resamples.blocks()))


def test_a_cluster_is_drawn_whole():
    weights = all_weights(plan_resamples([5, 5, 9, 9, 9, 1], 6, seed=0, n_resamples=50))
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 2], weights[:, 4])


def test_every_resample_draws_as_many_clusters_as_there_are():
    weights = all_weights(plan_resamples([5, 5, 9, 9, 9, 1], 6, seed=0, n_resamples=50))
    np.testing.assert_array_equal(weights[:, 0] + weights[:, 2] + weights[:, 5], np.full(50, 3))


def test_the_draws_are_multinomial():
    weights = all_weights(plan_resamples(None, 5, seed=0, n_resamples=20_000))
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.03)
    np.testing.assert_allclose(np.cov(weights.T), np.eye(5) - 1 / 5, atol=0.04)


def test_many_texts_come_in_several_blocks_with_every_resample_once():
    blocks = list(plan_resamples(None, 50_000, seed=0, n_resamples=100).blocks())
    assert len(blocks) > 1
    assert sum(map(len, blocks)) == 100


def test_the_same_seed_gives_the_same_draws_and_another_one_others():
    first, again, other = (all_weights(plan_resamples(None, 9, seed=seed, n_resamples=20)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_interval_of_a_mean_is_that_of_scipy():
    values = np.random.default_rng(0).exponential(size=80)
    ours = estimate(lambda w: metrics.mean_absolute_error((values * 1e6).astype(int), np.zeros(80, int), w), plan_resamples(None, 80, seed=0), 80)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(1)).confidence_interval
    np.testing.assert_allclose([ours.low / 1e6, ours.high / 1e6], theirs, rtol=0.04)


def clustered_answers(rng, n_clusters=60):
    """Predictions and gold that are right or wrong by clusters: true share of hits 1/2."""
    sizes = rng.integers(1, 9, n_clusters)
    clusters = np.repeat(np.arange(n_clusters), sizes)
    right = rng.random(clusters.size) < np.repeat(rng.beta(0.6, 0.6, n_clusters), sizes)
    return clusters, right


def coverage(interval_of, truth, n_simulations=300):
    hits = 0
    for seed in range(n_simulations):
        found = interval_of(np.random.default_rng(seed), seed)
        hits += found.low <= truth <= found.high
    return hits / n_simulations


def test_the_cluster_interval_of_a_share_covers_the_truth_as_often_as_it_says():
    def interval(rng, seed):
        clusters, right = clustered_answers(rng)
        resamples = plan_resamples(clusters, right.size, seed=seed, n_resamples=300)
        return estimate(lambda w: metrics.precision(np.ones(right.size), right, w), resamples, right.size)

    assert 0.90 <= coverage(interval, 0.5) <= 0.985


def test_the_same_interval_blind_to_clusters_covers_too_rarely():
    def interval(rng, seed):
        _, right = clustered_answers(rng)
        resamples = plan_resamples(None, right.size, seed=seed, n_resamples=300)
        return estimate(lambda w: metrics.precision(np.ones(right.size), right, w), resamples, right.size)

    assert coverage(interval, 0.5) < 0.85


def test_the_cluster_interval_of_f1_covers_the_truth_as_often_as_it_says():
    # Gold in every text, predicted where right: F1 = 2 * 0.5 / (1 + 0.5).
    def interval(rng, seed):
        clusters, right = clustered_answers(rng)
        resamples = plan_resamples(clusters, right.size, seed=seed, n_resamples=300)
        return f1_estimates(right[:, None], np.ones((right.size, 1)), resamples)[0]

    assert 0.90 <= coverage(interval, 2 / 3) <= 0.99


def test_the_interval_of_few_nearly_sure_hits_covers_where_the_bootstrap_alone_does_not():
    def draw(rng):
        return rng.random((20, 1)) < 0.95

    def outer(rng, seed):
        return share_estimates(np.ones((20, 1)), draw(rng), plan_resamples(None, 20, seed=seed, n_resamples=200))[0]

    def drawn(rng, seed):
        hits = draw(rng)
        return estimate(lambda w: metrics.precision(np.ones((20, 1)), hits, w), plan_resamples(None, 20, seed=seed, n_resamples=200), 20)

    assert coverage(outer, 0.95) >= 0.95
    assert coverage(drawn, 0.95) < 0.8


@pytest.mark.parametrize(("n_hits", "n"), [(0, 30), (30, 30), (7, 19), (1, 1), (0, 1)])
def test_exact_shares_are_those_of_scipy(n_hits, n):
    theirs = stats.binomtest(n_hits, n).proportion_ci(0.95, method="exact")
    ours = exact_shares([n_hits], [n])[0]
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], atol=1e-9)


def test_a_share_of_nothing_is_nan_with_n_0():
    found = share_estimates(np.zeros((4, 1)), np.ones((4, 1)), plan_resamples(None, 4, seed=0, n_resamples=20))[0]
    assert found.n == 0
    assert all(map(math.isnan, (found.value, found.low, found.high)))


def test_f1_without_gold_is_nan():
    found = f1_estimates([[1], [0]], [[0], [0]], plan_resamples(None, 2, seed=0, n_resamples=20))[0]
    assert math.isnan(found.value)


def test_f1_without_an_error_still_has_the_exact_low_end():
    found = f1_estimates(np.ones((10, 1)), np.ones((10, 1)), plan_resamples(None, 10, seed=0, n_resamples=50))[0]
    low = stats.binomtest(10, 10).proportion_ci(0.95, method="exact").low
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(2 * low / (1 + low))


def test_f1_of_0_still_has_the_exact_high_end():
    found = f1_estimates(np.eye(10)[:, :1], 1 - np.eye(10)[:, :1], plan_resamples(None, 10, seed=0, n_resamples=50))[0]
    high = stats.binomtest(0, 10).proportion_ci(0.95, method="exact").high
    assert (found.value, found.low) == (0, 0)
    assert found.high == pytest.approx(2 * high / (1 + high))


def test_a_column_that_is_not_defined_does_not_disturb_its_neighbour():
    resamples = plan_resamples(None, 30, seed=0, n_resamples=50)
    gold = np.zeros((30, 2))
    gold[::2, 1] = 1
    first, second = estimates(lambda w: metrics.recall(gold, gold, w), resamples, [0, 15])
    assert math.isnan(first.value)
    assert (second.value, second.low, second.high, second.n) == (1, 1, 1, 15)


def test_resamples_in_which_a_value_is_not_defined_are_left_out():
    # One gold text among six: a third of the resamples miss it.
    gold = np.array([1, 0, 0, 0, 0, 0])
    resamples = plan_resamples(None, 6, seed=0, n_resamples=200)
    assert np.isnan(resampled(lambda w: metrics.recall(gold, gold, w), resamples)).any()
    assert estimate(lambda w: metrics.recall(gold, gold, w), resamples, 1) == Estimate(1, 1, 1, 1)


def test_an_estimate_is_strict_json():
    assert json.dumps(Estimate(math.nan, math.nan, math.nan, 0).to_dict(), allow_nan=False)


def test_no_resample_is_refused():
    with pytest.raises(ValueError, match="at least one resample"):
        plan_resamples(None, 3, seed=0, n_resamples=0)


def test_clusters_of_another_length_are_refused():
    with pytest.raises(CalibrationError, match="3 texts"):
        plan_resamples([1, 2], 3, seed=0)
