"""Comparing two sides: what moves, McNemar against SciPy and by hand, and a gate that opens and shuts where it should."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk
from statsmodels.stats.contingency_tables import mcnemar as oracle

from classifier.decisions import CategoryThresholds
from classifier.decisions.ladder import Ladder, LevelThreshold
from classifier.errors import CalibrationError
from classifier.evaluation.compare import Side, compare_sides
from classifier.evaluation.comparison import GATED
from classifier.evaluation.mcnemar import mcnemar
from classifier.examples import Example, targets_of
from classifier.policy import Policy

POLICY = Policy.load()
N_QUESTIONS = len(POLICY.questions)
N = 60


def ladder(*thresholds):
    levels = tuple(
        LevelThreshold(level.id, level.severity, threshold, None, 0.9, 0.95, False, 0, 0, None, None, None, None)
        for level, threshold in zip(POLICY.acting_levels, thresholds, strict=True)
    )
    return Ladder(levels, 0.3, POLICY.fingerprint, "by hand", None, 0, None)


THRESHOLDS = CategoryThresholds(POLICY.category_ids, (0.5,) * 4, (None,) * 4, (0,) * 4, POLICY.fingerprint)
LADDER = ladder(0.5, 0.6, 0.7)
TEXTS = [
    Example(f"t{i}", f"text {i}", "post", () if i % 2 else (POLICY.category_ids[i // 2 % 4],), 0 if i % 2 else 1 + i % 3) for i in range(N)
]
RIGHT = np.where(targets_of(TEXTS, POLICY) == 1, 0.9, 0.05)


def side(name, probs=RIGHT, **changes):
    return replace(Side(name, probs, POLICY, LADDER, THRESHOLDS), **changes)


def compared(first, second, **options):
    return compare_sides(first, second, TEXTS, **{"labelled": True, "clusters": None, "seed": 0, "n_resamples": 200, **options})


def wrong_at(rows, value=0.05):
    probs = RIGHT.copy()
    probs[list(rows)] = value
    return probs


def test_a_side_against_itself_changes_nothing():
    found = compared(side("a"), side("b"))
    assert (found.n_up, found.n_down, found.n_categories_changed, found.n_review_added, found.n_review_dropped) == (0, 0, 0, 0, 0)
    assert found.changed.value == 0
    assert all(metric.difference.value == 0 for metric in found.labelled.metrics)
    assert found.labelled.acted.p_value == 1


def test_what_falls_and_what_rises_is_counted_and_shown():
    found = compared(side("a", wrong_at([0, 2])), side("b", wrong_at([1], 0.95)))
    assert (found.n_up, found.n_down) == (3, 0)
    assert {change.id for change in found.ups} == {"t0", "t1", "t2"}
    assert found.ups[0].id == "t1"  # benign to ban: the longest way
    assert found.changed.value == pytest.approx(3 / N)


def test_the_matrix_of_severities_is_that_of_scikit_learn():
    found = compared(side("a"), side("b", wrong_at(range(20), 0.55)))
    truth = [text.severity for text in TEXTS]
    moved = [1 if i < 20 else severity for i, severity in enumerate(truth)]
    assert np.array_equal(found.severities, sk.confusion_matrix(truth, moved, labels=range(4)))


def test_other_thresholds_on_the_same_probs_move_decisions():
    found = compared(side("a"), side("b", ladder=ladder(0.95, 0.95, 0.95)))
    assert found.n_down == N // 2
    assert found.n_review_added == N // 2  # acted on before, above the review threshold now


def test_metrics_are_those_of_scikit_learn():
    noisy = np.clip(RIGHT + np.random.default_rng(3).normal(0, 0.35, RIGHT.shape), 0, 1)
    found = compared(side("a"), side("b", noisy)).labelled
    monotone = np.minimum.accumulate(noisy[:, 4:], axis=1)
    gold = targets_of(TEXTS, POLICY)
    decided = np.select([monotone[:, 2] >= 0.7, monotone[:, 1] >= 0.6, monotone[:, 0] >= 0.5], [3, 2, 1], 0)
    expected = (
        sk.f1_score(gold[:, :4], noisy[:, :4] >= 0.5, average="macro"),
        sk.f1_score(gold[:, 4], noisy[:, 4] >= 0.5),
        sk.precision_score(gold[:, 4], decided >= 1),
        sk.recall_score(gold[:, 4], decided >= 1),
        sk.cohen_kappa_score(gold[:, 4:].sum(axis=1), decided, weights="quadratic"),
    )
    assert [metric.second for metric in found.metrics] == pytest.approx(expected)
    assert [metric.name for metric in found.metrics] == list(GATED)


def test_unlabelled_texts_have_changes_and_no_metrics():
    found = compared(side("a"), side("b", wrong_at([0])), labelled=False)
    assert found.labelled is None
    assert found.n_down == 1
    assert found.downs[0].true_severity is None


@pytest.mark.parametrize("metric", GATED)
def test_the_gate_is_open_for_an_equal(metric):
    assert compared(side("a"), side("b")).gate(metric).passed


@pytest.mark.parametrize(("margin", "passed"), [(0.0, False), (0.09, False), (0.1, True), (0.2, True)])
def test_the_gate_forgives_the_margin_and_no_more(margin, passed):
    found = compared(side("a"), side("b", wrong_at([0, 2, 4])))  # three of thirty violating texts are lost
    assert found.gate("acted_recall", margin=margin).passed is passed


def test_a_sure_gate_forgives_what_may_be_chance():
    found = compared(side("a", wrong_at([0])), side("b", wrong_at([2, 4])))
    assert not found.gate("acted_recall").passed
    assert found.gate("acted_recall", sure=True).passed


def test_a_sure_gate_shuts_on_a_sure_loss():
    found = compared(side("a"), side("b", wrong_at(range(0, N, 4))))
    assert not found.gate("acted_recall", sure=True).passed


def test_a_better_second_passes():
    assert compared(side("a", wrong_at([0])), side("b")).gate("violation_f1").passed


def test_no_labels_no_gate():
    with pytest.raises(CalibrationError, match="carry no labels"):
        compared(side("a"), side("b"), labelled=False).gate("macro_f1")


def test_a_metric_that_nothing_defines_is_no_pass():
    off = ladder(None, None, None)
    with pytest.raises(CalibrationError, match="define acted_precision"):
        compared(side("a", ladder=off), side("b", ladder=off)).gate("acted_precision")


def test_an_unknown_metric_is_refused():
    with pytest.raises(ValueError, match="accuracy"):
        compared(side("a"), side("b")).gate("accuracy")


def test_other_questions_are_refused():
    other = replace(POLICY, categories=POLICY.categories[:3])
    with pytest.raises(CalibrationError, match="same questions"):
        compared(side("a"), side("b", policy=other))


def test_no_text_is_refused():
    with pytest.raises(CalibrationError, match="at least one text"):
        compare_sides(side("a"), side("b"), [], labelled=True, clusters=None, seed=0)


def test_a_missing_row_is_refused():
    with pytest.raises(ValueError, match="one row of probs"):
        compared(side("a"), side("b", RIGHT[:-1]))


def test_the_report_reads_as_json_and_as_text():
    found = compared(side("a"), side("b", wrong_at([0, 2])))
    content = json.loads(json.dumps(found.to_dict()))
    assert content["downs"][0]["true_severity"] == TEXTS[int(content["downs"][0]["id"][1:])].severity
    assert "2 fall" in found.to_markdown()
    assert "## Fall" in found.to_markdown()
    assert "## Rise" not in found.to_markdown()


@pytest.mark.parametrize(("n_first", "n_second"), [(0, 0), (1, 0), (5, 1), (9, 9), (30, 12)])
def test_mcnemar_agrees_with_statsmodels_and_scipy(n_first, n_second):
    first = np.repeat([1, 0, 1, 0], [n_first, n_second, 7, 4])
    second = np.repeat([0, 1, 1, 0], [n_first, n_second, 7, 4])
    found = mcnemar(first, second)
    assert (found.n_only_first, found.n_only_second) == (n_first, n_second)
    assert found.p_value == pytest.approx(oracle([[7, n_first], [n_second, 4]], exact=True).pvalue)
    if n_first + n_second:
        assert found.p_value == pytest.approx(stats.binomtest(n_first, n_first + n_second).pvalue)


def test_mcnemar_rejects_no_more_often_than_it_says():
    rng = np.random.default_rng(1)
    p_values = [mcnemar(rng.random(80) < 0.7, rng.random(80) < 0.7).p_value for _ in range(1_000)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000)
