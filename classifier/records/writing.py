"""Writers of JSONL, CSV and Parquet, and the way to ``datasets``."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from classifier.errors import require
from classifier.examples import RECORD_FIELDS, Example, targets_of
from classifier.files import atomic_path
from classifier.policy import Policy
from classifier.records.checking import LISTS, dumps
from classifier.records.reading import suffix_of


def write_examples(path: str | Path, examples: Iterable[Example]) -> None:
    """Write examples to one file, the format by the suffix as in ``read_examples``, which gives them back equal.

    :raises ValueError: when the suffix names no format.
    :raises MissingExtraError: for Parquet, when the extra ``train`` is not installed.
    """
    path = Path(path)
    suffix = suffix_of(path)
    if suffix is None:
        raise ValueError(f"Expected a file name ending with {', '.join(_WRITERS)}, but got {path.name!r}.")
    with atomic_path(path) as temporary, temporary.open("wb") as handle:
        _WRITERS[suffix](handle, tuple(examples))


def to_dataset(examples: Sequence[Example], policy: Policy) -> Any:
    """A ``datasets.Dataset``: the fields of the record, ``extra`` as JSON, and ``targets`` (int8, in the order of ``policy.questions``).

    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    arrow = require("pyarrow", extra="train")
    targets = arrow.array(targets_of(examples, policy).tolist(), type=arrow.list_(arrow.int8()))
    return require("datasets", extra="train").Dataset(_table(examples).append_column("targets", targets))


def _lines(examples: Sequence[Example]) -> Iterable[bytes]:
    return (f"{dumps(example.to_record())}\n".encode() for example in examples)


def _write_jsonl(handle: BinaryIO, examples: Sequence[Example]) -> None:
    handle.writelines(_lines(examples))


def _write_jsonl_gz(handle: BinaryIO, examples: Sequence[Example]) -> None:
    with gzip.GzipFile(filename="", mode="wb", fileobj=handle, mtime=0) as packed:  # no name, no time: equal content, equal bytes
        packed.writelines(_lines(examples))


def _flat(example: Example) -> dict[str, Any]:
    """One row of a table: every field of the record, and ``extra`` as JSON where there is any."""
    row = {name: getattr(example, name) for name in RECORD_FIELDS}
    return row | {name: list(row[name]) for name in LISTS} | {"extra": dumps(dict(example.extra)) if example.extra else None}


def _write_csv(handle: BinaryIO, examples: Sequence[Example]) -> None:
    text = io.TextIOWrapper(handle, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, (*RECORD_FIELDS, "extra"))  # its line end \r\n makes it quote cells with either character
    writer.writeheader()
    for row in map(_flat, examples):
        writer.writerow(row | {name: dumps(row[name]) for name in LISTS})
    text.detach()  # flushes, and leaves the file open for its owner


def _table(examples: Sequence[Example]) -> Any:
    """A ``pyarrow.Table`` with the same columns whatever the examples hold."""
    arrow = require("pyarrow", extra="train")
    kinds = {"severity": arrow.int64()} | {name: arrow.list_(arrow.string()) for name in LISTS}
    schema = arrow.schema([(name, kinds.get(name, arrow.string())) for name in (*RECORD_FIELDS, "extra")])
    return arrow.Table.from_pylist([_flat(example) for example in examples], schema=schema)


def _write_parquet(handle: BinaryIO, examples: Sequence[Example]) -> None:
    require("pyarrow.parquet", extra="train").write_table(_table(examples), handle)


_WRITERS: Mapping[str, Callable[[BinaryIO, Sequence[Example]], None]] = {
    ".jsonl": _write_jsonl,
    ".jsonl.gz": _write_jsonl_gz,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}
