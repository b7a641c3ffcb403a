"""Reading records back, from JSONL or a database; what a crash tore is told, and the rest goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.errors import RecordsError
from classifier.serving.records import RECORD_VERSION
from classifier.serving.records_sql import SqlSink


@dataclass(frozen=True)
class StoredRecord:
    """One record; ``content`` is None where the line cannot be read, as after a crash."""

    number: int
    content: dict[str, Any] | None


def stored_records(source: str) -> Iterator[StoredRecord]:
    """The records of a JSONL file or of a database URL, in the order of writing, numbered from 1.

    :raises RecordsError: when there is no such file, or a record is of another version.
    """
    for number, line in enumerate(_rows(source) if "://" in source else _lines(Path(source)), 1):
        content = _content(line)
        version = None if content is None else content.get("record_version")
        if content is not None and version != RECORD_VERSION:
            raise RecordsError(f"{source}:{number}: expected a record of version {RECORD_VERSION}, but got {version!r}; use the matching release.")
        yield StoredRecord(number, content)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open(encoding="utf-8", errors="replace", newline="\n") as handle:
            yield from handle
    except OSError as error:
        raise RecordsError(f"{path}: expected a file of records, but got: {error}") from error


def _rows(url: str) -> Iterator[str]:
    sink = SqlSink(url)
    try:
        yield from sink.rows()
    finally:
        sink.close()


def _content(line: str) -> dict[str, Any] | None:
    """The record of a line; a line without its end was cut off, even where it happens to be JSON."""
    try:
        content = json.loads(line)
    except ValueError:
        return None
    return content if isinstance(content, dict) else None
