"""Where training rows live: in memory, or in an Arrow file that is mapped into it, read and written a thousand texts at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from classifier.errors import DataError, Problem
from classifier.examples import Example
from classifier.files import atomic_path

CHUNK = 1_000
"""Texts that are in memory together."""


def rows_on_disk(examples: Iterable[Example], make: Callable[[Sequence[Example]], datasets.Dataset], path: Path) -> datasets.Dataset:
    """Rows of any number of examples, in the file ``path``, written whole or not at all and mapped into memory.

    :param make: gives the rows of a thousand examples; what it does to one may not depend on the others.
    :raises DataError: when the examples do not read, or ``make`` refuses them; no file is left then.
    """
    with atomic_path(path) as temporary:
        _write(temporary, (make(chunk) for chunk in _chunks(examples)))
    return datasets.Dataset.from_file(str(path))


def _chunks(examples: Iterable[Example]) -> Iterator[tuple[Example, ...]]:
    iterator = iter(examples)
    while chunk := tuple(islice(iterator, CHUNK)):
        yield chunk


def _write(path: Path, parts: Iterator[datasets.Dataset]) -> None:
    first = next(parts, None)
    if first is None:
        raise DataError((Problem("training data", 0, "file", "expected at least one text, but there is none"),))
    with pa.ipc.new_stream(str(path), first.data.table.schema) as writer:
        for part in chain([first], parts):
            writer.write_table(part.data.table)


def column(rows: datasets.Dataset, name: str) -> npt.NDArray[Any]:
    """A column of numbers, or of lists of one length, without a Python object for each.

    :return: *Shape:* (n_rows,) or (n_rows, n_numbers).

    >>> column(datasets.Dataset.from_dict({"labels": [[0.0, 1.0], [1.0, 1.0]]}), "labels").shape
    (2, 2)
    """
    parts = [_numbers(table.column(name)) for table in rows.with_format("arrow").iter(CHUNK)]
    return np.concatenate(parts)


def _numbers(chunked: pa.ChunkedArray) -> npt.NDArray[Any]:
    values = chunked.combine_chunks()
    if not pa.types.is_list(values.type):
        return np.asarray(values.to_numpy(zero_copy_only=False))
    return np.asarray(values.flatten().to_numpy(zero_copy_only=False)).reshape(len(values), -1)


def fingerprint_of(rows: datasets.Dataset) -> str:
    """First 16 hex digits of a SHA-256 over token ids, lengths and labels of all rows: what a run learns from."""
    digest = hashlib.sha256()
    for table in rows.with_format("arrow").iter(CHUNK):
        for name in ("input_ids", "token_type_ids", "labels"):
            values = table.column(name).combine_chunks()
            digest.update(np.asarray(values.value_lengths()).tobytes())
            digest.update(np.asarray(values.flatten().to_numpy(zero_copy_only=False)).tobytes())
    return digest.hexdigest()[:16]
