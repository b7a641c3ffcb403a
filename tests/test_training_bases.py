"""Bases of others: BERTs with a WordPiece vocabulary, as Chinese RoBERTa-wwm-ext and MacBERT are published, all the way to a decision."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, BertForPreTraining

from classifier import Classifier
from classifier.bundle import load_bundle
from classifier.cli.train import settings_of
from classifier.encoder.base import resolve_base
from classifier.errors import EncoderError
from classifier.policy import Policy
from classifier.training.config import TrainingConfig
from classifier.training.run import train_bundle
from classifier.training.train import load_base
from tests.conftest import CHARACTERS, WORDS


def published(folder, *, with_pooler):
    """A folder as those bases are published: ``vocab.txt``, a bare tokenizer configuration, and weights of a pretraining model as a pickle."""
    folder.mkdir()
    characters = [*dict.fromkeys(CHARACTERS.replace(" ", "").lower())]
    (folder / "vocab.txt").write_text("\n".join([*WORDS, *characters, *(f"##{character}" for character in characters)]) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"init_inputs": []}))
    (folder / "special_tokens_map.json").write_text(
        json.dumps(dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), WORDS, strict=True)))
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS) + 2 * len(characters),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    model = (BertForPreTraining if with_pooler else BertForMaskedLM)(config)
    extra = {"architectures": ["BertForMaskedLM"], "directionality": "bidi", "pooler_fc_size": 768, "pooler_type": "first_token_transform"}
    (folder / "config.json").write_text(json.dumps(config.to_dict() | extra))
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    return folder


@pytest.mark.parametrize("with_pooler", [True, False], ids=["roberta-wwm-ext", "macbert"])
def test_a_published_base_goes_all_the_way_to_a_decision(with_pooler, toy_files, tmp_path):
    base = published(tmp_path / "base", with_pooler=with_pooler)
    bundle = train_bundle(
        [toy_files["train"]],
        [toy_files["dev"]],
        tmp_path / "bundle",
        run_dir=tmp_path / "run",
        policy_name="wechat-3-24",
        config=TrainingConfig(
            base=str(base),
            max_tokens=32,
            overlap_tokens=8,
            n_epochs=16,
            patience=16,
            batch_size=8,
            learning_rate=3e-3,
            head_learning_rate=3e-3,
            seed=7,
        ),
        int8=False,
        keep_weights=True,
        resume=False,
    )
    assert bundle.settings.base == str(base)
    classifier = Classifier.load(tmp_path / "bundle")
    texts = ["今天大家收U出U加微信群", "今天大家看见一只猫"]
    selling, plain = classifier.predict_proba(texts)
    for question in ("trading", "severity>=1"):
        column = bundle.policy.questions.index(question)
        assert selling[column] > plain[column]
    assert [decision.severity >= 0 for decision in classifier.classify_many(texts)] == [True, True]
    assert (tmp_path / "run" / "learning.svg").read_text(encoding="utf-8").startswith("<svg")
    # The tokenizer of the bundle lowers Latin letters, as those vocabularies want.
    same = classifier.predict_proba(["收U出U", "收u出u"])
    assert same[0] == pytest.approx(same[1])


def test_the_weights_of_a_published_base_are_taken_over(policy, tmp_path):
    base = published(tmp_path / "base", with_pooler=True)
    _, model = load_base(str(base), policy)
    saved = torch.load(base / "pytorch_model.bin", weights_only=True)
    for name in ("embeddings.word_embeddings.weight", "encoder.layer.1.output.dense.weight", "pooler.dense.weight"):
        assert torch.equal(model.bert.state_dict()[name], saved[f"bert.{name}"]), name


@pytest.mark.parametrize("name", ["hfl/chinese-roberta-wwm-ext", "hfl/chinese-macbert-base", "google-bert/bert-base-chinese"])
def test_a_hub_name_is_left_to_the_hub(name):
    assert resolve_base(name) == name


def test_a_base_of_another_architecture_is_refused(tmp_path):
    base = published(tmp_path / "base", with_pooler=True)
    config = json.loads((base / "config.json").read_text()) | {"model_type": "roberta"}
    (base / "config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="BERT base"):
        load_base(str(base), Policy.load())


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(ValueError, match="--set NAME=VALUE"):
        settings_of(["save_steps"])


def test_the_bundle_says_where_it_comes_from(tiny_bundle):
    training = load_bundle(tiny_bundle.folder).provenance["training"]
    assert (training["n_train"], training["n_dev"], training["n_processes"]) == (160, 48, 1)
    assert training["processor_s"] > 0
