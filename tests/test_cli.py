"""The command line with a real, tiny bundle: every way in and out, errors, and exit codes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest

from classifier.bundle import load_bundle
from classifier.records import read_examples, write_examples
from classifier.training.recalibrate import calibrate_bundle

TEXTS = ["收U出U加微信", "看见一只猫", "发行新币加微信群大家"]


def run(*arguments, stdin=None):
    command = [sys.executable, "-c", "from classifier.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=stdin is None or isinstance(stdin, str), input=stdin, check=False)


def decisions(done):
    assert done.returncode == 0, done.stderr
    out = done.stdout if isinstance(done.stdout, str) else done.stdout.decode("utf-8")
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def bundle(tiny_bundle):
    return tiny_bundle.folder


def test_one_text(bundle):
    (decision,) = decisions(run("classify", TEXTS[0], "--bundle", bundle, "--source", "bio", "--format", "jsonl"))
    assert decision["source"] == "bio"
    assert set(decision["probs"]) >= {"trading", "severity>=1"}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "txt", "stdin"])
def test_every_way_in_gives_the_same_decisions_in_order(bundle, tmp_path, kind):
    path = tmp_path / f"in.{kind}"
    stdin = None
    if kind == "jsonl":
        lines = [json.dumps({"id": f"t{i}", "text": text}, ensure_ascii=False) for i, text in enumerate(TEXTS)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    elif kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as handle:
            csv.writer(handle).writerows([["text"], *([text] for text in TEXTS)])
    elif kind == "parquet":
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS}), path)
    elif kind == "txt":
        path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    else:
        path, stdin = "-", "\n".join(TEXTS) + "\n"
    found = decisions(run("classify", path, "--bundle", bundle, "--no-evidence", stdin=stdin))
    expected = [decisions(run("classify", text, "--bundle", bundle, "--no-evidence", "--format", "jsonl"))[0] for text in TEXTS[:1]]
    assert len(found) == len(TEXTS)
    assert found[0]["probs"] == expected[0]["probs"]
    assert [d["text_sha256"] for d in found] == list(dict.fromkeys(d["text_sha256"] for d in found))


def test_bad_records_do_not_stop_the_rest(bundle, tmp_path):
    path = tmp_path / "in.jsonl"
    records = ['{"text": "收U"}', '{"text": ""}', '{"text": 7}', '{"text": "收U", "source": "group"}', '{"no": 1}', "{broken", '{"text": "猫"}']
    path.write_text("\n".join(records), encoding="utf-8")
    found = decisions(run("classify", path, "--bundle", bundle))
    assert [d["error"] is None for d in found] == [True, False, False, False, False, True, True]


def test_bytes_that_are_no_utf8_and_nul_have_an_outcome(bundle):
    found = decisions(run("classify", "-", "--bundle", bundle, stdin="收U".encode() + b"\xff\x00\n" + "猫".encode()))
    assert [d["error"] for d in found] == [None, None]


def test_a_table_names_the_level_in_chinese(bundle):
    done = run("classify", TEXTS[0], "--bundle", bundle, "--format", "table")
    assert "不处理" in done.stdout


def test_output_goes_whole_into_a_file(bundle, tmp_path):
    out = tmp_path / "out.jsonl"
    done = run("classify", TEXTS[0], "--bundle", bundle, "--out", out)
    assert done.stdout == ""
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1


def test_a_missing_bundle_is_one_line_and_exit_2(tmp_path):
    done = run("classify", "收U", "--bundle", tmp_path)
    assert done.returncode == 2
    assert "expected a bundle with a manifest.json" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_table_without_the_text_column_is_refused(bundle, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("words\n收U\n", encoding="utf-8")
    done = run("classify", path, "--bundle", bundle)
    assert done.returncode == 2
    assert "--text-field" in done.stderr


def test_score_calibrate_evaluate_in_a_row(bundle, toy_files, tmp_path):
    for name in ("calibration", "test"):
        assert run("score", bundle, toy_files[name], "--out", tmp_path / f"{name}.npz").returncode == 0
    done = run("calibrate", bundle, tmp_path / "calibration.npz", "--out", tmp_path / "calibrated")
    assert done.returncode == 0, done.stderr
    assert [level["level_id"] for level in json.loads(done.stdout)["levels"]] == ["rectify", "restrict", "ban"]
    options = ("--baseline", toy_files["train"], "--markdown", tmp_path / "r.md", "--resamples", 50)
    done = run("evaluate", tmp_path / "calibrated", tmp_path / "test.npz", *options)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["evaluation"]["n"] == 120
    assert report["facts"]["n_leaks_between_train_and_test"] > 0  # the toy texts repeat themselves, and the report says so
    assert "not collected from a platform" in (tmp_path / "r.md").read_text(encoding="utf-8")


def test_scores_of_another_model_do_not_calibrate(bundle, toy_files, tmp_path):
    assert run("score", bundle, toy_files["calibration"], "--out", tmp_path / "c.npz").returncode == 0
    other = calibrate_bundle(bundle, tmp_path / "c.npz", tmp_path / "same-encoder", seed=1)
    assert other.encoder_fingerprint == load_bundle(bundle).encoder_fingerprint
    import numpy as np

    from classifier.evaluation.scores import Scores, read_scores, write_scores

    scores = read_scores(tmp_path / "c.npz", other.policy)
    write_scores(tmp_path / "foreign.npz", Scores(**{**vars(scores), "model_fingerprint": "0" * 16, "logits": scores.logits + np.float32(1)}))
    done = run("calibrate", bundle, tmp_path / "foreign.npz")
    assert done.returncode == 2
    assert "calibration is never inherited" in done.stderr


def test_training_data_problems_are_listed_with_file_and_line(toy_files, policy, tmp_path):
    path = tmp_path / "bad.jsonl"
    lines = toy_files["train"].read_text(encoding="utf-8").splitlines()
    lines[2] = lines[2].replace('"severity": 0', '"severity": 9')
    path.write_text("\n".join(lines), encoding="utf-8")
    done = run("train", "--train", path, "--dev", toy_files["dev"], "--out", tmp_path / "b")
    assert done.returncode == 2
    assert "bad.jsonl:3: severity" in done.stderr


def test_help_of_every_command_has_an_example():
    for command in ("classify", "train", "score", "calibrate", "evaluate", "background", "policy", "account", "thresholds", "monitor"):
        done = run(command, "--help")
        assert done.returncode == 0, done.stderr
        assert "Example: classifier" in done.stdout, command


def test_a_reader_that_leaves_early_is_no_error(bundle, tmp_path):
    path = tmp_path / "many.txt"
    path.write_text("收U出U\n" * 3_000, encoding="utf-8")
    script = f"{sys.executable} -c 'from classifier.cli import main; main()' classify {path} --bundle {bundle} --no-evidence | head -n 1"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_examples_survive_a_round_trip_through_the_tool(toy_files, policy, tmp_path):
    examples = read_examples([toy_files["dev"]], policy)
    write_examples(tmp_path / "copy.csv", examples)
    done = run("data", "check", tmp_path / "copy.csv", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["check"]["n_texts"] == len(examples)
