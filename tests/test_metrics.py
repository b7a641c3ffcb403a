"""The metrics agree with scikit-learn on random inputs and ties, and weights mean repeated texts."""

import numpy as np
import pytest
from sklearn import metrics as sk

from classifier.evaluation import metrics

SEEDS = range(8)


def binary(seed, n=60, k=None):
    rng = np.random.default_rng(seed)
    shape = n if k is None else (n, k)
    return rng.integers(0, 2, shape), rng.integers(0, 2, shape), rng


def tied_probs(rng, n=60):
    """Few distinct values, so that most texts are tied; 0 and 1 among them."""
    return rng.integers(0, 6, n) / 5


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("ours", "theirs"), [(metrics.precision, sk.precision_score), (metrics.recall, sk.recall_score), (metrics.f1, sk.f1_score)]
)
def test_precision_recall_f1_are_those_of_scikit_learn(ours, theirs, seed):
    predicted, gold, _ = binary(seed)
    assert ours(predicted, gold).item() == pytest.approx(theirs(gold, predicted))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("ours", "average"), [(metrics.macro_f1, "macro"), (metrics.micro_f1, "micro")])
def test_macro_and_micro_f1_are_those_of_scikit_learn(ours, average, seed):
    predicted, gold, _ = binary(seed, k=4)
    assert ours(predicted, gold).item() == pytest.approx(sk.f1_score(gold, predicted, average=average))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("tied", [True, False])
def test_average_precision_is_that_of_scikit_learn(seed, tied):
    _, gold, rng = binary(seed)
    probs = tied_probs(rng) if tied else rng.random(60)
    assert metrics.average_precision(probs, gold).item() == pytest.approx(sk.average_precision_score(gold, probs))


@pytest.mark.parametrize("seed", SEEDS)
def test_average_precision_with_weights_is_that_of_scikit_learn(seed):
    _, gold, rng = binary(seed)
    probs, weights = tied_probs(rng), rng.integers(0, 4, 60)
    assert metrics.average_precision(probs, gold, weights).item() == pytest.approx(sk.average_precision_score(gold, probs, sample_weight=weights))


@pytest.mark.parametrize("seed", SEEDS)
def test_brier_is_that_of_scikit_learn(seed):
    _, gold, rng = binary(seed)
    probs = tied_probs(rng)
    assert metrics.brier(probs, gold).item() == pytest.approx(sk.brier_score_loss(gold, probs))


@pytest.mark.parametrize("seed", SEEDS)
def test_log_loss_is_that_of_scikit_learn_even_at_0_and_1(seed):
    _, gold, rng = binary(seed)
    probs = tied_probs(rng)
    assert metrics.log_loss(probs, gold).item() == pytest.approx(sk.log_loss(gold, probs))


@pytest.mark.parametrize("seed", SEEDS)
def test_quadratic_kappa_is_that_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    predicted, gold = rng.integers(0, 4, (2, 60))
    assert metrics.quadratic_kappa(predicted, gold).item() == pytest.approx(sk.cohen_kappa_score(gold, predicted, weights="quadratic"))


@pytest.mark.parametrize("seed", SEEDS)
def test_confusion_matrix_and_mean_absolute_error_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    predicted, gold = rng.integers(0, 4, (2, 60))
    np.testing.assert_array_equal(metrics.confusion_matrix(predicted, gold, 4), sk.confusion_matrix(gold, predicted, labels=range(4)))
    assert metrics.mean_absolute_error(predicted, gold).item() == pytest.approx(sk.mean_absolute_error(gold, predicted))


@pytest.mark.parametrize("seed", SEEDS)
def test_calibration_error_of_untied_probs_is_that_of_even_chunks(seed):
    _, gold, rng = binary(seed)
    probs = rng.random(60)
    chunks = np.array_split(np.argsort(probs), 6)
    by_hand = sum(abs((probs[chunk] - gold[chunk]).sum()) for chunk in chunks) / 60
    assert metrics.calibration_error(probs, gold, n_bins=6).item() == pytest.approx(by_hand)


def test_calibration_error_keeps_equal_probs_in_one_bin():
    # Torn apart, the two halves would each be off by a half; together they are right.
    assert metrics.calibration_error([0.5] * 4, [0, 0, 1, 1], n_bins=2).item() == 0


def test_calibration_error_of_calibrated_probs_is_about_its_stated_bias():
    rng = np.random.default_rng(0)
    values = [metrics.calibration_error(np.full(600, 0.3) + rng.normal(0, 1e-9, 600), rng.random(600) < 0.3, n_bins=15) for _ in range(200)]
    assert np.mean(values) == pytest.approx(np.sqrt(2 * 0.3 * 0.7 * 15 / (np.pi * 600)), rel=0.1)


ONE_COLUMN = {
    "precision": metrics.precision,
    "recall": metrics.recall,
    "f1": metrics.f1,
    "average_precision": lambda p, g, w=None: metrics.average_precision(p / 3, g, w),
    "brier": lambda p, g, w=None: metrics.brier(p / 3, g, w),
    "log_loss": lambda p, g, w=None: metrics.log_loss(p / 3, g, w),
    "kappa": metrics.quadratic_kappa,
    "mae": metrics.mean_absolute_error,
}


@pytest.mark.parametrize("name", ONE_COLUMN)
def test_weights_are_repeated_texts_for_every_resample(name):
    predicted, gold, rng = binary(3)
    weights = rng.integers(0, 4, (5, 60))
    expected = [ONE_COLUMN[name](np.repeat(predicted, row), np.repeat(gold, row)).item() for row in weights]
    np.testing.assert_allclose(ONE_COLUMN[name](predicted, gold, weights), expected, rtol=1e-9)


@pytest.mark.parametrize("metric", [metrics.macro_f1, metrics.micro_f1])
def test_weights_of_many_columns_are_repeated_texts(metric):
    predicted, gold, rng = binary(3, k=4)
    weights = rng.integers(0, 4, (5, 60))
    expected = [metric(np.repeat(predicted, row, axis=0), np.repeat(gold, row, axis=0)).item() for row in weights]
    np.testing.assert_allclose(metric(predicted, gold, weights), expected)


@pytest.mark.parametrize("metric", [metrics.brier, metrics.log_loss])
def test_columns_and_resamples_give_a_value_each(metric):
    _, gold, rng = binary(3, k=4)
    probs, weights = rng.random((60, 4)), rng.integers(0, 4, (5, 60))
    expected = [[metric(probs[:, j], gold[:, j], row).item() for j in range(4)] for row in weights]
    np.testing.assert_allclose(metric(probs, gold, weights), expected)


@pytest.mark.parametrize("name", ONE_COLUMN)
def test_no_text_is_nan(name):
    assert np.isnan(ONE_COLUMN[name](np.zeros(0), np.zeros(0, dtype=int)))


def test_calibration_error_of_no_text_is_nan():
    assert np.isnan(metrics.calibration_error([], []))


@pytest.mark.parametrize(
    ("metric", "predicted", "gold"),
    [
        (metrics.precision, [0, 0], [1, 0]),
        (metrics.recall, [1, 0], [0, 0]),
        (metrics.f1, [0, 0], [0, 0]),
        (metrics.average_precision, [0.3, 0.2], [0, 0]),
        (metrics.quadratic_kappa, [2, 2], [2, 2]),
    ],
)
def test_what_the_texts_cannot_define_is_nan(metric, predicted, gold):
    assert np.isnan(metric(predicted, gold))


def test_f1_of_gold_that_nothing_predicts_is_0():
    assert metrics.f1([0, 0], [1, 0]).item() == 0


def test_macro_f1_leaves_out_a_column_without_predictions_and_gold():
    assert metrics.macro_f1([[1, 0], [0, 0]], [[1, 0], [0, 0]]).item() == 1


def test_macro_f1_without_any_column_to_speak_of_is_nan():
    assert np.isnan(metrics.macro_f1([[0, 0]], [[0, 0]]))


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: metrics.f1([1, 0], [1]), "same shape"),
        (lambda: metrics.f1([2, 0], [1, 0]), "0 and 1"),
        (lambda: metrics.brier([1.5], [1]), "between 0 and 1"),
        (lambda: metrics.average_precision([[0.5]], [[1]]), "one question"),
        (lambda: metrics.f1([1], [1], [1, 1]), "weights"),
        (lambda: metrics.average_precision([0.5], [1], [1, 1]), "weights"),
        (lambda: metrics.confusion_matrix([4], [0], 4), "from 0 to 3"),
        (lambda: metrics.calibration_error([0.5], [1], n_bins=0), "at least one bin"),
    ],
)
def test_wrong_arguments_are_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()
