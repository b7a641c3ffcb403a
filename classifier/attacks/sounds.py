"""Rewriting by sound: homophones, pinyin, initials, letters. Needs pypinyin (the extra ``train``).

What has one spelling (pinyin, initials, letters) belongs to one half with the whole character or word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np

from classifier.attacks.places import Place, View
from classifier.attacks.tables import half_of, in_half
from classifier.errors import require

_MAX_HOMOPHONES = 12
_LETTERS = {"微": ("V",), "万": ("w", "W"), "群": ("q", "Q"), "他": ("TA",), "她": ("TA",)}
"""Where custom has another letter than the initial of the sound."""


def homophones(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """A common character of the same sound, for half of the characters of each word: 币圈, 必圈."""
    return in_words(view, generator, lambda i: in_half(view.text[i], same_sound(view.text[i]), half))


def pinyin(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """Half of the characters of each word in pinyin: 交yi所."""
    readings = _readings(view.plain)
    return in_words(view, generator, lambda i: (readings[i],) if readings[i] and half_of(view.plain[i], 0) == half else ())


def letters(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """Half of the characters of each word as one letter: B圈."""
    readings = _readings(view.plain)

    def options(i: int) -> tuple[str, ...]:
        if half_of(view.plain[i], 0) != half:
            return ()
        return _LETTERS.get(view.plain[i], (readings[i][:1].upper(), readings[i][:1]) if readings[i] else ())

    return in_words(view, generator, options)


def initials(view: View, half: str, generator: np.random.Generator) -> Iterator[Place]:
    """The initials of whole words: HY for 合约. Of neighbouring words only every second one, or nobody could read on."""
    readings = _readings(view.plain)
    last = -1
    for start, end in view.words:
        if end - start < 2 or start == last or not all(readings[start:end]) or half_of(view.plain[start:end], 0) != half:
            continue
        short = "".join(reading[0] for reading in readings[start:end])
        last = end
        yield Place(start, end, (short.upper(), short), view.rank(start, end))


def in_words(view: View, generator: np.random.Generator, options_of: Callable[[int], tuple[str, ...]]) -> Iterator[Place]:
    """Half of the characters of each word that have options, rounded up: enough to hide the word, and enough left to read it by."""
    for start, end in view.words:
        options = {i: found for i in range(start, end) if (found := options_of(i))}
        chosen = generator.permutation(sorted(options))[: (end - start + 1) // 2]
        for i in sorted(int(i) for i in chosen):
            yield Place(i, i + 1, options[i], view.ranks[i])


@lru_cache(maxsize=8_192)
def same_sound(character: str) -> tuple[str, ...]:
    """Common characters of the same sound and tone, of the same sound where no other has the tone; at most 12, in the order of GB 2312.

    >>> "必" in same_sound("币"), "币" in same_sound("币"), same_sound("a")
    (True, False, ())
    """
    sound = _sound(character)
    if not sound:
        return ()
    for key in (sound, sound.rstrip("12345")):
        others = tuple(other for other in _by_sound().get(key, ()) if other != character)
        if others:
            return others[:_MAX_HOMOPHONES]
    return ()


def _readings(plain: str) -> list[str]:
    """The pinyin of each character as its phrase has it, empty where a character has none."""
    style = require("pypinyin", extra="train")
    found: list[str] = []
    # What has no pinyin comes back in one piece per run: one empty text for each of its characters.
    for item in style.pinyin(plain, style=style.Style.NORMAL, errors=lambda run: [[""] for _ in run]):
        found.append(item[0])
    return found


def _sound(character: str) -> str:
    style = require("pypinyin", extra="train")
    found = style.pinyin(character, style=style.Style.TONE3, errors="ignore")
    return str(found[0][0]) if found else ""


@lru_cache(maxsize=1)
def _by_sound() -> dict[str, tuple[str, ...]]:
    """The 3,755 everyday characters (level 1 of GB 2312: rows 16 to 55) by sound with tone, and by sound alone."""
    found: dict[str, list[str]] = {}
    for row in range(0xB0, 0xD8):
        for column in range(0xA1, 0xFF):
            if row == 0xD7 and column > 0xF9:
                break
            character = bytes((row, column)).decode("gb2312")
            sound = _sound(character)
            for key in {sound, sound.rstrip("12345")}:
                found.setdefault(key, []).append(character)
    return {sound: tuple(characters) for sound, characters in found.items()}
