"""The tables of substitutes, and their two halves: one to train with, one to attack with.

The n-th substitute of a word (from 0) belongs to the half ``train`` when n plus the CRC-32 of the word is even, else to ``test``: a word that has
one well-known substitute belongs to one half with it.
"""

from __future__ import annotations

import tomllib
import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

Half = Literal["train", "test"]
HALVES: tuple[Half, ...] = ("train", "test")
_FOLDER = Path(__file__).parent / "tables"


def half_of(plain: str, position: int) -> Half:
    """The half that a substitute belongs to.

    :param plain: what is replaced.
    :param position: of the substitute among all of ``plain``, from 0.
    """
    return HALVES[(zlib.crc32(plain.encode("utf-8")) + position) % 2]


def in_half(plain: str, substitutes: tuple[str, ...], half: str) -> tuple[str, ...]:
    """The substitutes of one half; the halves share none."""
    check_half(half)
    return tuple(substitute for n, substitute in enumerate(substitutes) if half_of(plain, n) == half)


def check_half(half: str) -> None:
    """Refuse an unknown half."""
    if half not in HALVES:
        raise ValueError(f"Expected half {' or '.join(map(repr, HALVES))}, but got {half!r}.")


@lru_cache(maxsize=64)
def substitutes(name: str, half: str) -> Mapping[str, tuple[str, ...]]:
    """What each word of a table may be replaced with, in one half; words without a substitute in it are left out."""
    check_half(half)
    found = {plain: in_half(plain, tuple(values), half) for plain, values in _read(name)["substitutes"].items()}
    return MappingProxyType({plain: values for plain, values in found.items() if values})


@lru_cache(maxsize=8)
def words(key: str) -> tuple[str, ...]:
    """The words that a rewriting goes for.

    :param key: ``"deciding"`` or ``"ordinary"``.
    """
    return tuple(dict.fromkeys(_read("words")[key].split()))


@lru_cache(maxsize=16)
def _read(name: str) -> Mapping[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
