"""The frontier script on a tiny model: a row for each precision, and what is measured is not measured again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")
SCRIPTS = Path(__file__).parents[1] / "scripts"


@pytest.fixture(scope="module")
def frontier():
    sys.path.insert(0, str(SCRIPTS))
    try:
        import frontier as module
    finally:
        sys.path.remove(str(SCRIPTS))
    return module


def test_a_row_for_each_precision_and_a_second_run_goes_on(frontier, tiny_bundle, toy_files, tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text("max_tokens = 32\noverlap_tokens = 8\n", encoding="utf-8")
    arguments = [tiny_bundle.folder, "--precisions", "int8-weights", "--config", config, "--data", toy_files["train"].parent]
    arguments += ["--work", tmp_path / "work", "--out", tmp_path / "out", "--repetitions", 1, "--seconds", 0.01, "--min-texts", 1]
    frontier.main(list(map(str, arguments)))
    first = (tmp_path / "out/frontier.json").read_text(encoding="utf-8")
    results = json.loads(first)["results"]
    assert [(found["layers"], found["precision"]) for found in results] == [(2, "fp32"), (2, "int8-weights")]
    assert results[1]["parity"]["n_texts"] == 520
    assert results[0]["quality"]["test"]["macro-F1"]["n"] == 120
    page = (tmp_path / "out/frontier.md").read_text(encoding="utf-8")
    assert "| 2 layers, int8-weights |" in page
    assert (tmp_path / "out/frontier.svg").read_text(encoding="utf-8").startswith("<?xml")
    frontier.main(list(map(str, arguments)))
    assert (tmp_path / "out/frontier.json").read_text(encoding="utf-8") == first
