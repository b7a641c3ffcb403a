"""Long texts made by joining short ones: labelled sets have few long texts, and what a rule does to them must be seen all the same."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from classifier.examples import Example

SHORT_CHARS = 300
"""Texts above it are not joined: they are long themselves."""


def joined_texts(texts: Sequence[str], n: int, *, min_chars: int, max_chars: int, seed: int, first: Sequence[str] = ()) -> list[str]:
    r"""Texts of at least the lengths drawn, the logarithm evenly, each of texts drawn without repetition and joined by line breaks.

    :param texts: to draw from, at least one.
    :param first: of these, one stands in each joined text, at a place drawn; empty for none.

    >>> joined_texts(["一二", "三四"], 1, min_chars=4, max_chars=4, seed=0)
    ['三四\n一二']
    """
    if not texts or not 0 < min_chars <= max_chars:
        raise ValueError(f"Expected texts and 0 < min_chars <= max_chars, but got {len(texts)} texts, {min_chars} and {max_chars}.")
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        wanted = math.exp(generator.uniform(math.log(min_chars), math.log(max_chars)))
        parts = [first[int(generator.integers(len(first)))]] if first else []
        for i in generator.permutation(len(texts)).tolist():
            if sum(map(len, parts)) >= wanted:
                break
            parts.append(texts[i])
        made.append("\n".join(parts[i] for i in generator.permutation(len(parts)).tolist()))
    return made


def short_texts(examples: Sequence[Example], *, violating: bool) -> list[str]:
    """The texts that may be joined: posts that stand alone, in the order of the examples."""
    return [e.text for e in examples if e.violating == violating and len(e.text) <= SHORT_CHARS and e.source == "post"]
