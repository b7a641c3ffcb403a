"""``classifier compare`` with real, tiny bundles: the ways in, and the exit codes that a pipeline stands on."""

import json

import pytest

from classifier.training.recalibrate import calibrate_bundle
from tests.test_cli import run


@pytest.fixture(scope="module")
def saved(tiny_bundle, toy_files, tmp_path_factory):
    """Scores of the test texts, and a calibrated bundle of the same encoder."""
    folder = tmp_path_factory.mktemp("compare")
    for name in ("calibration", "test"):
        assert run("score", tiny_bundle.folder, toy_files[name], "--out", folder / f"{name}.npz").returncode == 0
    calibrate_bundle(tiny_bundle.folder, folder / "calibration.npz", folder / "calibrated", seed=1)
    return folder


def test_other_thresholds_of_one_encoder_from_saved_scores(saved, tiny_bundle):
    done = run("compare", tiny_bundle.folder, saved / "calibrated", "--scores", saved / "test.npz", "--resamples", 50)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["n"] == 120
    assert content["n_up"] + content["n_down"] + content["n_review_added"] > 0


def test_a_bundle_against_itself_passes_every_gate_from_texts(saved, toy_files, tmp_path):
    bundle = saved / "calibrated"
    options = ("--texts", toy_files["test"], "--metric", "macro_f1", "--resamples", 50, "--markdown", tmp_path / "c.md")
    done = run("compare", bundle, bundle, *options)
    assert done.returncode == 0, done.stderr
    assert "gate passed" in done.stderr
    assert (tmp_path / "c.md").exists()


def test_a_worse_bundle_is_exit_1(saved, tiny_bundle):
    options = ("--scores", saved / "test.npz", "--metric", "acted_recall", "--resamples", 50)
    done = run("compare", saved / "calibrated", tiny_bundle.folder, *options)  # the uncalibrated one acts on nothing
    assert done.returncode == 1, done.stderr
    assert "gate failed" in done.stderr
    assert json.loads(done.stdout)["gate"]["passed"] is False


def test_unlabelled_texts_need_no_record(saved, tiny_bundle, tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("收U出U加微信\n看见一只猫\n", encoding="utf-8")
    done = run("compare", tiny_bundle.folder, saved / "calibrated", "--texts", path, "--unlabelled", "--resamples", 50)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["labelled"] is None


def test_texts_and_scores_at_once_are_refused(saved, tiny_bundle, toy_files):
    done = run("compare", tiny_bundle.folder, tiny_bundle.folder, "--texts", toy_files["test"], "--scores", saved / "test.npz")
    assert done.returncode == 2
    assert "either --texts or --scores" in done.stderr


def test_help_has_an_example():
    assert "Example: classifier compare" in run("compare", "--help").stdout
