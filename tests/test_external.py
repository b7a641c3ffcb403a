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
    found = external.figures_of(scores, two_classes, {"t1"}, seed=1, seconds=1.0)
    # F1 of 1: 2*1*0.5/1.5 = 2/3; of 0: 2*(2/3)*1/(5/3) = 0.8.
    assert (found.accuracy, found.n_unseen) == (75.0, 3)
    assert found.macro_f1 == pytest.approx(100 * (2 / 3 + 0.8) / 2)
    assert found.unseen_accuracy == 100.0


def test_words_tell_the_spread_and_the_published_figures(external):
    results = [external.Figures(i, accuracy, 80.0, 80.0, 80.0, 10, 9, 1.0) for i, accuracy in enumerate((80.0, 82.0))]
    words = external.words_of(results)
    assert "accuracy: 81.00 ± 1.41 over 2 seed(s)" in words
    assert "82.75" in words


def test_a_tiny_run(external, tmp_path, tiny_base):
    folder = folder_of(tmp_path)
    splits = {name: external.read_split(folder / f"{name}.jsonl", limit=None, seed=0) for name in external.SPLITS}
    config = TrainingConfig(
        base=str(tiny_base), n_epochs=1, batch_size=8, max_tokens=32, overlap_tokens=4, learning_rate=1e-3, head_learning_rate=1e-2, seed=1
    )
    figures = external.run_seed(splits, config, tmp_path / "run")
    assert figures.n_test == figures.n_unseen == 32
    assert 0 <= figures.accuracy <= 100
