"""Readers of JSONL, CSV and Parquet: files in, plain records out, then examples or every problem of every file at once."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from classifier.errors import require
from classifier.examples import RECORD_FIELDS, Example
from classifier.policy import Policy
from classifier.records.checking import LISTS, REQUIRED, Log, Rows, examples_of, loads, shown


def read_examples(paths: Iterable[str | Path], policy: Policy, *, max_problems: int = 100) -> tuple[Example, ...]:
    """Read labelled files, the format by the suffix: ``.jsonl``, ``.jsonl.gz``, ``.csv`` or ``.parquet``.

    CSV has a header; its list cells are a JSON list or separated by ``|``. Blank lines and a byte order mark are passed over, nothing
    else is. The line of a problem is where the record starts; in Parquet it is the row, counted from 1; 0 means the whole file.

    :param max_problems: how many problems the error keeps; it always knows how many there are.
    :return: the examples in the order of the files and lines.
    :raises DataError: with the problems of all the files, when there is any.
    :raises MissingExtraError: for Parquet, when the extra ``train`` is not installed.
    """
    if isinstance(paths, str | Path):
        raise ValueError(f"Expected a list of paths, but got the one path {str(paths)!r}; put it in brackets.")
    log = Log(max_problems)
    examples: list[Example] = []
    places: dict[str, str] = {}
    for path in map(Path, paths):
        examples += examples_of(rows_of(path, log), str(path), policy, log, places)
    log.raise_if_any()
    return tuple(examples)


def from_dataset(dataset: Any, policy: Policy, *, max_problems: int = 100) -> tuple[Example, ...]:
    """The examples of a ``datasets.Dataset``, checked like a file; ``targets`` is left out, since it follows from the labels.

    :raises DataError: with every problem; the path is ``dataset``, the line is the row, counted from 1.
    """
    log = Log(max_problems)
    rows = ((line, {key: value for key, value in row.items() if key != "targets"}) for line, row in enumerate(dataset, 1))
    examples = examples_of(_unpacked(rows, "dataset", log), "dataset", policy, log, {})
    log.raise_if_any()
    return tuple(examples)


def suffix_of(path: Path) -> str | None:
    """The suffix of ``path`` that names a format, if any."""
    return next((suffix for suffix in READERS if path.name.endswith(suffix)), None)


def rows_of(path: Path, log: Log) -> Rows:
    """The plain records of one file; a file that cannot be read is one problem."""
    suffix = suffix_of(path)
    if suffix is None:
        log.add(str(path), 0, "file", f"expected a name ending with {', '.join(READERS)}")
        return
    try:
        with path.open("rb") as handle:
            yield from READERS[suffix](handle, str(path), log)
    except (OSError, EOFError, zlib.error) as error:  # gzip tells a cut or altered file in all three ways
        log.add(str(path), 0, "file", f"expected a readable {suffix} file, but got: {error}")


def _decoded(handle: Iterable[bytes], path: str, log: Log) -> Iterator[tuple[int, str, bool]]:
    """Number, text and soundness of every line, which ends at a line feed only: other separators may stand inside a text."""
    for line, raw in enumerate(handle, 1):
        raw = raw.removeprefix(b"\xef\xbb\xbf") if line == 1 else raw
        try:
            yield line, raw.decode("utf-8"), True
        except UnicodeDecodeError as error:
            got = f"the byte 0x{raw[error.start]:02x} at position {error.start}"
            log.add(path, line, "line", f"expected UTF-8, but got {got}; save the file as UTF-8")
            yield line, raw.decode("utf-8", errors="replace"), False


def _read_jsonl(handle: Iterable[bytes], path: str, log: Log) -> Rows:
    for line, text, sound in _decoded(handle, path, log):
        if not sound or not text.strip():
            continue
        try:
            record = loads(text)
        except json.JSONDecodeError as error:
            log.add(path, line, "line", f"expected one JSON object, but it is broken at character {error.pos + 1}: {error.msg}")
            continue
        except (ValueError, RecursionError) as error:
            log.add(path, line, "line", f"expected one JSON object, but got {error}")
            continue
        if isinstance(record, dict):
            yield line, record
        else:
            log.add(path, line, "line", f"expected one JSON object, but got {shown(record)}")


def _read_csv(handle: Iterable[bytes], path: str, log: Log) -> Rows:
    broken: set[int] = set()
    header: list[str] | None = None
    reader = csv.reader(_csv_lines(handle, path, log, broken), strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            log.add(path, start, "line", f"expected CSV with quotes in pairs, but got: {error}")
            continue
        if cells is None:
            return
        if not cells:
            continue
        sound = broken.isdisjoint(range(start, reader.line_num + 1))
        if header is None:
            header = cells
            if not sound or not _sound_header(header, path, start, log):
                return
        elif not sound:
            continue
        elif len(cells) != len(header):
            log.add(path, start, "line", f"expected {len(header)} cells as in the header, but got {len(cells)}")
        else:
            yield from _unpacked(iter([(start, _csv_record(dict(zip(header, cells, strict=True))))]), path, log)


def _csv_lines(handle: Iterable[bytes], path: str, log: Log, broken: set[int]) -> Iterator[str]:
    for line, text, sound in _decoded(handle, path, log):
        if not sound:
            broken.add(line)
        yield text


def _sound_header(header: list[str], path: str, line: int, log: Log) -> bool:
    wrong = [f"`{name}` is missing" for name in REQUIRED if name not in header]
    wrong += [f"`{name}` is there twice" for name in dict.fromkeys(header) if header.count(name) > 1]
    if wrong:
        log.add(path, line, "header", f"expected every column once and {', '.join(REQUIRED)} among them, but {', '.join(wrong)}")
    return not wrong


def _csv_record(cells: dict[str, str]) -> dict[str, Any]:
    """Cells to values: an empty cell says nothing, except that it is the empty list."""
    record: dict[str, Any] = {}
    for name, cell in cells.items():
        if name in LISTS:
            record[name] = _csv_list(cell)
        elif name == "severity" and cell.isascii() and cell.strip().isdecimal():
            record[name] = int(cell)
        elif cell or name in REQUIRED:
            record[name] = cell
    return record


def _csv_list(cell: str) -> Any:
    if cell.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):  # a text may well begin with a bracket, such as "[图片]加我"
            return loads(cell)
    return [item.strip() for item in cell.split("|") if item.strip()]


def _read_parquet(handle: BinaryIO, path: str, log: Log) -> Rows:
    parquet = require("pyarrow.parquet", extra="train")
    try:
        batches = parquet.ParquetFile(handle).iter_batches()
        rows = (row for batch in batches for row in batch.to_pylist())
        yield from _unpacked(enumerate(rows, 1), path, log)
    except ValueError as error:  # pyarrow's ArrowInvalid
        log.add(path, 0, "file", f"expected a Parquet file, but got: {error}")


def _unpacked(rows: Rows, path: str, log: Log) -> Rows:
    """Rows of a table: nothing where the cell is null, and the unknown fields taken out of the JSON in ``extra``."""
    for line, row in rows:
        record = {name: value for name, value in row.items() if value is not None and name != "extra"}
        try:
            extra = loads(row.get("extra") or "{}")
        except (TypeError, ValueError, RecursionError):
            extra = None
        if isinstance(extra, dict) and not set(extra) & set(RECORD_FIELDS):
            yield line, record | extra
        else:
            log.add(path, line, "extra", f"expected a JSON object of fields that the record does not know, but got {shown(row['extra'])}")


READERS: Mapping[str, Callable[[BinaryIO, str, Log], Rows]] = {
    ".jsonl": _read_jsonl,
    ".jsonl.gz": lambda handle, path, log: _read_jsonl(gzip.open(handle), path, log),
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}
"""One reader a format: an open file, its name and the log in, plain records out."""
