import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.metrics import log_loss as sklearn_log_loss

from classifier.decisions.calibration import METHODS, Platt
from classifier.decisions.fit_calibration import best_category_thresholds, choose_category_thresholds, fit_calibration, fit_calibrator, log_loss
from classifier.decisions.sampling import fold_of_cluster
from classifier.errors import CalibrationError
from classifier.policy import Policy

POLICY = Policy.load()


def _drawn(n, seed=0, slope=0.5, intercept=-0.7):
    generator = np.random.default_rng(seed)
    logits = generator.normal(0, 2, n)
    return logits, (generator.random(n) < 1 / (1 + np.exp(-(slope * logits + intercept)))).astype(np.int8)


def _regression(features, targets, intercept=True):
    """Logistic regression without a penalty on Platt's smoothed targets: every text once as a yes, once as a no, by weight."""
    n_yes = targets.sum()
    soft = np.where(targets == 1, (n_yes + 1) / (n_yes + 2), 1 / (targets.size - n_yes + 2))
    model = LogisticRegression(C=np.inf, tol=1e-12, max_iter=10_000, fit_intercept=intercept)
    doubled = np.concatenate([features, features])
    return model.fit(doubled, np.repeat([1, 0], targets.size), sample_weight=np.concatenate([soft, 1 - soft]))


def test_platt_equals_logistic_regression_on_smoothed_targets():
    logits, targets = _drawn(300)
    model = _regression(logits[:, None], targets)
    fitted = fit_calibrator("platt", logits, targets)
    np.testing.assert_allclose([fitted.slope, fitted.intercept], [model.coef_[0, 0], model.intercept_[0]], rtol=1e-4)


def test_platt_approaches_plain_logistic_regression_on_many_texts():
    logits, targets = _drawn(20_000)
    model = LogisticRegression(C=np.inf, tol=1e-10).fit(logits[:, None], targets)
    np.testing.assert_allclose(fit_calibrator("platt", logits, targets).apply(logits), model.predict_proba(logits[:, None])[:, 1], atol=1e-3)


def test_temperature_equals_logistic_regression_without_intercept():
    logits, targets = _drawn(400, intercept=0.0)
    model = _regression(logits[:, None], targets, intercept=False)
    assert fit_calibrator("temperature", logits, targets).temperature == pytest.approx(1 / model.coef_[0, 0], rel=1e-4)


def test_beta_equals_logistic_regression_on_its_two_features():
    logits, targets = _drawn(2000)
    probs = 1 / (1 + np.exp(-logits))
    model = _regression(np.column_stack([np.log(probs), -np.log(1 - probs)]), targets)
    fitted = fit_calibrator("beta", logits, targets)
    assert min(model.coef_[0]) > 0
    np.testing.assert_allclose([fitted.a, fitted.b, fitted.c], [*model.coef_[0], model.intercept_[0]], rtol=1e-3)


def test_beta_never_falls_on_answers_that_run_the_wrong_way():
    logits, targets = _drawn(500)
    fitted = fit_calibrator("beta", -logits, targets)
    assert min(fitted.a, fitted.b) >= 0


@pytest.mark.parametrize("ties", [False, True])
def test_isotonic_equals_isotonic_regression(ties):
    logits, targets = _drawn(500)
    logits = np.round(logits) if ties else logits
    new = np.linspace(-9, 9, 401)
    expected = IsotonicRegression(out_of_bounds="clip").fit(logits, targets).predict(new)
    np.testing.assert_allclose(fit_calibrator("isotonic", logits, targets).apply(new), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_venn_abers_equals_its_definition(seed):
    generator = np.random.default_rng(seed)
    logits, targets = _drawn(int(generator.integers(1, 40)), seed=seed)
    logits = np.round(logits) if seed % 2 else logits
    fitted = fit_calibrator("venn_abers", logits, targets)
    for new in np.concatenate([logits, generator.normal(0, 3, 20)]):
        lower, upper = (IsotonicRegression().fit(np.append(logits, new), np.append(targets, y)).predict([new])[0] for y in (0, 1))
        np.testing.assert_allclose([fitted.lower([new])[0], fitted.upper([new])[0]], [lower, upper], atol=1e-9)
        assert fitted.apply([new])[0] == pytest.approx(upper / (1 - lower + upper))


@pytest.mark.parametrize("answer", [0, 1])
def test_platt_on_one_answer_keeps_the_ranking_and_meets_the_smoothed_share(answer):
    logits = np.array([-1.0, 0.0, 1.0])
    fitted = fit_calibrator("platt", logits, np.full(3, answer))
    assert fitted.slope == 1.0
    assert fitted.apply(logits).mean() == pytest.approx(0.8 if answer else 0.2)


def test_venn_abers_on_one_answer_is_the_rule_it_is_defined_by():
    # p0 = 0 and p1 = 1/4 at the lowest score: (1, 0, 0, 0) pooled; so p = 0.25 / 1.25.
    assert fit_calibrator("venn_abers", [0.0, 1.0, 2.0], [0, 0, 0]).apply([0.0]).tolist() == pytest.approx([0.2])


@pytest.mark.parametrize("method", ["beta", "isotonic", "temperature"])
def test_one_answer_is_refused_where_nothing_can_be_fitted(method):
    with pytest.raises(CalibrationError, match="all 3 are 1"):
        fit_calibrator(method, [0.0, 1.0, 2.0], [1, 1, 1])


@pytest.mark.parametrize("method", METHODS)
def test_equal_logits_give_about_the_share_of_yes(method):
    targets = np.array([1, 0, 0, 0] * 200)
    if method == "temperature":
        assert fit_calibrator(method, np.zeros(800), targets).apply([0.0])[0] == 0.5
    else:
        assert fit_calibrator(method, np.zeros(800), targets).apply([0.0])[0] == pytest.approx(0.25, abs=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_separable_answers_have_a_finite_fit(method):
    logits = np.concatenate([np.full(20, -2.0), np.full(20, 2.0)])
    probs = fit_calibrator(method, logits, (logits > 0).astype(int)).apply(logits)
    assert np.isfinite(probs).all()
    assert probs[0] < 0.1 < 0.9 < probs[-1]


def test_no_text_is_refused():
    with pytest.raises(CalibrationError, match="at least one text"):
        fit_calibrator("platt", [], [])


@pytest.mark.parametrize(("logits", "targets"), [([0.0, np.nan], [0, 1]), ([0.0], [0, 1]), ([0.0, 1.0], [0, 2])])
def test_bad_values_are_refused(logits, targets):
    with pytest.raises(CalibrationError):
        fit_calibrator("platt", logits, targets)


def test_unknown_method_is_a_programmers_mistake():
    with pytest.raises(ValueError, match="platt"):
        fit_calibrator("spline", [0.0], [0])


def _all_questions(n, seed=0):
    generator = np.random.default_rng(seed)
    latent = generator.normal(0, 2, n)
    shifts = np.array([2.0, 2.0, 2.0, 2.0, 0.0, 1.0, 2.0])
    chance = 1 / (1 + np.exp(-(latent[:, None] - shifts)))
    return 2 * (latent[:, None] - shifts), (generator.random((n, 1)) < chance).astype(np.int8)


def test_the_method_with_the_lowest_recorded_loss_is_chosen():
    logits, targets = _all_questions(800)
    for question in fit_calibration(logits, targets, POLICY, clusters=None, seed=0).questions:
        best = min(question.log_losses, key=lambda loss: loss.log_loss)
        assert question.calibrator.method == best.method


def test_recorded_loss_equals_scikit_learn_over_the_same_folds():
    logits, targets = _all_questions(300)
    clusters = np.arange(300) // 3
    calibration = fit_calibration(logits, targets, POLICY, clusters=clusters, methods=("platt",), seed=4)
    column = POLICY.severity_column(1)
    folds = fold_of_cluster(clusters, targets[:, column], n_folds=5, seed=4)
    probs = np.empty(300)
    for fold in range(5):
        kept = folds != fold
        probs[~kept] = fit_calibrator("platt", logits[kept, column], targets[kept, column]).apply(logits[~kept, column])
    assert calibration.questions[column].log_losses[0].log_loss == pytest.approx(sklearn_log_loss(targets[:, column], probs))


def test_folds_never_tear_a_cluster():
    generator = np.random.default_rng(0)
    clusters = generator.integers(0, 30, 200)
    folds = fold_of_cluster(clusters, generator.integers(0, 2, 200).astype(np.int8), n_folds=5, seed=0)
    assert all(np.unique(folds[clusters == cluster]).size == 1 for cluster in np.unique(clusters))


def test_a_question_without_yes_takes_platt_and_says_so():
    logits, targets = _all_questions(100)
    targets[:, 0] = 0
    question = fit_calibration(logits, targets, POLICY, clusters=None, seed=0).questions[0]
    assert isinstance(question.calibrator, Platt)
    assert "yes in 0" in question.note


def test_one_text_can_be_fitted():
    probs = fit_calibration(np.zeros((1, 7)), np.zeros((1, 7)), POLICY, clusters=None, seed=0).apply(np.zeros((1, 7)))
    np.testing.assert_allclose(probs, np.full((1, 7), 1 / 3), rtol=1e-6)


def test_same_seed_same_calibration():
    logits, targets = _all_questions(200)
    first, second = (fit_calibration(logits, targets, POLICY, clusters=None, seed=3) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("shape", [(0, 7), (10, 6), (7,)])
def test_wrong_shape_is_refused(shape):
    with pytest.raises(CalibrationError, match=r"\(n_texts, 7\)"):
        fit_calibration(np.zeros(shape), np.zeros(shape), POLICY, clusters=None, seed=0)


def test_log_loss_equals_scikit_learn():
    probs, targets = np.array([0.2, 0.9, 0.6]), np.array([0, 1, 0], dtype=np.int8)
    assert log_loss(probs, targets) == pytest.approx(sklearn_log_loss(targets, probs))


def _for_categories(column_probs, column_targets):
    probs, targets = (np.zeros((len(column_probs), len(POLICY.questions))) for _ in range(2))
    probs[:, 0], targets[:, 0] = column_probs, column_targets
    return choose_category_thresholds(probs, targets, POLICY)


def test_category_threshold_by_hand():
    # Down to 0.8: F1 = 2*1/(1+2) = 0.667; to 0.6: 2/4 = 0.5; to 0.4: 2*2/(3+2) = 0.8; to 0.2: 2*2/(4+2) = 0.667.
    chosen = _for_categories([0.8, 0.6, 0.4, 0.2], [1, 0, 1, 0])
    assert chosen.thresholds[0] == pytest.approx(0.4)
    assert chosen.f1s[0] == pytest.approx(0.8)


def test_scores_that_are_no_probs_get_the_best_threshold_of_all():
    generator = np.random.default_rng(0)
    scores = np.round(generator.random(300), 2) ** 4
    targets = (generator.random(300) < scores ** 0.25).astype(int)
    padded, gold = (np.zeros((300, len(POLICY.questions))) for _ in range(2))
    padded[:, 0], gold[:, 0] = scores, targets
    chosen = best_category_thresholds(padded, gold, POLICY)
    best = max(f1_score(targets, scores >= t) for t in np.unique(scores))
    assert f1_score(targets, scores >= chosen.thresholds[0]) == pytest.approx(best)


def test_category_threshold_is_nearly_the_best_of_all_for_calibrated_probs():
    generator = np.random.default_rng(0)
    probs = np.round(generator.random(3000), 2)
    targets = (generator.random(3000) < probs).astype(int)
    best = max(f1_score(targets, probs >= t) for t in np.unique(probs))
    chosen = _for_categories(probs, targets)
    assert f1_score(targets, probs >= chosen.thresholds[0]) == pytest.approx(chosen.f1s[0])
    assert chosen.f1s[0] >= best - 0.005


def test_category_threshold_hardly_depends_on_the_sample():
    """Of calibrated probs; the threshold that is best on each sample of this size spreads several times as far."""
    generator = np.random.default_rng(1)
    half, best = [], []
    for _ in range(40):
        probs = generator.beta(0.3, 1.5, 600)
        targets = (generator.random(600) < probs).astype(int)
        half.append(_for_categories(probs, targets).thresholds[0])
        best.append(max(np.unique(probs), key=lambda t: f1_score(targets, probs >= t)))
    assert np.std(half) < np.std(best) / 3


def test_category_without_positive_keeps_the_default_and_says_that_it_had_none():
    chosen = _for_categories([0.9, 0.1], [0, 0])
    assert (chosen.thresholds[0], chosen.f1s[0], chosen.supports[0]) == (0.5, None, 0)
