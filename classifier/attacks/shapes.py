"""Rewriting by shape and script: look-alikes, split characters, traditional script, styled letters, marks in between, another order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from opencc import OpenCC

from classifier.attacks.places import OTHER, Place, View
from classifier.attacks.sounds import in_words
from classifier.attacks.tables import substitutes

ZERO_WIDTH = ("\u200b", "\u200c", "\u2060", "\ufeff")
MARKS = ("|", "·", "*", "/", ".", "_", "丨", "~")
_HAN_RUN = re.compile(r"[\u4e00-\u9fff]{4,}")
_STYLED_STARTS = (0x1D400, 0x1D5D4, 0x1D670)
"""Mathematical capital A: bold, sans-serif bold, monospace; the small letters follow at once."""


def lookalikes(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """A character of nearly the same shape, for half of the characters of each word: 巿 for 市."""
    table = substitutes("lookalikes", half)
    return in_words(view, generator, lambda i: table.get(view.text[i], ()))


def splits(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """A character as its two halves, for half of the characters of each word: 弓长 for 张."""
    table = substitutes("splits", half)
    return in_words(view, generator, lambda i: table.get(view.plain[i], ()))


def traditional(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """Traditional characters, anywhere; only those that lead back to the simplified one."""
    converted = str(_to_traditional().convert(view.text))
    if len(converted) != len(view.text):
        converted = "".join(_traditional_of(character) for character in view.text)
    for i, (before, after) in enumerate(zip(view.text, converted, strict=True)):
        if before != after and _simplified_of(after) == before:
            yield Place(i, i + 1, (after,), view.ranks[i])


def styled(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """Full-width, bold, circled and squared letters and digits, and full-width signs."""
    for i, character in enumerate(view.text):
        if "!" <= character <= "~":
            yield Place(i, i + 1, styled_forms(character), view.rank(i, i + 1))


@lru_cache(maxsize=128)
def styled_forms(character: str) -> tuple[str, ...]:
    """The other shapes of a visible ASCII character.

    >>> styled_forms("a")[0], styled_forms("7")[-1], styled_forms("!")
    ('ａ', '⑦', ('！',))
    """
    forms = [chr(ord(character) + 0xFEE0)]
    if character.isalpha():
        place = ord(character.upper()) - ord("A")
        small = 0 if character.isupper() else 26
        forms += [chr(start + small + place) for start in _STYLED_STARTS]
        forms.append(chr(0x24B6 + small + place))
        if character.isupper():
            forms += [chr(0x1F170 + place), chr(0x1F150 + place)]
    elif character.isdigit():
        forms += [chr(0x1D7CE + int(character)), chr(0x245F + int(character)) if character != "0" else "⓪"]
    return tuple(forms)


def zero_width(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """Characters that nobody sees between any two."""
    for i in range(1, len(view.text)):
        yield Place(i, i, ZERO_WIDTH, max(view.ranks[i - 1], view.ranks[i]))


def marks(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """One mark between all characters of a word: 比|特|币."""
    for start, end in view.words:
        if end - start >= 2:
            yield Place(start, end, tuple(mark.join(view.text[start:end]) for mark in MARKS), view.rank(start, end))


def reorder(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """The two middle ones of four Han characters in a row change places: 研表究明. A reader hardly notices."""
    for match in _HAN_RUN.finditer(view.text):
        for start in range(match.start(), match.end() - 3, 4):
            first, second = view.text[start + 1], view.text[start + 2]
            if first != second:
                yield Place(start + 1, start + 3, (second + first,), view.rank(start, start + 4))


def filler(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """Up to six neutral sentences around the text, three before and three after."""
    sentences = tuple(str(sentence) for sentence in generator.permutation(substitutes("filler", half)["."])[:6])
    end = len(view.text)
    for sentence in sentences[:3]:
        yield Place(0, 0, (f"{sentence}\n",), OTHER)
    for sentence in sentences[3:]:
        yield Place(end, end, (f"\n{sentence}",), OTHER)


@lru_cache(maxsize=1)
def _to_traditional() -> OpenCC:
    return OpenCC("s2t")


@lru_cache(maxsize=1)
def _to_simplified() -> OpenCC:
    return OpenCC("t2s")


@lru_cache(maxsize=65_536)
def _traditional_of(character: str) -> str:
    converted = str(_to_traditional().convert(character))
    return converted if len(converted) == 1 else character


@lru_cache(maxsize=65_536)
def _simplified_of(character: str) -> str:
    return str(_to_simplified().convert(character))
