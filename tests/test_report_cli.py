"""``classifier report`` and ``classifier evaluate --html``: one page from saved scores, and errors that say what to do."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from classifier.bundle import load_bundle
from classifier.evaluation import Scores, read_scores, write_scores
from classifier.examples import targets_of
from classifier.policy import Policy
from classifier.records import write_examples
from tests.conftest import make_examples
from tests.report_sample import sample_attack, sample_evidence

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "models/default"


def run(*arguments, **variables):
    command = [sys.executable, "-c", "from classifier.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | variables)


@pytest.fixture(scope="module")
def scores(tmp_path_factory):
    bundle, examples = load_bundle(BUNDLE), make_examples(120, seed=3)
    targets = targets_of(examples, bundle.policy)
    logits = (4 * targets - 2 + np.random.default_rng(0).normal(0, 1.5, targets.shape)).astype(np.float32)
    path = tmp_path_factory.mktemp("scores") / "test.npz"
    windows = np.ones(120, dtype=np.int32)
    write_scores(path, Scores(tuple(examples), logits, windows, bundle.policy.fingerprint, bundle.encoder_fingerprint, {"test.jsonl": "d" * 64}))
    return path


def test_report_and_evaluate_write_the_same_page_but_for_the_command(scores, tmp_path):
    train, ordinary = tmp_path / "train.jsonl", tmp_path / "ordinary.txt"
    write_examples(train, make_examples(160, seed=4))
    ordinary.write_text("今天看见一只猫\n收U出U加微信\n", encoding="utf-8")
    common = ("--train", train, "--background", ordinary, "--resamples", 20)
    done = run("report", BUNDLE, scores, "--out", tmp_path / "a.html", *common)
    assert done.returncode == 0, done.stderr
    assert run("evaluate", BUNDLE, scores, "--html", tmp_path / "b.html", *common).returncode == 0
    pages = [(tmp_path / name).read_text(encoding="utf-8").splitlines() for name in ("a.html", "b.html")]
    different = [first for first, second in zip(*pages, strict=True) if first != second]
    assert len(different) == 1
    assert "classifier report" in different[0]
    assert any("ordinary.txt" in line for line in pages[0])
    assert any("TF-IDF" in line for line in pages[0])


@pytest.fixture(scope="module")
def other_scores(scores, tmp_path_factory):
    """Of a coin on the same texts."""
    good = read_scores(scores, Policy.load())
    path = tmp_path_factory.mktemp("other") / "coin.npz"
    noise = np.random.default_rng(5).normal(0, 1, good.logits.shape).astype(np.float32)
    write_scores(path, dataclasses.replace(good, logits=noise, model_fingerprint="c" * 16))
    return path


def test_a_baseline_of_saved_scores_stands_in_json_markdown_and_page(scores, other_scores, tmp_path):
    options = ("--baseline-scores", f"a coin={other_scores}", "--html", tmp_path / "r.html", "--markdown", tmp_path / "r.md", "--resamples", 20)
    done = run("evaluate", BUNDLE, scores, *options)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    (coin,) = content["baselines"]
    assert coin["name"] == "a coin"
    assert coin["difference"]["violation_f1"]["low"] > 0
    assert content["baseline"] is None
    assert "| a coin |" in (tmp_path / "r.md").read_text(encoding="utf-8")
    assert "a coin</th>" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_a_baseline_scored_on_other_texts_is_refused(scores, other_scores, tmp_path):
    fewer = read_scores(other_scores, Policy.load()).select(range(100))
    write_scores(tmp_path / "fewer.npz", fewer)
    done = run("report", BUNDLE, scores, "--baseline-scores", f"coin={tmp_path / 'fewer.npz'}", "--out", tmp_path / "r.html")
    assert done.returncode == 2
    assert "expected scores of the same 120 texts" in done.stderr


@pytest.mark.parametrize("given", [("coin.npz",), ("=coin.npz",), ("coin=",), ("coin=a.npz", "coin=b.npz")])
def test_a_baseline_needs_a_name_of_its_own_and_a_file(given, scores, tmp_path):
    done = run("report", BUNDLE, scores, *(part for text in given for part in ("--baseline-scores", text)), "--out", tmp_path / "r.html")
    assert done.returncode == 2
    assert "expected NAME=FILE" in " ".join(done.stderr.split())


def test_saved_results_of_the_bundle_become_sections(scores, tmp_path):
    bundle, files = load_bundle(BUNDLE), {}
    for name, made in (("attack", sample_attack(bundle)), ("evidence", sample_evidence(bundle))):
        files[name] = tmp_path / f"{name}.json"
        files[name].write_text(json.dumps(made.to_dict(), ensure_ascii=False), encoding="utf-8")
    given = ("--attack", files["attack"], "--evidence", files["evidence"])
    done = run("evaluate", BUNDLE, scores, *given, "--html", tmp_path / "r.html", "--markdown", tmp_path / "r.md", "--resamples", 5)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["attack"]["over_corrections"] == ["pinyin"]
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert '<section id="evasion"' in page
    assert '<section id="evidence"' in page
    assert "# Rewritten texts" in (tmp_path / "r.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", ["--attack", "--evidence"])
def test_saved_results_of_another_bundle_are_refused(option, scores, tmp_path):
    bundle = load_bundle(BUNDLE)
    made = sample_attack(bundle) if option == "--attack" else sample_evidence(bundle)
    (tmp_path / "r.json").write_text(json.dumps(made.to_dict() | {"model_fingerprint": "f" * 16}), encoding="utf-8")
    done = run("report", BUNDLE, scores, option, tmp_path / "r.json", "--out", tmp_path / "r.html")
    assert done.returncode == 2
    assert "expected results of model" in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_spans_of_the_model_are_underlined_when_asked_for(scores, tmp_path):
    done = run("report", BUNDLE, scores, "--spans", "--out", tmp_path / "r.html", "--resamples", 5)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'class="model">' in page.partition('<ol id="cards"')[2]


def test_scores_of_the_training_file_are_an_alarm_in_json_and_on_the_page(scores, tmp_path):
    bundle = load_bundle(BUNDLE)
    sha256 = next(iter(bundle.provenance["data"]["train"].values()))
    write_scores(tmp_path / "train.npz", dataclasses.replace(read_scores(scores, Policy.load()), data_sha256={"fresh.jsonl": sha256}))
    done = run("evaluate", BUNDLE, tmp_path / "train.npz", "--html", tmp_path / "r.html", "--resamples", 5)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["alarms"] == ["fresh.jsonl was used as test and already as train."]
    assert "Do not decide from this report" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_the_demo_without_a_bundle_says_where_it_works(tmp_path):
    done = run("report", "--demo", "--out", tmp_path / "r.html", TIAOWEN_BUNDLE=str(tmp_path / "none"))
    assert done.returncode == 2
    assert "works in a clone of the project" in done.stderr


def test_help_has_an_example():
    done = run("report", "--help")
    assert done.returncode == 0
    assert "Example: classifier report" in done.stdout


def test_a_report_loads_no_torch(scores, tmp_path):
    script = (
        "import sys\nfrom pathlib import Path\nfrom classifier.cli.report import report\n"
        "bundle, scores, out = map(Path, sys.argv[1:])\nreport(bundle, scores, out=out, resamples=5)\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script, BUNDLE, scores, tmp_path / "r.html"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Expected BUNDLE and SCORES, or --demo"),
        ((BUNDLE,), "Expected BUNDLE and SCORES, or --demo"),
        ((BUNDLE, "--demo"), "but got both"),
        ((BUNDLE, "none.npz"), "score the texts first"),
    ],
)
def test_a_wrong_call_is_one_message_and_exit_2(arguments, expected, tmp_path):
    done = run("report", *arguments, "--out", tmp_path / "r.html")
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("given", [("--background", "x.txt"), ("--spans",)])
def test_what_only_a_page_can_show_is_refused_without_one(given, scores):
    done = run("evaluate", BUNDLE, scores, *given)
    assert done.returncode == 2
    assert "--html" in done.stderr


def test_a_missing_file_of_ordinary_texts_is_refused(scores, tmp_path):
    done = run("report", BUNDLE, scores, "--background", "no.txt", "--out", tmp_path / "r.html", "--resamples", 5)
    assert done.returncode == 2
    assert "expected a file of ordinary texts" in done.stderr
