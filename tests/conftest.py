"""Everything tests need is made here: a tiny Chinese BERT from a small vocabulary, a small labelled set, one trained bundle. No network."""

from __future__ import annotations

import json
import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertModel

from classifier.examples import Example
from classifier.policy import Policy
from classifier.records import write_examples
from classifier.training.config import TrainingConfig
from classifier.training.run import train_bundle

# Two test processes share two cores: one thread each is faster than four that wait for one another.
torch.set_num_threads(1)

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK]".split()
CHARACTERS = "今天我们在小区门口看见一只猫收出币藏品投资发行交易群加微信号元张日息老师课程新闻提醒大家不要相信，。:!? UVabc0123456789"


@pytest.fixture(scope="session")
def policy():
    return Policy.load()


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory):
    """A WordPiece BERT of two layers with random weights, as a Hugging Face folder."""
    folder = tmp_path_factory.mktemp("base")
    vocabulary = [*WORDS, *dict.fromkeys(CHARACTERS.replace(" ", "")), *(f"##{c}" for c in "UVabc0123456789")]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(WORDS)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), WORDS, strict=True))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64, **names}))
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, max_position_embeddings=64
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


ACTS = {"issuance": "发行新币", "trading": "收U出U", "financing": "投资日息", "secondary_nft": "收出藏品"}
PLAIN = ("今天看见一只猫", "小区门口新课程", "老师提醒大家不要相信", "新闻: 天天")


def make_examples(n: int, *, seed: int) -> list[Example]:
    """``n`` toy examples whose act is told by two words: enough for a tiny model to learn something."""
    generator = np.random.default_rng(seed)
    made = []
    for i in range(n):
        filler = "".join(generator.choice(list("今天我们在小区门口看见一只猫大家"), 6))
        source = "bio" if i % 3 == 0 else "post"
        if i % 2:
            act = list(ACTS)[i // 2 % 4]
            severity = 1 + i // 8 % 3
            words = ACTS[act] + ("", "加微信", "加微信群大家")[severity - 1]
            made.append(Example(f"v{seed}-{i}", f"{filler}{words}{i}", source, (act,), severity, tags=("short",), evidence=(ACTS[act],)))
        else:
            made.append(Example(f"b{seed}-{i}", f"{filler}{PLAIN[i // 2 % 4]}{i}", source, (), 0, tags=("life",)))
    return made


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory):
    """Paths of train, dev, calibration and test files of toy examples."""
    folder = tmp_path_factory.mktemp("data")
    sizes = {"train": 160, "dev": 48, "calibration": 400, "test": 120}
    paths = {}
    for seed, (name, n) in enumerate(sizes.items()):
        paths[name] = folder / f"{name}.jsonl"
        write_examples(paths[name], make_examples(n, seed=seed))
    return paths


@pytest.fixture(scope="session")
def tiny_config(tiny_base):
    return TrainingConfig(
        base=str(tiny_base), max_tokens=32, overlap_tokens=8, n_epochs=6, batch_size=8, learning_rate=3e-3, head_learning_rate=3e-3, seed=7
    )


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory, toy_files, tiny_config):
    """A bundle trained from the toy files, fp32, with weights; not calibrated."""
    folder = tmp_path_factory.mktemp("bundle")
    return train_bundle(
        [toy_files["train"]],
        [toy_files["dev"]],
        folder / "bundle",
        run_dir=folder / "run",
        policy_name="wechat-3-24",
        config=tiny_config,
        int8=False,
        keep_weights=True,
        resume=False,
    )
