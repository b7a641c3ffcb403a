"""Normalisation of a text with a map back to the original: pure, and the same for training and inference.

It undoes disguises that a reader does not even notice (full width, styled and enclosed letters, zero-width marks, traditional script, marks
strewn between characters). It does not undo homophones: 体现, 空头 and 转增 are words of their own, so the encoder learns to read those.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from opencc import OpenCC

_Offsets = npt.NDArray[np.int32]

_SQUARED_A, _NEGATIVE_CIRCLED_A, _NEGATIVE_SQUARED_A, _REGIONAL_A = 0x1F130, 0x1F150, 0x1F170, 0x1F1E6
_ENCLOSED_STARTS = (_SQUARED_A, _NEGATIVE_CIRCLED_A, _NEGATIVE_SQUARED_A, _REGIONAL_A)
_KEPT_CONTROLS = "\n\t\r"
_MARKS = r"*·•.|丨/_\-~^,、 "
_PLAIN = re.compile(r"[\n\x20-\x7e\u4e00-\u9fff\u3001\u3002\u201c\u201d\u2018\u2019\u2026\u300a\u300b\u3010\u3011]*\Z")
_HAN, _LETTER, _ALNUM = r"[\u4e00-\u9fff]", "[A-Za-z]", "[0-9A-Za-z]"
_STREWN_HAN = re.compile(rf"(?<!{_HAN}){_HAN}(?P<mark>[{_MARKS}]){_HAN}(?:(?P=mark){_HAN})+(?!{_HAN})")
_STREWN_LETTERS = re.compile(rf"(?<!{_ALNUM}){_LETTER}(?P<mark>[{_MARKS}]){_LETTER}(?:(?P=mark){_LETTER})+(?!{_ALNUM})")
_STARRED_HAN = re.compile(rf"(?<={_HAN})[*丨ˇ¨]+(?={_HAN})")
_ANY_MARK = re.compile(rf"[{_MARKS}]")
_TIDY = re.compile(r"(?:\S++(?:[ \n]\S++)*+)?+\Z")


@dataclass(frozen=True)
class NormalisedText:
    """A normalised text and where each of its characters came from.

    ``starts`` and ``ends`` are offsets into the original, *Shape:* (len(text),): character ``i`` stands for ``original[starts[i]:ends[i]]``.
    """

    text: str
    starts: _Offsets
    ends: _Offsets

    def original_span(self, start: int, end: int) -> tuple[int, int]:
        """Offsets in the original of the normalised characters ``start`` to ``end`` (end exclusive, at least one character)."""
        if not 0 <= start < end <= len(self.text):
            raise ValueError(f"Expected 0 <= start < end <= {len(self.text)}, but got start {start} and end {end}.")
        return int(self.starts[start]), int(self.ends[end - 1])


def normalise(text: str) -> NormalisedText:
    r"""Normalise a text.

    In this order: control, format and zero-width characters, lone surrogates and variation selectors are dropped; enclosed and styled letters
    become plain letters; every character is NFKC-normalised; traditional characters become simplified; single characters strewn with one
    mark (``U.S.D.T``, ``比*特*币``) are joined; runs of white space become one space or one line break.

    >>> normalise("🅱️圈 Ｕ.S.D.T 礦\u200b機").text
    'B圈 USDT 矿机'
    >>> normalise("ab\u200bc").original_span(1, 3)
    (1, 4)
    """
    if _PLAIN.match(text):
        positions = np.arange(len(text), dtype=np.int32)
        mapped = NormalisedText(text, positions, positions + 1)
    else:
        mapped = _map_characters(text)
    return _collapse_spaces(_join_strewn(_simplify(mapped)))


class _PlainCharacters(dict[int, str]):
    """Code points to what they are replaced with, filled as they are met; ``uneven`` holds those that do not become exactly one character."""

    def __init__(self) -> None:
        self.uneven: set[str] = set()

    def __missing__(self, code: int) -> str:
        plain = _plain_character(chr(code))
        if len(plain) != 1:
            self.uneven.add(chr(code))
        self[code] = plain
        return plain


_MAX_PLAIN_CHARACTERS = 65_536
_newest_table = [_PlainCharacters()]


def _map_characters(text: str) -> NormalisedText:
    table = _newest_table[0]
    if len(table) > _MAX_PLAIN_CHARACTERS:  # more than texts need: a fresh one, while other threads may still use the old one to the end
        table = _newest_table[0] = _PlainCharacters()
    translated = text.translate(table)
    if table.uneven.isdisjoint(text):
        positions = np.arange(len(text), dtype=np.int32)
        return NormalisedText(translated, positions, positions + 1)
    characters: list[str] = []
    starts: list[int] = []
    for i, character in enumerate(text):
        plain = table[ord(character)]
        characters.append(plain)
        starts.extend([i] * len(plain))
    begin = np.array(starts, dtype=np.int32)
    return NormalisedText("".join(characters), begin, begin + 1)


def _plain_character(character: str) -> str:
    """What one character is replaced with; the empty text drops it."""
    code = ord(character)
    for first in _ENCLOSED_STARTS:
        if first <= code < first + 26:
            return chr(ord("A") + code - first)
    category = unicodedata.category(character)
    if category in ("Cc", "Cf", "Cs", "Co", "Cn", "Mn", "Me") and character not in _KEPT_CONTROLS:
        return ""
    if category == "Ll" and unicodedata.name(character, "").startswith("LATIN LETTER SMALL CAPITAL "):
        letter = unicodedata.name(character).rpartition(" ")[2]
        return letter if len(letter) == 1 else character
    return unicodedata.normalize("NFKC", character)


@lru_cache(maxsize=1)
def _converter() -> OpenCC:
    return OpenCC("t2s")


def _simplify(mapped: NormalisedText) -> NormalisedText:
    simplified = _converter().convert(mapped.text)
    if simplified == mapped.text:
        return mapped
    if len(simplified) != len(mapped.text):  # a phrase of another length: the map needs one character for one
        simplified = "".join(_simplified_character(character) for character in mapped.text)
    return NormalisedText(simplified, mapped.starts, mapped.ends)


@lru_cache(maxsize=65_536)
def _simplified_character(character: str) -> str:
    converted = str(_converter().convert(character))
    return converted if len(converted) == 1 else character


def _join_strewn(mapped: NormalisedText) -> NormalisedText:
    dropped: set[int] = set()
    for pattern in (_STREWN_HAN, _STREWN_LETTERS):
        for match in pattern.finditer(mapped.text):
            dropped.update(i for i in range(*match.span()) if _ANY_MARK.match(mapped.text[i]))
    for match in _STARRED_HAN.finditer(mapped.text):
        dropped.update(range(*match.span()))
    return _without(mapped, dropped)


def _collapse_spaces(mapped: NormalisedText) -> NormalisedText:
    if _TIDY.match(mapped.text):
        return mapped
    characters: list[str] = []
    kept: list[int] = []
    for i, character in enumerate(mapped.text):
        if not character.isspace():
            characters.append(character)
            kept.append(i)
        elif characters and not characters[-1].isspace():
            characters.append("\n" if character in "\n\r" else " ")
            kept.append(i)
        elif characters and character == "\n":
            characters[-1] = "\n"
    while characters and characters[-1].isspace():
        characters.pop()
        kept.pop()
    return NormalisedText("".join(characters), mapped.starts[kept], mapped.ends[kept])


def _without(mapped: NormalisedText, dropped: set[int]) -> NormalisedText:
    if not dropped:
        return mapped
    kept = [i for i in range(len(mapped.text)) if i not in dropped]
    return NormalisedText("".join(mapped.text[i] for i in kept), mapped.starts[kept], mapped.ends[kept])
