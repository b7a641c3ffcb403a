"""The thresholds command: what it prints of a calibrated bundle, and the review threshold at a capacity."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from classifier.cli import app
from classifier.cli.thresholds import review_threshold_at
from classifier.decisions.certify import empirical_ladder
from classifier.decisions.review import plan_table, review_threshold_for_capacity
from classifier.errors import CalibrationError
from classifier.evaluation.scores import read_scores, write_scores
from classifier.scoring import score_files
from classifier.training.recalibrate import calibrate_bundle


@pytest.fixture(scope="module")
def calibrated(tiny_bundle, toy_files, tmp_path_factory):
    """A calibrated bundle's folder and the scores of its test texts."""
    folder = tmp_path_factory.mktemp("thresholds")
    score_files(tiny_bundle.folder, [toy_files["calibration"]], folder / "calibration.npz", n_threads=1)
    calibrate_bundle(tiny_bundle.folder, folder / "calibration.npz", folder / "bundle", seed=0)
    score_files(folder / "bundle", [toy_files["test"]], folder / "test.npz", n_threads=1)
    return folder


def run(calibrated, *options):
    done = CliRunner().invoke(app, ["thresholds", str(calibrated / "bundle"), str(calibrated / "test.npz"), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_ladder_is_printed_as_a_table_with_every_level(calibrated, policy):
    shown = run(calibrated)
    for level in policy.acting_levels:
        assert level.id in shown
        assert f">= {level.target_precision:.2f} at 95%" in shown
    assert "of 10,000 texts" not in shown


def test_the_json_holds_the_ladder_of_the_bundle(calibrated):
    content = json.loads(run(calibrated, "--json"))
    saved = json.loads((calibrated / "bundle" / "thresholds.json").read_text(encoding="utf-8"))
    assert content["ladder"] == saved["ladder"]
    assert "plan" not in content


def test_the_plan_speaks_of_ten_thousand_texts_at_the_prevalence(calibrated):
    plan = json.loads(run(calibrated, "--plan", "--json", "--prevalence", "0.02"))["plan"]
    assert (plan["prevalence"], plan["per"]) == (0.02, 10_000)
    assert sum(row["n_acted"] for row in plan["levels"]) == pytest.approx(10_000)
    missed_or_seen = sum(row["n_missed"] for row in plan["levels"])
    assert missed_or_seen <= 200 + 1e-9
    assert "2.00% of them violating" in run(calibrated, "--plan", "--prevalence", "0.02")


def test_a_capacity_bounds_what_is_reviewed(calibrated):
    content = json.loads(run(calibrated, "--plan", "--json", "--capacity", "3000"))
    assert sum(row["n_reviewed"] for row in content["plan"]["levels"]) <= 3000 + 1e-6
    assert content["ladder"]["review_threshold"] is not None


def test_scores_of_another_model_are_refused(calibrated, tiny_bundle, toy_files, tmp_path):
    scores = read_scores(calibrated / "test.npz", tiny_bundle.policy)
    write_scores(tmp_path / "other.npz", dataclasses.replace(scores, model_fingerprint="0" * 16))
    done = CliRunner().invoke(app, ["thresholds", str(calibrated / "bundle"), str(tmp_path / "other.npz")])
    assert isinstance(done.exception, CalibrationError)
    assert "expected scores of encoder" in str(done.exception)


@pytest.fixture(scope="module")
def drawn():
    """Probs and targets of 400 texts, half of them violating, whose score tells a little."""
    generator = np.random.default_rng(4)
    severity = np.where(generator.random(400) < 0.5, 0, generator.integers(1, 4, 400))
    level = 1 / (1 + np.exp(-(generator.normal(0, 1.5, 400) + 1.2 * severity - 1)))
    probs = np.column_stack([np.zeros((400, 4)), level, level * 0.9, level * 0.8])
    targets = np.column_stack([np.zeros((400, 4)), severity >= 1, severity >= 2, severity >= 3]).astype(np.int8)
    return probs, targets


@pytest.mark.parametrize("capacity", [0, 25, 500, 3_333, 20_000])
def test_at_the_texts_own_mixture_it_reviews_as_many_as_the_unlabelled_rule(drawn, policy, capacity):
    probs, targets = drawn
    ladder = empirical_ladder(probs, targets, policy)
    found = review_threshold_at(probs, targets, ladder, policy, prevalence=None, capacity=capacity)
    expected = review_threshold_for_capacity(probs, ladder, policy, capacity=capacity)
    tables = [
        plan_table(probs, targets, ladder.with_review_threshold(threshold), policy, prevalence=None) for threshold in (found, expected)
    ]
    assert (found is None) == (expected is None)
    assert tables[0] == tables[1]


def test_the_capacity_is_used_as_far_as_possible_at_a_prevalence(drawn, policy):
    probs, targets = drawn
    ladder = empirical_ladder(probs, targets, policy)
    reached = np.sort(probs[:, 4])
    found = review_threshold_at(probs, targets, ladder, policy, prevalence=0.01, capacity=600)
    lower = reached[np.searchsorted(reached, found, side="left") - 1]
    n_reviewed = [
        sum(row.n_reviewed for row in plan_table(probs, targets, ladder.with_review_threshold(t), policy, prevalence=0.01)) for t in (found, lower)
    ]
    assert n_reviewed[0] <= 600 < n_reviewed[1]


def test_a_range_of_prevalences_gives_a_plan_for_each_end(calibrated):
    plans = json.loads(run(calibrated, "--plan", "--json", "--prevalence", "0.01:0.1"))["plan"]
    assert [plan["prevalence"] for plan in plans] == [0.01, 0.1]
    assert [sum(level["n_acted"] for level in plan["levels"]) for plan in plans] == pytest.approx([10_000, 10_000])


@pytest.mark.parametrize("given", ["0.2:0.1", "0", "1:2:3", "x"])
def test_a_prevalence_that_is_none_is_refused(calibrated, given):
    done = CliRunner().invoke(app, ["thresholds", str(calibrated / "bundle"), str(calibrated / "test.npz"), "--prevalence", given])
    assert isinstance(done.exception, ValueError)
    assert "Expected a prevalence" in str(done.exception)


def test_calibrating_for_a_range_certifies_its_lower_end(calibrated, tmp_path):
    done = CliRunner().invoke(
        app,
        ["calibrate", str(calibrated / "bundle"), str(calibrated / "calibration.npz"), "--out", str(tmp_path / "b"), "--prevalence", "0.05:0.2"],
    )
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["prevalence"] == [0.05, 0.2]
