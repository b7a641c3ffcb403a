"""Where a text may be rewritten, in which order, and how much of it.

Every technique only names the places it could hit and what may stand there. Here is decided which of them it does hit: the deciding words
first, then ordinary frequent words, then the rest, each kind in an order that the seed draws. A stronger attack on the same text with the same
seed hits the same places and more.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from opencc import OpenCC

from classifier.attacks.attacked import Attacked, rewritten
from classifier.attacks.tables import words

DECIDING, ORDINARY, OTHER = 2, 1, 0
"""How early a place is hit: the highest first."""


@dataclass(frozen=True)
class Place:
    """Characters ``start`` to ``end`` (the same for an insertion), what may stand there instead, and how early it is hit."""

    start: int
    end: int
    options: tuple[str, ...]
    rank: int = OTHER


@dataclass(frozen=True)
class View:
    """A text with the words found in it.

    ``plain`` is the text in simplified script where that has the same length, else the text itself; words are looked for in it.
    ``words`` are start and end of each, without overlap; ``ranks`` say of each character how early it is hit.
    """

    text: str
    plain: str
    words: tuple[tuple[int, int], ...]
    ranks: tuple[int, ...]

    def rank(self, start: int, end: int) -> int:
        """The rank of a stretch: that of its most deciding character."""
        return max(self.ranks[start : max(end, start + 1)], default=OTHER)


def view_of(text: str) -> View:
    """Find the deciding and the ordinary words of a text, the longest first.

    >>> view_of("今天收币").words
    ((0, 2), (2, 4))
    """
    simplified = str(_to_simplified().convert(text)) if not text.isascii() else text
    plain = simplified if len(simplified) == len(text) else text
    found: list[tuple[int, int]] = []
    ranks = [OTHER] * len(text)
    for match in _word_pattern().finditer(plain):
        found.append(match.span())
        rank = DECIDING if match.group() in _deciding() else ORDINARY
        ranks[match.start() : match.end()] = [rank] * len(match.group())
    return View(text, plain, tuple(found), tuple(ranks))


def places_of(view: View, substitutes: Mapping[str, tuple[str, ...]]) -> Iterator[Place]:
    """The places where a word of a table stands, the longest words first, without overlap."""
    for match in pattern_of(tuple(substitutes)).finditer(view.plain):
        start, end = match.span()
        yield Place(start, end, substitutes[match.group()], view.rank(start, end))


def hit(text: str, places: Sequence[Place], intensity: float, generator: np.random.Generator) -> Attacked:
    """Rewrite a share of the places.

    :param places: in the order of the text, without overlap.
    :param intensity: share of the places that are hit, from 0 (none) to 1 (all), rounded up.
    """
    if not 0 <= intensity <= 1:
        raise ValueError(f"Expected an intensity from 0 to 1, but got {intensity}.")
    # Everything is drawn before the intensity counts, so that more of it only adds to the same rewriting.
    keys, choices = generator.random(len(places)), generator.random(len(places))
    order = sorted(range(len(places)), key=lambda i: (-places[i].rank, keys[i]))
    n_hit = math.ceil(intensity * len(places) - 1e-9)
    chosen = [(places[i], choices[i]) for i in sorted(order[:n_hit])]
    return rewritten(text, [(place.start, place.end, place.options[int(choice * len(place.options))]) for place, choice in chosen])


def generator_of(text: str, seed: int) -> np.random.Generator:
    """Draws that depend on the seed and on the text, so that texts of one run are not all hit alike."""
    if seed < 0:
        raise ValueError(f"Expected a seed of at least 0, but got {seed}.")
    return np.random.default_rng([seed, zlib.crc32(text.encode("utf-8", errors="surrogatepass"))])


@lru_cache(maxsize=64)
def pattern_of(keys: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words, the longest that fits."""
    return re.compile("|".join(re.escape(key) for key in sorted(keys, key=lambda key: (-len(key), key))))


@lru_cache(maxsize=1)
def _word_pattern() -> re.Pattern[str]:
    return pattern_of(words("deciding") + words("ordinary"))


@lru_cache(maxsize=1)
def _deciding() -> frozenset[str]:
    return frozenset(words("deciding"))


@lru_cache(maxsize=1)
def _to_simplified() -> OpenCC:
    return OpenCC("t2s")
