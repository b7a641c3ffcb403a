"""One labelled text, and the 0/1 array that a set of them turns into."""

from __future__ import annotations

import dataclasses
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from classifier.policy import Policy

Source = Literal["post", "bio"]
SOURCES: tuple[Source, ...] = ("post", "bio")
SOURCE_INPUTS = ("token_type", "text_pair", "none")
"""How the encoder learns the source: as the type of all tokens (0 post, 1 bio), as the first text of a pair, or not at all."""
MAX_TEXT_CHARS = 20_000
"""The longest text of a labelled record, in characters."""
LENGTH_BUCKETS = (20, 60, 140, 300, 600, 1_000)
"""Inclusive upper ends of the length buckets of reports, in characters; the last bucket is open."""
LENGTH_BUCKET_NAMES = ("1-20", "21-60", "61-140", "141-300", "301-600", "601-1000", "1001+")

Targets = npt.NDArray[np.int8]


@dataclass(frozen=True)
class Example:
    """One labelled text.

    ``categories`` are ids of the policy, main act first; empty means benign. ``severity`` is 0 exactly then, or None where the labels
    carry none. ``extra`` keeps the fields of the file that the record does not know, so that writing gives back what was read.
    """

    id: str
    text: str
    source: Source
    categories: tuple[str, ...]
    severity: int | None
    tags: tuple[str, ...] = ()
    account_id: str | None = None
    published_at: str | None = None
    group: str | None = None
    annotator: str | None = None
    evidence: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def violating(self) -> bool:
        """Whether the text breaks the rule at all."""
        return bool(self.categories)

    def to_record(self) -> dict[str, Any]:
        """The plain record, lists for tuples, optional fields only where they say something."""
        record: dict[str, Any] = {}
        for item in dataclasses.fields(self):
            value = getattr(self, item.name)
            if item.name == "extra" or (item.name not in _ALWAYS and value in (None, ())):
                continue
            record[item.name] = list(value) if isinstance(value, tuple) else value
        return record | dict(self.extra)


_ALWAYS = frozenset({"id", "text", "source", "categories", "severity", "tags"})
RECORD_FIELDS = tuple(item.name for item in dataclasses.fields(Example) if item.name != "extra")


def targets_of(examples: Sequence[Example], policy: Policy) -> Targets:
    """Gold answers to the policy's questions.

    Where a violating text carries no severity, it counts as a yes to every severity question: the precision targets of the levels then
    do the work, and reports say so (``n_without_severity``).

    :return: int8 0/1, *Shape:* (n_texts, n_questions), columns as in ``policy.questions``.
    """
    targets = np.zeros((len(examples), len(policy.questions)), dtype=np.int8)
    column = {category_id: j for j, category_id in enumerate(policy.category_ids)}
    for i, example in enumerate(examples):
        for category_id in example.categories:
            targets[i, column[category_id]] = 1
        severity = example.severity
        if severity is None:
            severity = policy.max_severity if example.violating else 0
        targets[i, policy.n_categories : policy.n_categories + severity] = 1
    return targets


def length_bucket(n_characters: int) -> str:
    """Name of the length bucket of a text.

    >>> length_bucket(60), length_bucket(61), length_bucket(5_000)
    ('21-60', '61-140', '1001+')
    """
    return LENGTH_BUCKET_NAMES[bisect_left(LENGTH_BUCKETS, n_characters)]


def source_number(source: str, source_input: str) -> int:
    """What the encoder is told of the source: 0 for a post, 1 for a bio; 0 for all when it is not to know.

    >>> source_number("bio", "token_type"), source_number("bio", "none")
    (1, 0)
    """
    return 0 if source_input == "none" else SOURCES.index(source)


def n_without_severity(examples: Sequence[Example]) -> int:
    """How many violating texts carry no severity."""
    return sum(example.violating and example.severity is None for example in examples)
