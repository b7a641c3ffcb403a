"""An int8 bundle against its fp32 form: differences as counted by hand, and a gate that shuts."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score
from typer.testing import CliRunner

from classifier.bundle import load_bundle
from classifier.cli import app
from classifier.errors import BundleError, CalibrationError
from classifier.evaluation.compare import Side
from classifier.evaluation.parity import ParityGate, ParityReport, parity
from classifier.examples import targets_of
from classifier.inference import Classifier
from classifier.records import read_examples
from classifier.scoring import score_files
from classifier.training.assemble import bundle_from_model
from classifier.training.gated_export import gated_export
from classifier.training.parity import check_parity, refitted_parity
from classifier.training.recalibrate import calibrate_bundle

from .conftest import make_examples

GATE = ParityGate()
PASSING = ParityReport("a", "b", 2_000, 1_990, 5, 5, 5, 0.9, 0.897)


@pytest.fixture(scope="module")
def bundles(tiny_bundle, toy_files, tiny_config, policy, tmp_path_factory):
    """Folders of the tiny bundle in fp32 and in int8, each calibrated on scores of its own."""
    folder = tmp_path_factory.mktemp("parity")
    samples = read_examples([toy_files["train"]], policy)
    bundle_from_model(
        tiny_bundle.folder, folder / "int8", policy, tiny_config, provenance={"seen": 1}, samples=samples, precision="int8"
    )
    for source, name in ((tiny_bundle.folder, "fp32"), (folder / "int8", "int8")):
        score_files(source, [toy_files["calibration"]], folder / f"{name}.npz", n_threads=1)
        calibrate_bundle(source, folder / f"{name}.npz", folder / name, seed=1, max_miss_rate=0.2)
    return folder / "fp32", folder / "int8"


def test_the_bounds_are_inclusive():
    assert PASSING.refusals == ()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"n_equal": 1_989}, "expected 99.50% equal decisions, but got 99.45%"),
        ({"second_macro_f1": 0.8965}, "expected a macro-F1 at most 0.0030 lower, but it is 0.0035 lower"),
        ({"n_texts": 1_999}, "expected at least 2000 texts, but got 1999"),
        ({"second_macro_f1": float("nan")}, "macro-F1"),
    ],
)
def test_each_bound_refuses(change, told):
    (refusal,) = replace(PASSING, **change).refusals
    assert told in refusal


def test_differences_are_counted_as_by_hand(bundles, policy):
    bundle = load_bundle(bundles[0])
    examples = make_examples(40, seed=5)
    probs = np.tile(np.float64([0.0, 0, 0, 0, 0, 0, 0]), (40, 1))
    other = probs.copy()
    other[3, 0] = 1.0  # a category is named, but nothing is done
    other[[7, 8], 4] = 1.0  # reaches review or a level
    side = Side("a", probs, policy, bundle.ladder, bundle.category_thresholds)
    report = parity(side, replace(side, name="b", probs=other), examples, GATE)
    assert (report.n_texts, report.n_equal) == (40, 37)
    assert max(report.n_level, report.n_review) == 2
    assert parity(side, side, examples, GATE).n_equal == 40


def test_macro_f1_is_that_of_scikit_learn(bundles, policy, toy_files):
    bundle = load_bundle(bundles[0])
    examples = read_examples([toy_files["test"]], policy)
    probs = Classifier(bundle, n_threads=1).predict_proba([e.text for e in examples], source=[e.source for e in examples])
    side = Side("a", probs, policy, bundle.ladder, bundle.category_thresholds)
    named = probs[:, :4].astype(np.float64) >= np.array(bundle.category_thresholds.thresholds)
    expected = f1_score(targets_of(examples, policy)[:, :4], named, average="macro")
    assert parity(side, side, examples, GATE).first_macro_f1 == pytest.approx(expected)


def test_the_figures_go_into_the_int8_bundle_and_nothing_else_changes(bundles, toy_files):
    before = load_bundle(bundles[1])
    report = check_parity(*bundles, [toy_files["test"]], n_threads=1)
    after = load_bundle(bundles[1])
    assert after.provenance["parity"]["n_equal"] == report.n_equal
    assert after.provenance["seen"] == 1
    assert after.provenance["parity"]["passed"] is False  # too few texts
    assert after.model_fingerprint == before.model_fingerprint
    assert {name for name in after.hashes if after.hashes[name] != before.hashes[name]} == {"provenance.json"}


def test_the_command_leaves_with_1_when_refused(bundles, toy_files):
    done = CliRunner().invoke(app, ["parity", *map(str, bundles), str(toy_files["test"]), "--threads", "1"])
    assert done.exit_code == 1
    assert json.loads(done.stdout)["n_texts"] == 120
    assert "refused: expected at least 2000 texts" in done.stderr


def test_the_command_leaves_with_0_when_all_is_allowed(bundles, toy_files):
    options = ["--threads", "1", "--min-texts", "1", "--min-equal", "0", "--max-f1-loss", "1"]
    done = CliRunner().invoke(app, ["parity", *map(str, bundles), str(toy_files["test"]), *options])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["passed"] is True


def test_precisions_the_wrong_way_round_are_refused(bundles, toy_files):
    with pytest.raises(BundleError, match="expected precision fp32, but got int8"):
        check_parity(bundles[1], bundles[0], [toy_files["test"]])


def test_a_bundle_that_is_not_calibrated_is_refused(tiny_bundle, bundles, toy_files):
    with pytest.raises(CalibrationError, match="expected a calibrated bundle"):
        check_parity(tiny_bundle.folder, bundles[1], [toy_files["test"]])


def test_no_text_is_refused(bundles, policy):
    bundle = load_bundle(bundles[0])
    side = Side("a", np.empty((0, 7)), policy, bundle.ladder, bundle.category_thresholds)
    with pytest.raises(CalibrationError, match="at least one text"):
        parity(side, side, [], GATE)


def test_a_bundle_that_is_not_calibrated_is_calibrated_where_texts_are_given(tiny_bundle, bundles, toy_files, policy, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(bundles[1], other)
    paths = {name: [toy_files[name]] for name in ("test", "calibration")}
    before = load_bundle(tiny_bundle.folder).hashes
    report = refitted_parity(tiny_bundle.folder, other, paths["test"], calibration=paths["calibration"], seed=2, n_threads=1)
    after = load_bundle(other)
    assert after.provenance["calibration"]["seed"] == 2
    assert after.provenance["parity"]["n_equal"] == report.n_equal
    assert load_bundle(tiny_bundle.folder).hashes == before


def exported(tiny_bundle, toy_files, tiny_config, out, *, precision="int8-weights", below_gate=False, min_equal=0.0):
    return gated_export(
        tiny_bundle.folder,
        out,
        precision=precision,
        policy_name="wechat-3-24",
        config=tiny_config,
        samples=[toy_files["train"]],
        calibration=[toy_files["calibration"]],
        compared=[toy_files["test"]],
        gate=ParityGate(min_equal=min_equal, max_f1_loss=1.0, min_texts=1),
        below_gate=below_gate,
        seed=1,
        n_threads=1,
    )


def test_an_export_is_calibrated_and_holds_its_figures(tiny_bundle, toy_files, tiny_config, tmp_path):
    report = exported(tiny_bundle, toy_files, tiny_config, tmp_path / "out")
    bundle = load_bundle(tmp_path / "out")
    assert report.n_texts == 520
    assert bundle.settings.precision == "int8-weights"
    assert bundle.provenance["parity"]["equal"] == report.equal
    assert bundle.ladder.method != "none"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("below_gate", [False, True])
def test_an_export_below_the_gate_is_written_only_when_asked_for(below_gate, tiny_bundle, toy_files, tiny_config, tmp_path):
    report = exported(tiny_bundle, toy_files, tiny_config, tmp_path / "out", precision="int8", below_gate=below_gate, min_equal=1.01)
    assert report.refusals
    assert (tmp_path / "out").exists() is below_gate
