"""What a rewriting did to a text, and where each stretch of the original went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """``original[start:end]`` became ``rewritten[new_start:new_end]``; an insertion has ``start == end``."""

    start: int
    end: int
    new_start: int
    new_end: int


@dataclass(frozen=True)
class Attacked:
    """A rewritten text and its edits, in the order of the text; no edit means that nothing was changed."""

    text: str
    edits: tuple[Edit, ...] = ()

    def span_of(self, start: int, end: int) -> tuple[int, int]:
        """Where the original characters ``start`` to ``end`` (end exclusive) are now; an edit that they cut into belongs to them whole.

        >>> rewritten("收币快", [(1, 2, "coin")]).span_of(1, 3)
        (1, 6)
        """
        if not 0 <= start < end:
            raise ValueError(f"Expected 0 <= start < end, but got start {start} and end {end}.")
        return self._moved(start, first=True), self._moved(end, first=False)

    def _moved(self, offset: int, *, first: bool) -> int:
        shift = 0
        for edit in self.edits:
            if edit.start < offset < edit.end:
                return edit.new_start if first else edit.new_end
            # What is inserted exactly at an end of the span stays outside of it.
            if edit.end < offset or (edit.end == offset and (first or edit.start < edit.end)):
                shift = edit.new_end - edit.end
        return offset + shift


def rewritten(text: str, replacements: Sequence[tuple[int, int, str]]) -> Attacked:
    """Put replacements into a text.

    :param replacements: start, end and what comes there, in the order of the text and without overlap.

    >>> rewritten("收币", [(1, 2, "coin")]).text
    '收coin'
    """
    parts: list[str] = []
    edits: list[Edit] = []
    done = length = 0
    for start, end, replacement in replacements:
        if not done <= start <= end <= len(text):
            raise ValueError(f"Expected replacements in order and without overlap, but got {start} to {end} after {done}.")
        parts += [text[done:start], replacement]
        length += start - done
        edits.append(Edit(start, end, length, length + len(replacement)))
        length += len(replacement)
        done = end
    return Attacked("".join([*parts, text[done:]]), tuple(edits))
