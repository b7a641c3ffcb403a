"""Rows of one input file, good and bad: what cannot be read is a bad row with its reason, and the rest goes on."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.errors import DataError, Problem, require

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".csv", ".csv.gz")


@dataclass(frozen=True)
class Row:
    """One row: ``number`` counts from 1 (in JSONL it is the line, in CSV the record), ``fields`` is what stands in it."""

    number: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class BadRow:
    """A row that has no decision, and why."""

    number: int
    reason: str


def rows_of(path: Path, text_field: str) -> Iterator[Row | BadRow]:
    """Rows of a Parquet, JSONL or CSV file, read piece by piece.

    :raises DataError: when the file cannot be read, or a table lacks the text field.
    :raises MissingExtraError: for Parquet, when the extra ``batch`` is not installed.
    """
    read = next(reader for suffix, reader in _READERS.items() if path.name.removesuffix(".gz").endswith(suffix))
    try:
        yield from read(path, text_field)
    except (OSError, EOFError, zlib.error, ValueError, csv.Error) as error:  # of gzip, of pyarrow, and of the csv module
        raise _refused(path, f"expected a readable file, but got: {error}") from error


def _parquet(path: Path, text_field: str) -> Iterator[Row]:
    file = require("pyarrow.parquet", extra="batch").ParquetFile(path)
    _check_columns(path, file.schema_arrow.names, text_field)
    number = 0
    for batch in file.iter_batches(batch_size=1_024, columns=[name for name in ("id", "source", text_field) if name in file.schema_arrow.names]):
        for fields in batch.to_pylist():
            number += 1
            yield Row(number, fields)


def _csv(path: Path, text_field: str) -> Iterator[Row]:
    with _opened(path, newline="") as handle:
        reader = csv.DictReader(handle)
        _check_columns(path, reader.fieldnames or (), text_field)
        for number, fields in enumerate(reader, 1):
            yield Row(number, fields)


def _jsonl(path: Path, text_field: str) -> Iterator[Row | BadRow]:
    with _opened(path, newline="\n") as handle:
        for number, line in enumerate(handle, 1):
            if line.strip():
                yield _json_row(number, line, text_field)


def _json_row(number: int, line: str, text_field: str) -> Row | BadRow:
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        return BadRow(number, f"expected one JSON object, but got: {error}")
    if not isinstance(fields, dict) or text_field not in fields:
        return BadRow(number, f"expected a JSON object with the field {text_field!r}")
    return Row(number, fields)


def _opened(path: Path, *, newline: str) -> Any:
    opened: Callable[..., Any] = gzip.open if path.suffix == ".gz" else open
    return opened(path, "rt", encoding="utf-8-sig", errors="surrogateescape", newline=newline)


def _check_columns(path: Path, columns: Iterable[str], text_field: str) -> None:
    if text_field not in columns:
        raise _refused(path, f"expected the column {text_field!r}, but got {list(columns)}; name it with --text-field")


def _refused(path: Path, message: str) -> DataError:
    return DataError((Problem(str(path), 0, "file", message),))


_READERS: Mapping[str, Callable[[Path, str], Iterator[Row | BadRow]]] = {".parquet": _parquet, ".jsonl": _jsonl, ".csv": _csv}
