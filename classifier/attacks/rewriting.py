"""One labelled text rewritten: same labels, same group, its evidence moved along."""

from __future__ import annotations

from dataclasses import replace

from classifier.attacks.attacked import Attacked
from classifier.attacks.suite import Technique
from classifier.examples import MAX_TEXT_CHARS, Example


def rewrite_example(example: Example, technique: Technique, intensity: float, seed: int, *, half: str = "test") -> Example:
    """The example with its text rewritten; ``example`` itself where the technique finds nothing to do or the text would grow too long.

    The id gets technique and intensity as an ending, the technique becomes a tag, and the group is kept (a text without one is its own
    group from here on), so that a split never parts a text from its rewritings.
    """
    attacked = technique(example.text, intensity, seed, half=half)
    if attacked.text == example.text or len(attacked.text) > MAX_TEXT_CHARS:
        return example
    return replace(
        example,
        id=f"{example.id}#{technique.name}-{intensity:g}",
        text=attacked.text,
        tags=(*example.tags, f"attack_{technique.name}"),
        group=example.group or example.id,
        evidence=_moved(example, attacked),
    )


def _moved(example: Example, attacked: Attacked) -> tuple[str, ...]:
    found = []
    for evidence in example.evidence:
        start = example.text.find(evidence)
        if start >= 0 and evidence:
            begin, end = attacked.span_of(start, start + len(evidence))
            found.append(attacked.text[begin:end])
    return tuple(found)
