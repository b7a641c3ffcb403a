"""Which part of a text decides, by occlusion: leave a part out, and see how far the logit falls.

The room knows no encoder: it is given a function that scores texts. At most ``MAX_PARTS`` + pieces of text are scored for one text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

MAX_PARTS = 24
"""Most parts that a piece is cut into, and so the most texts that the encoder runs over for it."""
MAX_PIECE_CHARS = 240
"""A longer text is first narrowed to the piece of about this length with the highest logit."""
MAX_SPANS = 3
_SHARE_OF_BEST = 0.4
_BREAKS = re.compile(r"(?<=[\n!?;。、·|/~…—)】」』” ])|(?<=[,.:])(?!\d)")
_MIN_PART_CHARS = 2

ScoreTexts = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts to the logit of one question, float32 *Shape:* (n_texts,)."""


@dataclass(frozen=True)
class Part:
    """Characters ``start`` to ``end`` of the normalised text and by how many logits leaving them out lowers the question."""

    start: int
    end: int
    weight: float


def deciding_parts(text: str, score: ScoreTexts) -> tuple[Part, ...]:
    """The parts that carry the answer, best first, at most ``MAX_SPANS``; empty where leaving nothing out lowers it.

    :param text: normalised, not empty.
    :param score: scores texts on the question to explain.
    """
    start, end = _best_piece(text, score)
    piece = text[start:end]
    cuts = parts_of(piece)
    if len(cuts) == 1:
        return (Part(start, end, float(score([piece])[0])),)
    without = [piece[:a] + piece[b:] for a, b in cuts]
    logits = score([piece, *without]).astype(np.float64)
    drops = logits[0] - logits[1:]
    best = drops.max()
    if not best > 0:
        return ()
    kept = [Part(start + a, start + b, float(drop)) for (a, b), drop in zip(cuts, drops, strict=True) if drop >= _SHARE_OF_BEST * best]
    return tuple(sorted(_joined(kept), key=lambda part: -part.weight)[:MAX_SPANS])


def parts_of(text: str) -> list[tuple[int, int]]:
    """Cut a text at punctuation and spaces into at most ``MAX_PARTS`` neighbouring parts; a long unbroken run is cut by length.

    >>> parts_of("出U收U, 量大从优, 加V详谈")
    [(0, 5), (5, 11), (11, 16)]
    """
    width = max(_MIN_PART_CHARS, -(-len(text) // MAX_PARTS))
    longest = max(4 * width, 12)
    cuts = [0]
    for end in (match.start() for match in _BREAKS.finditer(text)):
        if end - cuts[-1] >= width:
            cuts.extend(range(cuts[-1] + longest, end - width, longest))
            cuts.append(end)
    cuts.extend(range(cuts[-1] + longest, len(text) - width, longest))
    if cuts[-1] < len(text):
        cuts.append(len(text))
    if len(cuts) - 1 > MAX_PARTS:
        step = -(-(len(cuts) - 1) // MAX_PARTS)
        cuts = [*cuts[:-1:step], cuts[-1]]
    return list(pairwise(cuts))


def _best_piece(text: str, score: ScoreTexts) -> tuple[int, int]:
    if len(text) <= MAX_PIECE_CHARS:
        return 0, len(text)
    step = MAX_PIECE_CHARS // 2
    starts = range(0, max(1, len(text) - step), step)
    logits = score([text[start : start + MAX_PIECE_CHARS] for start in starts])
    best = starts[int(np.argmax(logits))]
    return best, min(len(text), best + MAX_PIECE_CHARS)


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Neighbouring parts become one, their weights added."""
    joined: list[Part] = []
    for part in parts:
        if joined and joined[-1].end == part.start:
            joined[-1] = Part(joined[-1].start, part.end, joined[-1].weight + part.weight)
        else:
            joined.append(part)
    return joined
