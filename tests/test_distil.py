"""Distillation: which layers stay, what the loss is, and that a tiny student comes closer to its teacher."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from scipy.special import expit, rel_entr
from typer.testing import CliRunner

from classifier.cli import app
from classifier.errors import DataError
from classifier.records import read_examples
from classifier.training.distil import ANSWERS, DistilConfig, answers_apart, distil, distil_loss, layers_kept, student_of
from classifier.training.train import load_base
from classifier.training.unlabelled import read_unlabelled

QUICK = DistilConfig(n_layers=1, n_epochs=2, batch_size=8, learning_rate=3e-3, max_tokens=32, overlap_tokens=8, bf16=False)


@pytest.fixture(scope="module")
def texts(toy_files, policy):
    return [read_examples([toy_files[name]], policy) for name in ("train", "dev", "test")]


@pytest.mark.parametrize("n_student", [0, 13])
def test_a_student_has_no_more_layers_than_its_teacher_and_one_at_least(n_student):
    with pytest.raises(ValueError, match="Expected from 1 to 12 layers"):
        layers_kept(12, n_student)


@pytest.mark.parametrize("n_student", range(1, 13))
def test_kept_layers_are_different_and_end_with_the_last(n_student):
    kept = layers_kept(12, n_student)
    assert len(set(kept)) == n_student
    assert kept[-1] == 11


def test_a_student_of_all_layers_answers_as_its_teacher(tiny_bundle, policy):
    _, teacher = load_base(str(tiny_bundle.folder), policy)
    ids = torch.tensor([[2, 9, 12, 3]])
    assert torch.allclose(student_of(teacher, (0, 1)).eval()(ids).logits, teacher.eval()(ids).logits, atol=1e-6)


def test_the_distance_is_that_of_scipy():
    generator = np.random.default_rng(0)
    ours, theirs = generator.normal(size=(2, 5, 3)) * 3
    p, q = expit(theirs / 2), expit(ours / 2)
    expected = 4 * (rel_entr(p, q) + rel_entr(1 - p, 1 - q)).mean()
    assert answers_apart(torch.tensor(ours), torch.tensor(theirs), 2.0).item() == pytest.approx(expected)


def test_labels_count_only_where_there_are_any():
    logits, labels, config = torch.zeros(2, 1), torch.ones(2, 1), DistilConfig(hard_share=0.5)
    none = distil_loss(logits, logits, labels, torch.tensor([False, False]), config)
    half = distil_loss(logits, logits, labels, torch.tensor([True, False]), config)
    assert none.item() == 0
    assert half.item() == pytest.approx(0.25 * np.log(2))


def test_a_student_learns_from_its_teacher(tiny_bundle, texts, policy, tmp_path):
    student = distil(tiny_bundle.folder, *texts, policy, QUICK, tmp_path)
    assert student.layers == (1,)
    assert student.losses[-1] < 0.8 * student.losses[0]
    assert json.loads((tmp_path / "config.json").read_text())["num_hidden_layers"] == 1
    assert load_base(str(tmp_path), policy)[1].config.num_labels == 7


def test_two_runs_with_one_seed_are_equal(tiny_bundle, texts, policy, tmp_path):
    runs = [distil(tiny_bundle.folder, *texts, policy, QUICK, tmp_path / name) for name in ("a", "b")]
    assert runs[0].losses == runs[1].losses


def test_hidden_states_add_to_the_loss(tiny_bundle, texts, policy, tmp_path):
    config = DistilConfig(**{**vars(QUICK), "max_steps": 1})
    plain = distil(tiny_bundle.folder, *texts, policy, config, tmp_path)
    more = distil(tiny_bundle.folder, *texts, policy, DistilConfig(**{**vars(config), "hidden_weight": 1.0}), tmp_path)
    assert (plain.n_steps, more.n_steps) == (1, 1)
    assert more.losses[0] > plain.losses[0]


def test_the_teacher_answers_once(tiny_bundle, texts, policy, tmp_path):
    config = DistilConfig(**{**vars(QUICK), "max_steps": 1})
    distil(tiny_bundle.folder, *texts, policy, config, tmp_path)
    made = (tmp_path / ANSWERS).stat().st_mtime_ns
    distil(tiny_bundle.folder, *texts, policy, config, tmp_path)
    assert (tmp_path / ANSWERS).stat().st_mtime_ns == made
    train, dev, _ = texts
    distil(tiny_bundle.folder, train, dev, (), policy, config, tmp_path)
    assert (tmp_path / ANSWERS).stat().st_mtime_ns > made


def test_texts_without_labels_are_read_and_bad_ones_named(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "今天"}\n{"text": "出U", "source": "bio", "severity": 9}\n', encoding="utf-8")
    assert [(example.text, example.source) for example in read_unlabelled([path])] == [("今天", "post"), ("出U", "bio")]
    path.write_text('{"text": ""}\n{"text": "a", "source": "letter"}\n', encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_unlabelled([path])
    assert [problem.field for problem in caught.value.problems] == ["text", "source"]


def test_the_command_says_what_it_made(tiny_bundle, toy_files, tmp_path):
    arguments = [
        tiny_bundle.folder,
        toy_files["train"],
        toy_files["dev"],
        "--out",
        tmp_path,
        "--layers",
        "1",
        "--max-steps",
        "3",
        "--max-tokens",
        "48",
    ]
    done = CliRunner().invoke(app, ["distil", *map(str, arguments), "--unlabelled", str(toy_files["test"])])
    assert done.exit_code == 0, done.output
    assert "layers 1 of the teacher, 3 steps" in done.stdout
