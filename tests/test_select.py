"""Which texts to label next: uncertainty and choice by hand, the files, and the simulation."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score
from typer.testing import CliRunner

from classifier.bundle import load_bundle
from classifier.cli import app
from classifier.errors import CalibrationError, DataError
from classifier.labelling import read_items
from classifier.labelling.choose import choose, even_thresholds, reduced, thresholds_of, uncertainty
from classifier.labelling.select import select_by_decisions, select_by_training
from classifier.labelling.simulate import mean_average_precision, paired_interval, simulate
from classifier.records import write_examples
from tests.test_noise import spread


@pytest.fixture
def unlabelled(tmp_path):
    path = tmp_path / "new.jsonl"
    lines = [json.dumps({"id": example.id, "text": example.text, "source": example.source}) for example in spread(60, seed=7)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_uncertainty_is_one_on_a_threshold_and_falls_on_both_sides(policy):
    probs = np.zeros((3, 7))
    probs[:, 1] = [0.8, 0.7, 0.9]
    thresholds = even_thresholds(policy)
    thresholds[1] = 0.8
    found = uncertainty(probs, thresholds, policy)
    # Odds of 4 against 7/3, and against 9.
    np.testing.assert_allclose(found.values, [1, (7 / 3) / 4, 4 / 9])
    assert set(found.questions) == {1}


def test_thresholds_are_those_of_the_bundle(tiny_bundle):
    bundle = load_bundle(tiny_bundle.folder)
    thresholds = thresholds_of(bundle)
    assert thresholds.shape == (7,)
    assert tuple(thresholds[:4]) == bundle.category_thresholds.thresholds


def test_a_copy_of_a_chosen_text_is_left_for_last():
    vectors = np.array([[1.0, 0], [1, 0], [0, 1], [-1, 0]])
    assert choose([1, 0.99, 0.5, 0.5], vectors, 4).tolist() == [0, 3, 2, 1]


def test_texts_outside_the_most_uncertain_are_no_candidates():
    weights = np.linspace(1, 0.01, 100)
    vectors = np.eye(100)
    assert choose(weights, vectors, 4, pool_factor=5).max() < 20


def test_a_budget_above_the_number_of_texts_takes_all():
    assert sorted(choose([0.1, 0.2], np.eye(2), 9)) == [0, 1]


def test_reduced_vectors_have_length_one(policy):
    from classifier.labelling.out_of_fold import character_features

    vectors = reduced(character_features(spread(50)), seed=0, n_dimensions=8)
    assert vectors.shape == (50, 8)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1)


def test_known_texts_and_copies_are_not_chosen(tmp_path, policy, unlabelled):
    items = read_items([unlabelled], policy)
    known = [dataclasses.replace(example, id=f"k{example.id}") for example in spread(60, seed=7)[:40]]
    chosen = select_by_training(items, known, policy, budget=100, seed=0)
    assert len(chosen) == 20
    assert not {text.item.text for text in chosen} & {example.text for example in known}
    assert [text.rank for text in chosen] == list(range(1, 21))


def test_the_same_seed_chooses_the_same(policy, unlabelled):
    items, train = read_items([unlabelled], policy), spread(60, seed=8)
    first, second = (select_by_training(items, train, policy, budget=10, seed=3) for _ in range(2))
    assert first == second


def test_nothing_to_train_on_is_said(policy, unlabelled):
    with pytest.raises(CalibrationError, match="labelled texts to train on"):
        select_by_training(read_items([unlabelled], policy), [], policy, budget=10, seed=0)


def test_decisions_choose_the_text_on_the_threshold(tmp_path, policy, unlabelled, tiny_bundle):
    from classifier.inference import Classifier

    items = read_items([unlabelled], policy)
    classifier = Classifier.load(tiny_bundle.folder)
    decisions = classifier.classify_many([item.text for item in items], ids=[item.id for item in items], evidence=False)
    rows = [decision.to_dict() for decision in decisions]
    thresholds = thresholds_of(load_bundle(tiny_bundle.folder))
    rows[17]["probs"] = dict.fromkeys(policy.questions, 0.0) | {"trading": float(thresholds[1])}
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    chosen = select_by_decisions(items, path, tiny_bundle.folder, policy, budget=5, seed=0)
    first = next(text for text in chosen if text.item.id == items[17].id)
    assert first.uncertainty == pytest.approx(1)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows[1:]), encoding="utf-8")
    with pytest.raises(DataError, match="have none"):
        select_by_decisions(items, path, tiny_bundle.folder, policy, budget=5, seed=0)


def test_the_interval_is_that_of_scipy():
    values = np.random.default_rng(0).normal(0.1, 1, 8)
    mean, low, high = paired_interval(values)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((values.mean(), expected.low, expected.high))


def test_questions_without_a_positive_do_not_count():
    targets = np.array([[1, 0], [0, 0], [1, 0]], dtype=np.int8)
    probs = np.array([[0.9, 0.1], [0.5, 0.2], [0.2, 0.3]])
    assert mean_average_precision(targets, probs) == average_precision_score(targets[:, 0], probs[:, 0])


def test_a_simulation_starts_alike_and_ends_with_all_rounds(policy):
    result = simulate(spread(120), policy, budget=20, seed=0, n_rounds=3, n_seeds=2)
    assert [point.n_labelled for point in result.points] == [20, 40, 60]
    assert result.points[0].random == result.points[0].chosen
    assert (result.points[0].low, result.points[0].high) == (0, 0)
    for point in result.points:
        assert point.low <= point.difference <= point.high
        assert point.difference == pytest.approx(point.chosen - point.random)


def test_a_simulation_needs_enough_texts(policy):
    with pytest.raises(CalibrationError, match="lower budget or rounds"):
        simulate(spread(40), policy, budget=20, seed=0, n_rounds=3, n_seeds=2)


def test_command_line(tmp_path, unlabelled):
    train, out = tmp_path / "train.jsonl", tmp_path / "next.jsonl"
    write_examples(train, spread(60, seed=8))
    run = CliRunner()
    done = run.invoke(app, ["select", str(unlabelled), "--train", str(train), "--budget", "5", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["selection_rank"] for line in out.read_text(encoding="utf-8").splitlines()] == [1, 2, 3, 4, 5]
    done = run.invoke(app, ["select", str(train), "--simulate", "--budget", "10", "--rounds", "2", "--repetitions", "2", "--json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["points"]) == 2
