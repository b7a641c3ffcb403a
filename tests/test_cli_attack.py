"""``classifier attack`` with a real, tiny bundle."""

import json

from classifier.records import read_examples
from tests.test_cli import run


def test_attack_reports_before_and_after(tiny_bundle, toy_files, tmp_path):
    options = ("--techniques", "pinyin,zero_width", "--intensities", "1", "--limit", 40, "--resamples", 50, "--markdown", tmp_path / "a.md")
    done = run("attack", tiny_bundle.folder, toy_files["test"], *options)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert [result["technique"] for result in content["results"]] == ["pinyin", "zero_width"]
    assert content["n"] == 40
    assert content["results"][1]["flagged"]["loss"]["value"] == 0  # normalising takes zero width away before the encoder sees it
    assert "# Rewritten texts" in (tmp_path / "a.md").read_text(encoding="utf-8")


def test_rewrite_only_writes_texts_that_can_be_trained_with(tiny_bundle, toy_files, policy, tmp_path):
    out = tmp_path / "more.jsonl"
    done = run("attack", tiny_bundle.folder, toy_files["dev"], "--rewrite-only", out, "--techniques", "homophones", "--half", "train")
    assert done.returncode == 0, done.stderr
    before = {example.id: example for example in read_examples([toy_files["dev"]], policy)}
    after = read_examples([out], policy)
    assert after
    for example in after:
        original = before[example.id.partition("#")[0]]
        assert (example.categories, example.severity) == (original.categories, original.severity)
        assert example.text != original.text


def test_an_unknown_technique_is_one_line_and_exit_2(tiny_bundle, toy_files):
    done = run("attack", tiny_bundle.folder, toy_files["dev"], "--techniques", "magic")
    assert done.returncode == 2
    assert "homophones" in done.stderr
    assert "Traceback" not in done.stderr


def test_help_has_an_example():
    assert "Example: classifier attack" in run("attack", "--help").stdout
