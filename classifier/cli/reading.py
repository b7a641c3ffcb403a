"""Unlabelled texts for ``classify``: lenient, one record at a time, so that a bad record does not stop the rest."""

from __future__ import annotations

import csv
import glob
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from classifier.cli.streams import PACKED, ArrivingLines, kind_of, open_text
from classifier.errors import DataError, Problem, require

TABLES = (".jsonl", ".csv", ".parquet")


@dataclass(frozen=True)
class Incoming:
    """One record as it came: ``text`` may be anything, the classifier says what is wrong with it."""

    id: str
    text: Any
    source: str


@dataclass(frozen=True)
class Incomings:
    """Records of one or more targets. ``paths`` are the files that are read, in order: none for standard input and for a text.

    ``waiting`` says whether the next record can be had without waiting for whoever writes it.
    """

    records: Iterator[Incoming]
    paths: tuple[Path, ...]
    waiting: Callable[[], bool]


def incomings_of(targets: Sequence[str], *, source: str, text_field: str) -> Incomings:
    """Records of standard input (``-``), of one text itself, or of files and of globs of files, in order.

    A record without an id is called by its number; where there are several files, by ``path:number``.

    :raises DataError: when several targets are given and one is no file.
    """
    if list(targets) == ["-"]:
        lines = ArrivingLines(sys.stdin.fileno())
        return Incomings(_lines(lines, source=source, text_field=text_field), (), lines.waiting)
    paths = tuple(path for target in targets for path in _paths(target))
    if not paths and len(targets) == 1 and not _named_like_a_file(targets[0]):
        return Incomings(iter([Incoming("1", targets[0], source)]), (), lambda: True)
    if missing := [target for target in targets if not _paths(target)]:
        message = f"expected {'files or globs of files' if len(targets) > 1 else 'a file'}, but there is none; a text goes alone and in quotes"
        raise DataError(tuple(Problem(target[:80], 0, "file", message) for target in missing))
    return Incomings(_of_files(paths, source=source, text_field=text_field), paths, lambda: True)


def incoming_of(target: str, *, source: str, text_field: str) -> Iterator[Incoming]:
    """Records of a file by its suffix (.jsonl, .csv, .parquet, else plain lines), of standard input (``-``), or one text itself.

    :raises DataError: when the file is missing or a table lacks the text field.
    """
    return incomings_of([target], source=source, text_field=text_field).records


def chunks(records: Iterable[Incoming], size: int, *, waiting: Callable[[], bool] = lambda: True) -> Iterator[list[Incoming]]:
    """Lists of up to ``size`` records, so that memory stays flat over a stream of any length.

    A list ends early where the next record is not there yet: what has come is not kept waiting.
    """
    chunk: list[Incoming] = []
    for record in records:
        chunk.append(record)
        if len(chunk) >= size or not waiting():
            yield chunk
            chunk = []
    if chunk:
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


def _paths(target: str) -> tuple[Path, ...]:
    """The file of this name, or those that a glob finds, by name; a pipe such as ``/dev/fd/63`` is a file, too."""
    if _is_file(Path(target)):
        return (Path(target),)
    found = glob.glob(target, recursive=True) if glob.has_magic(target) else []
    return tuple(path for path in map(Path, sorted(found)) if _is_file(path))


def _is_file(path: Path) -> bool:
    try:
        return path.exists() and not path.is_dir()
    except (OSError, ValueError):  # a text too long, or with a NUL, to be a file name
        return False


def _named_like_a_file(target: str) -> bool:
    return target.endswith((*TABLES, *PACKED)) and not any(character.isspace() for character in target)


def _of_files(paths: Sequence[Path], *, source: str, text_field: str) -> Iterator[Incoming]:
    for path in paths:
        yield from _of_file(path, prefix=f"{path}:" if len(paths) > 1 else "", source=source, text_field=text_field)


def _of_file(path: Path, *, prefix: str, source: str, text_field: str) -> Iterator[Incoming]:
    kind = kind_of(path)
    if kind == ".parquet":
        yield from _parquet(path, prefix=prefix, source=source, text_field=text_field)
        return
    with open_text(path, newline="" if kind == ".csv" else None) as handle:
        read = _csv(handle, str(path), prefix=prefix, source=source, text_field=text_field) if kind == ".csv" else None
        yield from read or _lines(handle, prefix=prefix, source=source, text_field=text_field)


def _lines(lines: Iterable[str], *, source: str, text_field: str, prefix: str = "") -> Iterator[Incoming]:
    """JSON objects or plain texts, one a line; a line that begins with ``{`` and is no JSON object is taken as a plain text."""
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r\n").removeprefix("\ufeff")
        if not line.strip():
            continue
        record = _json_object(line)
        given = f"{prefix}{number}"
        yield Incoming(given, line, source) if record is None else _incoming(record, given, source=source, text_field=text_field)


def _json_object(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # a number of 5,000 digits is a ValueError, too
        return None
    return record if isinstance(record, dict) else None


def _csv(handle: TextIO, where: str, *, prefix: str, source: str, text_field: str) -> Iterator[Incoming]:
    reader = csv.DictReader(handle)
    try:
        _check_columns(where, list(reader.fieldnames or ()), text_field)
        for number, record in enumerate(reader, 1):
            yield _incoming(record, f"{prefix}{number}", source=source, text_field=text_field)
    except csv.Error as error:
        raise DataError((Problem(where, reader.line_num, "line", f"expected CSV with quotes in pairs, but got: {error}"),)) from error


def _parquet(path: Path, *, prefix: str, source: str, text_field: str) -> Iterator[Incoming]:
    if path.suffix != ".parquet":
        raise DataError((Problem(str(path), 0, "file", "expected Parquet as it is, since it packs itself; unpack the file first"),))
    parquet = require("pyarrow.parquet", extra="train")
    try:
        file = parquet.ParquetFile(path)
        _check_columns(str(path), list(file.schema_arrow.names), text_field)
        number = 0
        for batch in file.iter_batches(batch_size=1_024):
            for record in batch.to_pylist():
                number += 1
                yield _incoming(record, f"{prefix}{number}", source=source, text_field=text_field)
    except (OSError, ValueError) as error:  # pyarrow's errors are one or the other
        raise DataError((Problem(str(path), 0, "file", f"expected a Parquet file, but got: {error}"),)) from error


def _check_columns(where: str, columns: list[str], text_field: str) -> None:
    if text_field not in columns:
        message = f"expected a column of this name, but got {columns}; name the column of the texts with --text-field"
        raise DataError((Problem(where, 1, text_field, message),))


def _incoming(record: dict[str, Any], number: str, *, source: str, text_field: str) -> Incoming:
    given = record.get("source")
    return Incoming(str(record.get("id") or number), record.get(text_field), source if given in (None, "") else str(given))
