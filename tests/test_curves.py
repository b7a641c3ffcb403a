"""Curves against scikit-learn, the parts of the Brier score against its whole, and the bias of the calibration error against simulation."""

import dataclasses

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from sklearn.metrics import precision_recall_curve as sk_precision_recall_curve

from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import plan_resamples
from classifier.evaluation.curves import (
    MAX_POINTS,
    brier_parts,
    calibration_result,
    curves_of,
    error_if_perfect,
    precision_recall_curve,
    reliability_bins,
)


def sample(n, seed, *, digits=None):
    generator = np.random.default_rng(seed)
    probs = generator.beta(0.6, 1.4, n)
    probs = probs if digits is None else probs.round(digits)
    return probs, (generator.random(n) < probs).astype(int)


def curve(probs, gold, n_resamples=20):
    return precision_recall_curve(probs, gold, plan_resamples(None, len(probs), seed=0, n_resamples=n_resamples))


@pytest.mark.parametrize("digits", [None, 2])
def test_every_point_is_one_of_scikit_learns(digits):
    probs, gold = sample(600, 1, digits=digits)
    precisions, recalls, thresholds = sk_precision_recall_curve(gold, probs)
    expected = {threshold: (r, p) for threshold, r, p in zip(thresholds, recalls, precisions, strict=False)}
    points = curve(probs, gold)
    assert len(points) > 50
    for point in points:
        assert (point.recall, point.precision.value) == pytest.approx(expected[point.threshold])


def test_a_long_curve_is_thinned_and_keeps_both_ends():
    probs, gold = sample(5_000, 2)
    points = curve(probs, gold, n_resamples=2)
    assert 90 <= len(points) <= MAX_POINTS
    assert points[0].threshold == probs[gold == 1].max()
    assert points[-1].recall == 1
    assert max(np.diff([point.recall for point in points])) < 0.02


def test_the_band_holds_the_true_precision_about_as_often_as_it_says():
    # Of perfectly calibrated probs that are even on 0..1 the precision at threshold t is (1 + t) / 2.
    n_held = n_points = 0
    for seed in range(30):
        generator = np.random.default_rng(seed)
        probs = generator.random(200)
        for point in curve(probs, generator.random(200) < probs, n_resamples=200)[20:90:10]:
            n_points += 1
            n_held += point.precision.low <= (1 + point.threshold) / 2 <= point.precision.high
    assert 0.92 <= n_held / n_points <= 1


def test_without_a_gold_text_there_is_no_curve():
    assert curve([0.2, 0.4], [0, 0]) == ()


def test_the_bins_are_scikit_learns_where_no_probs_tie():
    probs, gold = sample(300, 3)
    shares, means = calibration_curve(gold, probs, n_bins=15, strategy="quantile")
    found = reliability_bins(probs, gold, n_bins=15)
    assert [b.share.value for b in found] == pytest.approx(shares.tolist())
    assert [b.mean_prob for b in found] == pytest.approx(means.tolist())


def test_the_band_of_a_bin_is_exact():
    only = reliability_bins(np.full(30, 0.1), np.zeros(30), n_bins=15)
    assert [(b.share.n, b.share.low) for b in only] == [(30, 0)]
    assert only[0].share.high == pytest.approx(1 - 0.025 ** (1 / 30))


@pytest.mark.parametrize("digits", [None, 1, 2])
@pytest.mark.parametrize("n", [1, 7, 1_000])
def test_the_parts_add_up_to_the_brier_score(n, digits):
    probs, gold = sample(n, 4, digits=digits)
    parts = brier_parts(probs, gold)
    added = parts.reliability - parts.resolution + parts.uncertainty + parts.within_bin_variance - parts.within_bin_covariance
    assert added == pytest.approx(parts.brier, abs=1e-12)
    assert parts.brier == pytest.approx(brier_score_loss(gold, probs, labels=[0, 1]))


def test_a_prob_that_is_the_share_everywhere_has_neither_reliability_nor_resolution():
    parts = brier_parts(np.full(10, 0.3), [1, 1, 1] + [0] * 7)
    assert dataclasses.astuple(parts) == pytest.approx((0.21, 0, 0, 0.21, 0, 0))


def test_the_calibration_error_is_that_of_the_metrics():
    probs, gold = sample(500, 5, digits=2)
    assert calibration_result(probs, gold, seed=0).calibration_error == pytest.approx(float(metrics.calibration_error(probs, gold)))


def test_perfect_probs_are_beyond_chance_only_rarely():
    n_beyond = sum(calibration_result(*sample(300, seed), seed=seed).beyond_chance for seed in range(60))
    assert n_beyond <= 6  # at one in forty: P(more) = 0.0006


def test_probs_that_say_too_much_are_beyond_chance():
    probs, gold = sample(1_000, 6)
    assert calibration_result(np.clip(probs * 1.3, 0, 1), gold, seed=0).beyond_chance


def test_the_error_of_perfect_probs_is_the_mean_of_errors_drawn_one_by_one():
    probs, _ = sample(200, 7)
    generator = np.random.default_rng(8)
    drawn = [float(metrics.calibration_error(probs, generator.random(200) < probs)) for _ in range(600)]
    found = error_if_perfect(probs, seed=1)
    assert found.value == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / np.sqrt(300))
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), rel=0.1)


def test_the_same_seed_gives_the_same_curves():
    probs, gold = sample(100, 9)
    resamples = plan_resamples(None, 100, seed=3, n_resamples=20)
    assert curves_of("q", probs, gold, resamples) == curves_of("q", probs, gold, resamples)


@pytest.mark.parametrize(("probs", "gold"), [([0.1], [0, 1]), ([[0.1]], [[0]]), ([1.1], [0]), ([0.5], [2])])
def test_other_shapes_and_values_are_refused(probs, gold):
    with pytest.raises(ValueError, match="Expected probs"):
        brier_parts(probs, gold)
