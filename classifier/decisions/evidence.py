"""Which part of a text decides: every part is scored alone, and the parts that carry the answer by themselves are its evidence.

Scoring all parts alone runs the encoder over little more than the text once. Leaving the parts out in turn (occlusion) runs it over the whole
text for every part, some ten times as much, and on texts with marked evidence was worse at comprehensiveness, sufficiency and overlap with the
marks (``classifier.evaluation.faithfulness``): where two parts say the same, leaving out either changes nothing.

The room knows no encoder: it is given a function that scores texts, and calls it at most twice for one text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

MAX_PARTS = 24
"""Most parts that a piece is cut into."""
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
    """Characters ``start`` to ``end`` of the normalised text and by how many logits they alone raise the question above the empty text."""

    start: int
    end: int
    weight: float


def deciding_parts(text: str, score: ScoreTexts) -> tuple[Part, ...]:
    """The parts that carry the answer, best first, at most ``MAX_SPANS``; empty where no part alone raises it above the empty text.

    A part counts when it raises the logit at least 0.4 times as far as the best one; neighbours that count become one, their weights added.

    :param text: normalised, not empty.
    :param score: scores texts on the question to explain, the empty text among them.
    """
    start, end = _best_piece(text, score)
    piece = text[start:end]
    cuts = parts_of(piece)
    logits = score(["", *(piece[a:b] for a, b in cuts)]).astype(np.float64)
    rises = logits[1:] - logits[0]
    best = rises.max()
    if not best > 0:
        return ()
    kept = [Part(start + a, start + b, float(rise)) for (a, b), rise in zip(cuts, rises, strict=True) if rise >= _SHARE_OF_BEST * best]
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
