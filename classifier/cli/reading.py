"""Unlabelled texts for ``classify``: lenient, one record at a time, so that a bad record does not stop the rest."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from classifier.errors import DataError, Problem, require


@dataclass(frozen=True)
class Incoming:
    """One record as it came: ``text`` may be anything, the classifier says what is wrong with it."""

    id: str
    text: Any
    source: str


def incoming_of(target: str, *, source: str, text_field: str, encoding: str = "utf-8") -> Iterator[Incoming]:
    """Records of a file by its suffix (.jsonl, .csv, .parquet, else plain lines), of standard input (``-``), or one text itself.

    :raises DataError: when the file is missing or a table lacks the text field.
    """
    path = Path(target)
    if target == "-":
        yield from _lines(_stdin(), source=source, text_field=text_field)
    elif not _is_file(path):
        yield Incoming("1", target, source)
    elif path.suffix == ".parquet":
        yield from _parquet(path, source=source, text_field=text_field)
    else:
        with path.open(encoding=encoding, errors="surrogateescape", newline="" if path.suffix == ".csv" else None) as handle:
            if path.suffix == ".csv":
                yield from _csv(handle, str(path), source=source, text_field=text_field)
            else:
                yield from _lines(handle, source=source, text_field=text_field)


def chunks(records: Iterator[Incoming], size: int) -> Iterator[list[Incoming]]:
    """Lists of up to ``size`` records, so that memory stays flat over a stream of any length."""
    while chunk := list(islice(records, size)):
        yield chunk


@contextmanager
def output_to(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that is written whole or not at all."""
    from classifier.files import atomic_path

    if path is None:
        yield sys.stdout
        return
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8") as handle:
        yield handle


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a text too long, or with a NUL, to be a file name
        return False


def _stdin() -> TextIO:
    reconfigure = getattr(sys.stdin, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(encoding="utf-8", errors="surrogateescape")
    return sys.stdin


def _lines(handle: TextIO, *, source: str, text_field: str) -> Iterator[Incoming]:
    """JSON objects or plain texts, one a line; a line that begins with ``{`` and is no JSON object is taken as a plain text."""
    for number, line in enumerate(handle, 1):
        line = line.rstrip("\r\n").removeprefix("\ufeff")
        if not line.strip():
            continue
        record = _json_object(line)
        yield Incoming(str(number), line, source) if record is None else _incoming(record, number, source=source, text_field=text_field)


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except (json.JSONDecodeError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _csv(handle: TextIO, where: str, *, source: str, text_field: str) -> Iterator[Incoming]:
    reader = csv.DictReader(handle)
    _check_columns(where, list(reader.fieldnames or ()), text_field)
    for number, record in enumerate(reader, 1):
        yield _incoming(record, number, source=source, text_field=text_field)


def _parquet(path: Path, *, source: str, text_field: str) -> Iterator[Incoming]:
    parquet = require("pyarrow.parquet", extra="train")
    file = parquet.ParquetFile(path)
    _check_columns(str(path), list(file.schema_arrow.names), text_field)
    number = 0
    for batch in file.iter_batches(batch_size=1_024):
        for record in batch.to_pylist():
            number += 1
            yield _incoming(record, number, source=source, text_field=text_field)


def _check_columns(where: str, columns: list[str], text_field: str) -> None:
    if text_field not in columns:
        message = f"expected a column of this name, but got {columns}; name the column of the texts with --text-field"
        raise DataError((Problem(where, 1, text_field, message),))


def _incoming(record: dict[str, Any], number: int, *, source: str, text_field: str) -> Incoming:
    given = record.get("source")
    return Incoming(str(record.get("id") or number), record.get(text_field), source if given in (None, "") else str(given))
