"""Texts as every baseline sees them: normalised, as the model does."""

from __future__ import annotations

from collections.abc import Sequence

from classifier.examples import Example
from classifier.text import normalise


def plain_texts(examples: Sequence[Example]) -> list[str]:
    """The normalised texts."""
    return [normalise(example.text).text for example in examples]
