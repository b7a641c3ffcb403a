"""The script that holds the trainer against published figures: its reading, its figures by hand, and one tiny run."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from classifier.errors import DataError
from classifier.evaluation.scores import Scores
from classifier.examples import Example
from classifier.policy import Policy
from classifier.training.config import TrainingConfig

PATH = Path(__file__).parents[1] / "scripts" / "external.py"


@pytest.fixture(scope="module")
def external():
    spec = importlib.util.spec_from_file_location("external", PATH)
    module = importlib.util.module_from_spec(spec)
    sys.modules["external"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["external"]


@pytest.fixture(scope="module")
def two_classes(external, tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "two.toml"
    path.write_text(external.POLICY, encoding="utf-8")
    return Policy.load(path)


def rows(n, *, start=0):
    return [{"text": f"{'收U出U加微信' if i % 2 else '今天看见一只猫'}{i}", "label": i % 2} for i in range(start, start + n)]


def folder_of(tmp_path):
    for name, start in (("train", 0), ("dev", 100), ("test", 200)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(32, start=start)), encoding="utf-8")
    return tmp_path


def test_the_policy_has_one_category_and_one_level(two_classes):
    assert two_classes.questions == ("positive", "severity>=1")


def test_labels_become_categories_and_severities(external, tmp_path):
    examples = external.read_split(folder_of(tmp_path) / "train.jsonl", limit=None, seed=0)
    assert [(example.categories, example.severity) for example in examples[:2]] == [((), 0), (("positive",), 1)]


def test_a_limit_draws_so_many(external, tmp_path):
    examples = external.read_split(folder_of(tmp_path) / "train.jsonl", limit=10, seed=0)
    assert len({example.id for example in examples}) == 10


@pytest.mark.parametrize("line", ['{"text": "a"}', '{"text": "a", "label": 2}', '{"text": " ", "label": 1}', "[", "[1]"])
def test_a_wrong_line_is_named(external, tmp_path, line):
    (tmp_path / "train.jsonl").write_text(f'{{"text": "a", "label": 0}}\n{line}\n', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        external.read_split(tmp_path / "train.jsonl", limit=None, seed=0)
    assert [problem.line for problem in caught.value.problems] == [2]


def test_figures_by_hand(external, two_classes):
    examples = tuple(Example(str(i), f"t{i}", "post", ("positive",) if i < 2 else (), int(i < 2)) for i in range(4))
    logits = np.array([[0, 1], [0, -1], [0, -1], [0, -1]], dtype=np.float32)
    scores = Scores(examples, logits, np.ones(4, dtype=np.int32), two_classes.fingerprint, "m", {})
    found = external.figures_of(scores, two_classes, {"t1"}, seed=1, seconds=1.0, computed_in="float32")
    # F1 of 1: 2*1*0.5/1.5 = 2/3; of 0: 2*(2/3)*1/(5/3) = 0.8.
    assert (found.accuracy, found.n_unseen) == (75.0, 3)
    assert found.macro_f1 == pytest.approx(100 * (2 / 3 + 0.8) / 2)
    assert found.unseen_accuracy == 100.0


def test_words_tell_the_spread_and_the_published_figures(external):
    results = [external.Figures(i, accuracy, 80.0, 80.0, 80.0, 10, 9, 1.0, "float32") for i, accuracy in enumerate((80.0, 82.0))]
    words = external.words_of(results)
    assert "accuracy: 81.00 ± 1.41 over 2 seed(s)" in words
    assert "82.75" in words


def test_intervals_hold_the_figures_and_shrink_with_the_texts(external):
    gold = np.tile([0, 1, 1, 0], 25).astype(np.int8)
    said = np.tile([0, 1, 0, 0], 25).astype(np.int8)
    (low, high), (low_f1, high_f1) = external.intervals(gold, said, seed=1)
    # Accuracy 75 of 100: a normal interval is 75 ± 1.96 * sqrt(0.75 * 0.25 / 100) * 100 = 66.5 to 83.5.
    assert (low, high) == (pytest.approx(66.5, abs=1.5), pytest.approx(83.5, abs=1.5))
    assert low_f1 < 100 * (2 * 0.5 / 1.5 + 0.8) / 2 < high_f1
    (wider_low, _), _ = external.intervals(gold[:20], said[:20], seed=1)
    assert wider_low < low


def test_seeds_that_are_done_are_read_back_and_other_settings_refused(external, tmp_path):
    figures = external.Figures(1, 80.0, 79.0, 80.0, 79.0, 10, 9, 1.0, "float32", (70.0, 90.0), (68.0, 89.0))
    external.Results({"epochs": 2}, (figures,)).write(tmp_path / "out.json")
    assert external.Results.read(tmp_path / "out.json", {"epochs": 2}).figures == (figures,)
    with pytest.raises(DataError, match="name another --out"):
        external.Results.read(tmp_path / "out.json", {"epochs": 3})
    assert "| 1 | 80.00 (70.00 to 90.00) | 79.00 (68.00 to 89.00) | 1 | float32 |" in external.table_of([figures])


def test_a_second_call_runs_only_the_seeds_that_are_missing(external, tmp_path, tiny_base, monkeypatch, capsys):
    folder = folder_of(tmp_path)
    call = ["external", str(folder), "--out", str(tmp_path / "out.json"), "--work", str(tmp_path / "work"), "--epochs", "1", "--base", str(tiny_base)]
    monkeypatch.setattr(sys, "argv", [*call, "--seeds", "1"])
    external.main()
    first = json.loads((tmp_path / "out.json").read_text())["results"]
    monkeypatch.setattr(sys, "argv", [*call, "--seeds", "2"])
    external.main()
    both = json.loads((tmp_path / "out.json").read_text())["results"]
    assert [item["seed"] for item in both] == [1, 2]
    assert both[0] == first[0]
    assert list((tmp_path / "work").iterdir()) == []
    assert "over 2 seed(s)" in capsys.readouterr().out


def test_a_tiny_run(external, tmp_path, tiny_base):
    folder = folder_of(tmp_path)
    splits = {name: external.read_split(folder / f"{name}.jsonl", limit=None, seed=0) for name in external.SPLITS}
    config = TrainingConfig(
        base=str(tiny_base), n_epochs=1, batch_size=8, max_tokens=32, overlap_tokens=4, learning_rate=1e-3, head_learning_rate=1e-2, seed=1
    )
    figures = external.run_seed(splits, config, tmp_path / "run")
    assert figures.n_test == figures.n_unseen == 32
    assert 0 <= figures.accuracy <= 100
