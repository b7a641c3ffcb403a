"""The evaluation against numbers worked by hand and scikit-learn, and what it does where the texts say nothing."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn import metrics as sk

from classifier.decisions import CategoryThresholds, Ladder, LevelThreshold
from classifier.errors import CalibrationError
from classifier.evaluation import evaluate
from classifier.examples import Example, targets_of
from classifier.policy import Policy

POLICY = Policy.load()
N_CATEGORIES = POLICY.n_categories
THRESHOLDS = CategoryThresholds(POLICY.category_ids, (0.3, 0.5, 0.6, 0.7), (None,) * 4, (1,) * 4, POLICY.fingerprint)


def ladder(*thresholds, review_threshold=None, would_be=None):
    levels = tuple(
        LevelThreshold(
            level.id, level.severity, threshold, would_be, level.target_precision, 0.95, threshold is not None, 1, 0, 1.0, 0.9, 0.9, 0
        )
        for level, threshold in zip(POLICY.acting_levels, thresholds, strict=True)
    )
    return Ladder(levels, review_threshold, POLICY.fingerprint, "fixed_sequence", 0.85, n_clusters=1, seed=0)


def by_hand():
    """Six texts: true severities 0 0 1 2 3 3; the two last columns below are what the probs say at 0.5 and at 0.8."""
    rows = [  # severity, P(>=1), P(>=2), P(>=3)            even   at 0.8
        (0, 0.1, 0.1, 0.1),  # 0      0
        (0, 0.9, 0.2, 0.1),  # 1      1
        (1, 0.7, 0.4, 0.1),  # 1      0
        (2, 0.9, 0.8, 0.6),  # 3      2
        (3, 0.9, 0.9, 0.9),  # 3      3
        (3, 0.4, 0.3, 0.2),  # 0      0
    ]
    examples = [Example(str(i), "出U", "post", ("trading",) if row[0] else (), row[0]) for i, row in enumerate(rows)]
    probs = np.zeros((6, len(POLICY.questions)))
    probs[:, N_CATEGORIES:] = np.array(rows)[:, 1:]
    return probs, examples


def at_random(seed=0, n=300):
    rng = np.random.default_rng(seed)
    severities = rng.integers(0, 4, n) * (rng.random(n) < 0.5)
    examples = [
        Example(str(i), "出U" * (1 + i % 40), ("post", "bio")[i % 2], (POLICY.category_ids[i % 4],) if s else (), int(s), tags=(f"t{i % 3}",))
        for i, s in enumerate(severities)
    ]
    targets = targets_of(examples, POLICY)
    probs = 1 / (1 + np.exp(-(3 * targets - 1.5 + rng.normal(0, 1.2, targets.shape))))
    probs[:, N_CATEGORIES:] = np.minimum.accumulate(probs[:, N_CATEGORIES:], axis=1)
    return probs, examples


def judged(probs, examples, steps, **options):
    targets = targets_of(examples, POLICY)
    return evaluate(probs, targets, examples, POLICY, steps, THRESHOLDS, **({"clusters": None, "seed": 0, "n_resamples": 50} | options))


@pytest.fixture(scope="module")
def random_set():
    return at_random()


@pytest.fixture(scope="module")
def evaluation(random_set):
    return judged(*random_set, ladder(0.6, 0.7, 0.8))


def test_flagged_is_any_violation_at_a_prob_of_one_half():
    found = judged(*by_hand(), ladder(0.8, 0.8, 0.8)).flagged
    assert (found.n_hit, found.precision.value, found.recall.value, found.benign_hit.value) == (4, 0.75, 0.75, 0.5)


def test_acted_is_any_violation_by_the_ladder():
    found = judged(*by_hand(), ladder(0.8, 0.8, 0.8)).acted
    assert (found.n_hit, found.precision.value, found.recall.value) == (3, pytest.approx(2 / 3), 0.5)


def test_severity_is_read_off_at_one_half_and_by_the_ladder():
    found = judged(*by_hand(), ladder(0.8, 0.8, 0.8))
    assert found.even_severity.confusion == ((1, 1, 0, 0), (0, 1, 0, 0), (0, 0, 0, 1), (1, 0, 0, 1))
    assert found.decided_severity.confusion == ((1, 1, 0, 0), (1, 0, 0, 0), (0, 0, 1, 0), (1, 0, 0, 1))
    assert found.even_severity.mean_absolute_error.value == pytest.approx(5 / 6)


def test_kappa_is_that_of_scikit_learn_on_the_same_severities():
    found = judged(*by_hand(), ladder(0.8, 0.8, 0.8)).even_severity.quadratic_kappa.value
    assert found == pytest.approx(sk.cohen_kappa_score([0, 0, 1, 2, 3, 3], [0, 1, 1, 3, 3, 0], weights="quadratic"))


def test_the_precision_of_a_level_is_the_share_of_its_severity_or_more_among_those_acted_on_at_it_or_above():
    found = judged(*by_hand(), ladder(0.8, 0.8, 0.8)).levels
    assert [level.n_acted for level in found] == [3, 2, 1]
    assert [level.precision.value for level in found] == [pytest.approx(2 / 3), 1, 1]


def test_a_level_that_is_off_acts_on_nothing_and_its_question_is_judged_at_one_half():
    found = judged(*by_hand(), ladder(None, 0.8, 0.8))
    level, question = found.levels[0], found.questions[N_CATEGORIES]
    assert (level.threshold, level.n_acted, level.below_target) == (None, 0, False)
    assert (question.threshold, question.in_force, question.precision.n) == (0.5, False, 4)


def test_the_rule_of_acting_names_the_lowest_level_in_force():
    assert judged(*by_hand(), ladder(None, 0.8, 0.8)).acted.rule == "the ladder from restrict on"


def test_every_question_has_curves_and_the_old_keys_stay(evaluation):
    content = evaluation.to_dict()
    assert [item["question"] for item in content["curves"]] == list(POLICY.questions)
    errors = [item["calibration"]["calibration_error"] for item in content["curves"]]
    assert errors == pytest.approx([item["calibration_error"]["value"] for item in content["questions"]])
    assert {"macro_f1", "flagged", "acted", "questions", "levels", "slices", "even_severity", "decided_severity"} <= set(content)


def test_a_ladder_that_is_off_acts_on_nothing():
    found = judged(*by_hand(), ladder(None, None, None))
    assert "off" in found.acted.rule
    assert (found.acted.n_hit, found.acted.recall.value, found.acted.benign_hit.value) == (0, 0, 0)
    assert np.isnan(found.acted.precision.value)


def test_reviewed_is_the_share_of_texts_that_a_person_must_look_at():
    # Not acted on but at least 0.4 of violating: the third and the last text.
    assert judged(*by_hand(), ladder(0.8, 0.8, 0.8, review_threshold=0.4)).reviewed.value == pytest.approx(2 / 6)


def test_a_level_whose_precision_is_surely_too_low_is_below_target():
    examples = [Example(str(i), "出U", "post", ("trading",) if i < 50 else (), int(i < 50)) for i in range(100)]
    found = judged(np.full((100, len(POLICY.questions)), 0.9), examples, ladder(0.5, 0.95, 0.95))
    assert [level.below_target for level in found.levels] == [True, False, False]


def test_questions_are_judged_at_the_decisions_own_thresholds_inclusively(random_set, evaluation):
    probs, examples = random_set
    targets = targets_of(examples, POLICY)
    for j, threshold in enumerate((0.3, 0.5, 0.6, 0.7, 0.6, 0.7, 0.8)):
        found, guess = evaluation.questions[j], probs[:, j] >= threshold
        assert (found.question, found.threshold, found.support) == (POLICY.questions[j], threshold, targets[:, j].sum())
        assert found.precision.value == pytest.approx(sk.precision_score(targets[:, j], guess))
        assert found.recall.value == pytest.approx(sk.recall_score(targets[:, j], guess))
        assert found.f1.value == pytest.approx(sk.f1_score(targets[:, j], guess))


def test_threshold_free_numbers_are_those_of_scikit_learn(random_set, evaluation):
    probs, examples = random_set
    targets = targets_of(examples, POLICY)
    for j, found in enumerate(evaluation.questions):
        assert found.average_precision.value == pytest.approx(sk.average_precision_score(targets[:, j], probs[:, j]))
        assert found.brier.value == pytest.approx(sk.brier_score_loss(targets[:, j], probs[:, j]))
        assert found.log_loss.value == pytest.approx(sk.log_loss(targets[:, j], probs[:, j]))


def test_macro_and_micro_f1_are_over_the_categories_alone(random_set, evaluation):
    probs, examples = random_set
    gold, guess = targets_of(examples, POLICY)[:, :N_CATEGORIES], probs[:, :N_CATEGORIES] >= np.array(THRESHOLDS.thresholds)
    assert evaluation.macro_f1.value == pytest.approx(sk.f1_score(gold, guess, average="macro"))
    assert evaluation.micro_f1.value == pytest.approx(sk.f1_score(gold, guess, average="micro"))


def test_a_prob_at_its_threshold_is_a_yes():
    probs, examples = by_hand()
    probs[:, 0] = 0.3
    assert judged(probs, examples, ladder(0.8, 0.8, 0.8)).questions[0].precision.n == 6


def test_a_category_at_its_threshold_is_named():
    probs, examples = by_hand()
    probs[:, 1] = THRESHOLDS.thresholds[1]
    # trading is named for all six texts, four of them truly so
    assert judged(probs, examples, ladder(0.8, 0.8, 0.8)).macro_f1.value == pytest.approx(2 * 4 / (6 + 4))


def test_benign_texts_need_no_severity():
    probs, examples = by_hand()
    examples[0] = dataclasses.replace(examples[0], severity=None)
    assert judged(probs, examples, ladder(0.8, 0.8, 0.8)).even_severity.quadratic_kappa.n == 6


def test_resamples_of_severity_leave_out_the_same_texts():
    # After one text without a severity come pairs of a right and a wrong one, each pair a cluster: every resample is half right.
    examples = [Example("0", "出U", "post", ("trading",), None)]
    examples += [Example(str(i), "出U", "post", ("trading",), 1 + i % 2) for i in range(1, 21)]
    probs = np.zeros((21, len(POLICY.questions)))
    probs[:, N_CATEGORIES] = 0.9
    found = judged(probs, examples, ladder(0.8, 0.8, 0.8), clusters=(np.arange(21) + 1) // 2).even_severity.mean_absolute_error
    assert (found.value, found.low, found.high, found.n) == (0.5, 0.5, 0.5, 20)


def test_violating_texts_without_a_severity_are_counted_and_left_out_of_severity():
    probs, examples = by_hand()
    examples[3] = dataclasses.replace(examples[3], severity=None)
    found = judged(probs, examples, ladder(0.8, 0.8, 0.8))
    assert (found.n, found.n_violating, found.n_without_severity) == (6, 4, 1)
    assert found.even_severity.quadratic_kappa.n == 5
    assert found.even_severity.confusion[2] == (0, 0, 0, 0)


def test_every_interval_holds_its_value(evaluation):
    found = [evaluation.macro_f1, evaluation.micro_f1, evaluation.flagged.f1, evaluation.acted.benign_hit, evaluation.reviewed]
    found += [value for q in evaluation.questions for value in (q.precision, q.recall, q.f1, q.average_precision, q.brier)]
    assert all(item.low <= item.value <= item.high for item in found)


def test_clusters_widen_the_interval(random_set):
    probs, examples = (np.repeat(random_set[0][:60], 5, axis=0), [item for item in random_set[1][:60] for _ in range(5)])
    alone, together = (judged(probs, examples, ladder(0.6, 0.7, 0.8), clusters=c, n_resamples=300).macro_f1 for c in (None, np.arange(300) // 5))
    assert together.high - together.low > 1.5 * (alone.high - alone.low)


def test_the_same_seed_gives_the_same_evaluation(random_set, evaluation):
    assert judged(*random_set, ladder(0.6, 0.7, 0.8)).to_dict() == evaluation.to_dict()


def test_the_content_is_strict_json_even_where_nothing_is_defined():
    examples = [Example(str(i), "天气", "post", (), 0) for i in range(3)]
    content = judged(np.zeros((3, len(POLICY.questions))), examples, ladder(0.8, 0.8, 0.8)).to_dict()
    again = json.loads(json.dumps(content, allow_nan=False))
    assert again["macro_f1"] == {"value": None, "low": None, "high": None, "n": 3}
    assert again["acted"]["benign_hit"]["value"] == 0


def test_the_markdown_names_every_question_level_and_slice(evaluation):
    text = evaluation.to_markdown()
    names = [*POLICY.questions, *(level.id for level in POLICY.acting_levels), "source: bio", "tag: t1", "length: 21-60"]
    assert [name for name in names if f"| {name} |" not in text] == []


def test_every_table_of_the_markdown_has_rows_of_one_width(evaluation):
    for part in evaluation.to_markdown().split("\n\n"):
        if part.startswith("|"):
            assert len({line.count("|") - line.count("\\|") for line in part.splitlines()}) == 1


def test_no_text_is_refused():
    with pytest.raises(CalibrationError, match="at least one labelled text"):
        judged(np.zeros((0, len(POLICY.questions))), [], ladder(0.8, 0.8, 0.8))


def test_a_ladder_of_another_policy_is_refused():
    other = dataclasses.replace(ladder(0.8, 0.8, 0.8), policy_fingerprint="0" * 16)
    with pytest.raises(CalibrationError, match="ladder made for policy"):
        judged(*by_hand(), other)


def test_thresholds_of_another_policy_are_refused():
    probs, examples = by_hand()
    other = dataclasses.replace(THRESHOLDS, policy_fingerprint="0" * 16)
    with pytest.raises(CalibrationError, match="category thresholds"):
        evaluate(probs, targets_of(examples, POLICY), examples, POLICY, ladder(0.8, 0.8, 0.8), other, clusters=None, seed=0)


def test_examples_of_another_number_are_a_mistake_of_the_caller():
    probs, examples = by_hand()
    with pytest.raises(ValueError, match="one example for each of 6 texts, but got 5"):
        evaluate(probs, targets_of(examples, POLICY), examples[:5], POLICY, ladder(0.8, 0.8, 0.8), THRESHOLDS, clusters=None, seed=0)
