"""Masked-language training: a base in, a plain base out."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from classifier.errors import DataError
from classifier.training.pretrain import pretrain_base, read_texts
from classifier.training.train import load_base


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "texts.jsonl"
    lines = [json.dumps({"text": f"今天我们在小区门口看见一只猫{i}"}, ensure_ascii=False) for i in range(64)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def pretrained(texts, tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained")
    options = {"base": str(tiny_base), "n_epochs": 10, "batch_size": 16, "max_tokens": 24, "learning_rate": 1e-2}
    return options, folder, pretrain_base([texts], folder / "base", run_dir=folder / "run", **options)


def test_a_pretrained_base_is_a_base_again(pretrained, tiny_base, policy):
    before, after = (load_file(folder / "model.safetensors") for folder in (tiny_base, pretrained[2].folder))
    assert {name for name in after if "pooler" not in name} == set(before)
    assert not torch.equal(before["embeddings.word_embeddings.weight"], after["embeddings.word_embeddings.weight"])
    load_base(str(pretrained[2].folder), policy)


def test_masked_tokens_are_learnt(pretrained):
    # Fifteen characters in fixed places: far below the log of 70 words that guessing costs.
    assert pretrained[2].last_loss < 2.5


def test_a_killed_run_goes_on_to_the_same_weights(pretrained, texts, tmp_path):
    import shutil

    options, folder, made = pretrained
    shutil.copytree(folder / "run", tmp_path / "run")
    last = max((tmp_path / "run/checkpoints").iterdir(), key=lambda path: int(path.name.rpartition("-")[2]))
    shutil.rmtree(last)
    again = pretrain_base([texts], tmp_path / "base", run_dir=tmp_path / "run", resume=True, **options)
    one, two = (load_file(path / "model.safetensors") for path in (made.folder, again.folder))
    assert again.n_steps == made.n_steps
    assert all(torch.equal(weight, two[name]) for name, weight in one.items())


def test_a_line_without_text_is_named(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "好"}\n{"words": "好"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"texts.jsonl:2: text: expected a line such as"):
        read_texts([path])


def test_a_text_that_comes_twice_counts_once(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "好"}\n{"text": "好"}\n', encoding="utf-8")
    assert read_texts([path]) == ("好",)
