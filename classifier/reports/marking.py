"""Cuts a text into plain and highlighted stretches, so that a template can mark them without touching the text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Stretch:
    """A stretch of a text: whether its labels name it as evidence, and whether the model went by it."""

    text: str
    labelled: bool
    by_model: bool


def stretches(text: str, labelled: Iterable[tuple[int, int]], by_model: Iterable[tuple[int, int]] = ()) -> tuple[Stretch, ...]:
    """Cut a text at every end of a span; joined they give the text back. Spans may overlap, and what lies outside the text is ignored.

    >>> [(s.text, s.labelled, s.by_model) for s in stretches("abcd", [(1, 3)], [(2, 9)])]
    [('a', False, False), ('b', True, False), ('c', True, True), ('d', False, True)]
    """
    kinds = [_clipped(labelled, len(text)), _clipped(by_model, len(text))]
    cuts = sorted({0, len(text), *(end for spans in kinds for span in spans for end in span)})
    return tuple(
        Stretch(text[start:end], *(any(low <= start and end <= high for low, high in spans) for spans in kinds)) for start, end in pairwise(cuts)
    )


def _clipped(spans: Iterable[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    clipped = [(max(0, start), min(end, length)) for start, end in spans]
    return [(start, end) for start, end in clipped if start < end]
