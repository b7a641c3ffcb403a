"""From plain records to examples: whatever does not fit is told, nothing is mended or dropped."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from classifier.errors import DataError, Problem
from classifier.examples import MAX_TEXT_CHARS, RECORD_FIELDS, SOURCES, Example
from classifier.policy import Policy

REQUIRED = ("id", "text", "source", "categories")
LISTS = ("categories", "tags", "evidence")
OPTIONAL_TEXTS = ("account_id", "group", "annotator")
Rows = Iterator[tuple[int, dict[str, Any]]]
"""Plain records, each with the line at which it starts."""


@dataclass
class Log:
    """Collects problems: all are counted, the first ``max_problems`` kept."""

    max_problems: int
    kept: list[Problem] = field(default_factory=list)
    n: int = 0

    def add(self, path: str, line: int, name: str, message: str) -> None:
        self.n += 1
        if len(self.kept) < self.max_problems:
            self.kept.append(Problem(path, line, name, message))

    def raise_if_any(self) -> None:
        if self.n:
            raise DataError(tuple(self.kept), self.n)


def examples_of(rows: Rows, path: str, policy: Policy, log: Log, places: dict[str, str]) -> list[Example]:
    """The examples of one file; ``places`` knows where each id was first seen."""
    examples = []
    for line, row in rows:
        n_before = log.n
        record = _Record(row, path, line, log)
        example = record.example(policy)
        seen = places.setdefault(example.id, f"{path}:{line}") if example.id else f"{path}:{line}"
        if seen != f"{path}:{line}":
            record.say("id", f"expected an id of its own, but {shown(example.id)} is already at {seen}")
        if log.n == n_before:
            examples.append(example)
    return examples


@dataclass(frozen=True)
class _Record:
    """One plain record on its way to an ``Example``; what does not fit goes to the log and a harmless value stands in."""

    row: Mapping[str, Any]
    path: str
    line: int
    log: Log

    def say(self, name: str, message: str) -> None:
        self.log.add(self.path, self.line, name, message)

    def got(self, name: str) -> str:
        return f"got {shown(self.row[name])}" if name in self.row else "the field is missing"

    def example(self, policy: Policy) -> Example:
        text = self.text("text", max_chars=MAX_TEXT_CHARS)
        categories = self.categories(policy)
        return Example(
            id=self.text("id"),
            text=text,
            source=self.source(),
            categories=categories,
            severity=self.severity(categories, policy),
            tags=self.texts("tags"),
            evidence=self.evidence(text),
            extra=self.extra(),
            **{name: self.optional_text(name) for name in OPTIONAL_TEXTS},
            published_at=self.published_at(),
        )

    def text(self, name: str, *, max_chars: int | None = None) -> str:
        value = self.row.get(name)
        if not isinstance(value, str) or not value.strip():
            self.say(name, f"expected a text that is not empty, but {self.got(name)}")
            return ""
        if max_chars is not None and len(value) > max_chars:
            self.say(name, f"expected at most {max_chars:,} characters, but got {len(value):,}")
        if not _encodable(value):
            self.say(name, "expected whole Unicode characters, but got a lone surrogate; the text was cut inside a character")
        return value

    def optional_text(self, name: str) -> str | None:
        return None if self.row.get(name) is None else self.text(name)

    def texts(self, name: str) -> tuple[str, ...]:
        value = self.row.get(name)
        if value is None and name not in REQUIRED:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) and item and _encodable(item) for item in value):
            self.say(name, f"expected a list of texts, but {self.got(name)}")
            return ()
        return tuple(value)

    def source(self) -> Any:
        value = self.row.get("source")
        if value not in SOURCES:
            self.say("source", f"expected one of {', '.join(SOURCES)}, but {self.got('source')}")
        return value

    def categories(self, policy: Policy) -> tuple[str, ...]:
        categories = self.texts("categories")
        known = ", ".join(policy.category_ids)
        for category in dict.fromkeys(categories):
            if category not in policy.category_ids:
                self.say("categories", f"expected ids of the policy {policy.id} ({known}), but got {shown(category)}")
            elif categories.count(category) > 1:
                self.say("categories", f"expected every category once, but got {category!r} {categories.count(category)} times")
        return categories

    def severity(self, categories: tuple[str, ...], policy: Policy) -> int | None:
        value = self.row.get("severity")
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value not in range(policy.max_severity + 1):
            self.say("severity", f"expected an integer from 0 to {policy.max_severity}, or null, but got {shown(value)}")
        elif isinstance(self.row.get("categories"), list) and (value > 0) != bool(self.row["categories"]):
            self.say("severity", f"expected 0 exactly where categories is empty, but got {value} with {list(categories)}")
        return value

    def evidence(self, text: str) -> tuple[str, ...]:
        spans = self.texts("evidence")
        for span in spans:
            if text and span not in text:
                self.say("evidence", f"expected an exact part of the text, but {shown(span)} is not in it")
        return spans

    def published_at(self) -> str | None:
        value = self.row.get("published_at")
        if isinstance(value, datetime.date):  # a date column of Parquet
            return value.isoformat()
        value = self.optional_text("published_at")
        if value and not _is_iso(value):
            self.say("published_at", f"expected an ISO date or time such as 2026-03-24, but got {shown(value)}")
        return value

    def extra(self) -> Mapping[str, Any]:
        extra = {name: _plain(value) for name, value in self.row.items() if name not in RECORD_FIELDS}
        for name, value in extra.items():
            if not _is_json({name: value}):
                self.say(shown(name), f"expected something that JSON in UTF-8 can hold, but got {shown(value)}")
        return MappingProxyType(extra)


def shown(value: Any) -> str:
    """The value for a message, short enough for one line; ``repr`` escapes what cannot be printed."""
    text = repr(value)
    return text if len(text) < 80 else f"{text[:60]}… ({len(text):,} characters)"


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime.date) else value


def _is_json(value: Any) -> bool:
    try:
        return _encodable(dumps(value))
    except (TypeError, ValueError):
        return False


def _is_iso(value: str) -> bool:
    try:
        datetime.datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def dumps(value: Any) -> str:
    """JSON on one line, Chinese as it is; NaN is not JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def loads(text: str) -> Any:
    """Strict JSON: no key twice, no NaN, so that nothing is dropped in silence."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {shown(next(key for key in keys if keys.count(key) > 1))} twice")
    return content


def _no_constant(name: str) -> float:
    raise ValueError(f"{name}, which is not JSON")
