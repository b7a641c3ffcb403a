"""One text on its way to or from a labelling tool: its record without labels, what annotators answered, and what a model suggests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from classifier.decisions import CategoryScore, Span

LABEL_FIELDS = ("categories", "severity", "evidence", "annotator")
"""The fields of the record that an answer fills; all others travel with the text."""


@dataclass(frozen=True)
class Answer:
    """What one annotator, or one model, said of one text; ``severity`` is None where nothing was said of it, categories have the main act first."""

    annotator: str
    categories: tuple[str, ...]
    severity: int | None
    evidence: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[frozenset[str], int | None]:
        """What two answers agree on: the set of categories, and the severity."""
        return frozenset(self.categories), self.severity


@dataclass(frozen=True)
class Item:
    """One text; ``record`` holds ``id``, ``text``, ``source`` and whatever else is not a label. ``number`` counts the items of a file from 1."""

    path: str
    number: int
    record: Mapping[str, Any]
    answers: tuple[Answer, ...] = ()
    predictions: tuple[Answer, ...] = ()

    @property
    def id(self) -> str:
        """The id of the text."""
        return str(self.record["id"])

    @property
    def text(self) -> str:
        """The text itself."""
        return str(self.record["text"])


@dataclass(frozen=True)
class Suggestion:
    """What a model would answer, and how surely.

    ``score`` is the calibrated prob of the severity suggested or a higher one, and where that is 0, the prob of none.
    """

    categories: tuple[CategoryScore, ...]
    severity: int
    score: float
    model: str
    evidence: tuple[Span, ...] = field(default=())
