"""What follows a run: trackers, learning curves, and the card that is made of the evidence."""

from __future__ import annotations

import importlib.util
import json
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from classifier.bundle import LAYOUT, load_bundle
from classifier.cli import app
from classifier.errors import CalibrationError, MissingExtraError
from classifier.evaluation.bundle_report import report_bundle
from classifier.records import read_examples
from classifier.reports.learning import learning_curves
from classifier.scoring import score_files
from classifier.training.card import card_text
from classifier.training.complete_card import complete_card
from classifier.training.recalibrate import calibrate_bundle
from classifier.training.tracking import trackers
from classifier.training.train import train_model

HISTORY = (
    {"epoch": 0.5, "loss": 0.6, "learning_rate": 1e-4},
    {"epoch": 1.0, "eval_average_precision": 0.5, "eval_loss": 0.4},
    {"epoch": 1.5, "loss": 0.3, "learning_rate": 5e-5},
    {"epoch": 2.0, "eval_average_precision": 0.75, "eval_loss": 0.3},
)


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


@pytest.fixture(scope="module")
def short(toy_files, tiny_config, policy):
    data = [read_examples([toy_files[name]], policy) for name in ("train", "dev")]
    return [*data, policy, replace(tiny_config, n_epochs=2)]


@needs("tensorboard")
def test_tensorboard_sees_loss_and_dev_average_precision(short, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained = train_model(*short, tmp_path, progress=False, track=["tensorboard"])
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert events.Scalars("train/loss")
    told = [event.value for event in events.Scalars("eval/average_precision")]
    assert max(told) == pytest.approx(trained.dev_average_precision)


@needs("mlflow")
@pytest.mark.filterwarnings("ignore")
def test_mlflow_sees_loss_and_dev_average_precision(short, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    trained = train_model(*short, tmp_path, progress=False, track=["mlflow"])
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    (run,) = client.search_runs(["0"])
    told = [metric.value for metric in client.get_metric_history(run.info.run_id, "eval_average_precision")]
    assert max(told) == pytest.approx(trained.dev_average_precision)
    assert client.get_metric_history(run.info.run_id, "loss")


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "tensorboard"), ("mlflow", "mlflow")])
def test_a_tracker_that_is_not_installed_names_its_extra(name, module, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"tiaowen\[track\]"):
        trackers([name], tmp_path)


def test_a_tracker_that_there_is_not_is_refused(tmp_path):
    with pytest.raises(ValueError, match="among tensorboard, mlflow, but got wandb"):
        trackers(["wandb"], tmp_path)


def test_nothing_follows_unless_asked(tmp_path):
    assert trackers([], tmp_path) == []
    assert list(tmp_path.iterdir()) == []


# Learning curves


def test_learning_curves_are_a_picture_of_its_own_that_says_what_it_shows():
    drawn = learning_curves(HISTORY)
    root = ET.fromstring(drawn)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("aria-label") == "Training loss from 0.600 to 0.300. Dev average precision by epoch: 0.500, 0.750."
    assert "var(" not in drawn
    assert {"training loss", "learning rate", "dev average precision"} <= {text.strip() for text in root.itertext()}


def test_learning_curves_of_a_run_without_entries_are_empty():
    assert ET.fromstring(learning_curves(())).get("aria-label") == ""


# The card


@pytest.fixture(scope="module")
def calibrated(tiny_bundle, toy_files, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated")
    score_files(tiny_bundle.folder, [toy_files["calibration"]], folder / "calibration.npz")
    bundle = calibrate_bundle(tiny_bundle.folder, folder / "calibration.npz", folder / "bundle", seed=1)
    score_files(bundle.folder, [toy_files["test"]], folder / "test.npz")
    report = report_bundle(bundle.folder, folder / "test.npz", seed=1, n_resamples=50)
    (folder / "evaluation.json").write_text(json.dumps(report.to_dict()))
    return folder


def card_of(folder):
    return (folder / LAYOUT.card).read_text(encoding="utf-8")


def test_the_card_of_a_new_bundle_says_what_it_was_made_of(tiny_bundle):
    card = card_of(tiny_bundle.folder)
    assert "they were not collected from a platform" in card
    assert f"| train | 160 | `train.jsonl` {tiny_bundle.provenance['data']['train']['train.jsonl'][:16]} |" in card
    assert "`learning_rate` 0.003" in card
    assert "an estimate: processor time x 5 W a core" in card or "counters of the processor packages" in card
    assert "Nothing yet with these thresholds" in card


def test_an_evaluation_completes_the_card_and_the_bundle_stays_whole(calibrated, tmp_path):
    made = complete_card(calibrated / "bundle", tmp_path / "bundle", evaluation_path=calibrated / "evaluation.json")
    before = load_bundle(calibrated / "bundle")
    assert (made.model_fingerprint, made.ladder) == (before.model_fingerprint, before.ladder)
    figure = json.loads((calibrated / "evaluation.json").read_text())["evaluation"]["macro_f1"]
    assert f"| macro-F1 of the categories | {figure['value']:.3f} | {figure['low']:.3f} to {figure['high']:.3f} |" in card_of(made.folder)
    assert "On 120 texts, 60 of them violating" in card_of(made.folder)
    assert "| calibration | 400 |" in card_of(made.folder)


def test_figures_of_other_thresholds_fall_off_the_card(calibrated, tmp_path):
    complete_card(calibrated / "bundle", tmp_path / "bundle", evaluation_path=calibrated / "evaluation.json")
    again = calibrate_bundle(tmp_path / "bundle", calibrated / "calibration.npz", tmp_path / "again", seed=2)
    assert "Nothing yet with these thresholds" in card_of(again.folder)


def test_figures_of_another_model_are_refused(tiny_bundle, calibrated, tmp_path):
    with pytest.raises(CalibrationError, match="expected figures of this bundle"):
        complete_card(tiny_bundle.folder, tmp_path / "bundle", evaluation_path=calibrated / "evaluation.json")


@pytest.mark.parametrize("content", ["{", "{}", "[]", '{"facts": {}, "evaluation": []}'])
def test_what_is_no_evaluation_is_refused(content, calibrated, tmp_path):
    (tmp_path / "evaluation.json").write_text(content)
    with pytest.raises(CalibrationError, match="expected the JSON of `classifier evaluate`"):
        complete_card(calibrated / "bundle", tmp_path / "bundle", evaluation_path=tmp_path / "evaluation.json")


def test_a_card_tells_counters_from_estimates_and_what_was_not_recorded(tiny_bundle):
    def card(**spent):
        kept = {name: value for name, value in tiny_bundle.provenance["training"].items() if name not in ("processor_s", "joules")}
        return card_text(tiny_bundle.policy, tiny_bundle.settings, tiny_bundle.ladder, {"training": kept | {"seconds": 3600} | spent})

    assert "about 0.010 kWh, an estimate" in card(processor_s=7200.0, joules=None)
    assert "2.000 kWh by the counters" in card(processor_s=7200.0, joules=7.2e6)
    assert "energy was not recorded" in card()


def test_the_command_prints_the_card_it_wrote(calibrated, tmp_path):
    arguments = ["card", str(calibrated / "bundle"), "--evaluation", str(calibrated / "evaluation.json"), "--out", str(tmp_path / "bundle")]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert result.stdout == card_of(tmp_path / "bundle")
