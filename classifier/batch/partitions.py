"""One partition: an input file in, a Parquet file of decisions out, whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

from classifier.batch.columns import COLUMNS, columns_of
from classifier.batch.rows import SUFFIXES, BadRow, Row, rows_of
from classifier.errors import DataError, Problem, require
from classifier.files import sha256_of
from classifier.inference import Classifier

DECISIONS, BAD_ROWS, SCRATCH = "decisions", "bad-rows", "_temporary"
_CHUNK = 1_024
_KEY = b"classifier"


@dataclass(frozen=True)
class BatchSettings:
    """What a run reads, with which bundle, and where it writes. The folders must be the same for every machine, on a shared file system.

    ``n_threads`` are those of each classifier, and the cores that Ray reserves for it; ``source`` holds for rows that do not say it themselves.
    """

    bundle: Path
    input_folder: Path
    output_folder: Path
    text_field: str = "text"
    source: str = "post"
    evidence: bool = False
    cascade: bool = False
    n_threads: int = 1

    def load(self) -> Classifier:
        """The classifier, made where it is used."""
        return Classifier.load(self.bundle, n_threads=self.n_threads, cascade=self.cascade)

    def output_path(self, name: str) -> Path:
        """Where the decisions of a partition are; nothing else writes there, so that the file says: done."""
        return self.output_folder / DECISIONS / f"{name}.parquet"

    def bad_path(self, name: str) -> Path:
        """Where the bad rows of a partition are, if it has any."""
        return self.output_folder / BAD_ROWS / f"{name}.jsonl"


@dataclass(frozen=True)
class PartitionReport:
    """What became of one partition. ``skipped``: it was done before. ``error``: why it has no output."""

    name: str
    n_decided: int = 0
    n_bad: int = 0
    skipped: bool = False
    error: str | None = None


def partitions_of(folder: Path) -> tuple[str, ...]:
    """Names of the input files below ``folder``, sorted; hidden files and those that begin with ``_`` are no data.

    :raises DataError: when there is none.
    """
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.name.endswith(SUFFIXES) and path.is_file())
    names = sorted(str(path) for path in paths if not any(part.startswith((".", "_")) for part in path.parts))
    if not names:
        raise DataError((Problem(str(folder), 0, "folder", f"expected files ending with {', '.join(SUFFIXES)}, but got none"),))
    return tuple(names)


def decide_partition(classifier: Classifier, settings: BatchSettings, name: str) -> PartitionReport:
    """Decide about one input file, or skip it when its output is there.

    :raises DataError: when the file cannot be read, or an output made from something else stands there.
    """
    made_from = _made_from(classifier, settings, name)
    path = settings.output_path(name)
    if path.exists():
        return _report_of(path, name, made_from)
    with _placed(path, settings.output_folder) as table_path, _placed(settings.bad_path(name), settings.output_folder) as bad_path:
        report = _write(classifier, settings, name, table_path, bad_path, made_from)
        if not report.n_bad:
            bad_path.unlink()
    return report


def _write(
    classifier: Classifier, settings: BatchSettings, name: str, table_path: Path, bad_path: Path, made_from: Mapping[str, Any]
) -> PartitionReport:
    arrow, parquet = require("pyarrow", extra="batch"), require("pyarrow.parquet", extra="batch")
    schema = arrow.schema([("row", arrow.int64()), *((column, arrow.type_for_alias(kind)) for column, kind in COLUMNS.items())])
    n_decided = n_bad = 0
    rows = rows_of(settings.input_folder / name, settings.text_field)
    with parquet.ParquetWriter(table_path, schema, compression="zstd") as writer, bad_path.open("w", encoding="utf-8") as bad_rows:
        while chunk := list(islice(rows, _CHUNK)):
            decided, bad = _decide(classifier, settings, chunk)
            writer.write_table(arrow.Table.from_pylist(decided, schema=schema))
            _write_bad(bad_rows, settings.input_folder / name, bad)
            n_decided, n_bad = n_decided + len(decided), n_bad + len(bad)
        content = {**made_from, "n_decided": n_decided, "n_bad": n_bad}
        writer.add_key_value_metadata({_KEY: json.dumps(content).encode()})
    return PartitionReport(name, n_decided, n_bad)


def _decide(classifier: Classifier, settings: BatchSettings, chunk: Iterable[Row | BadRow]) -> tuple[list[dict[str, Any]], list[BadRow]]:
    bad = [row for row in chunk if isinstance(row, BadRow)]
    rows = [row for row in chunk if isinstance(row, Row)]
    decisions = classifier.classify_many(
        [row.fields.get(settings.text_field) for row in rows],  # type: ignore[misc]  # what is no text gets a decision that says so
        source=[str(row.fields.get("source") or settings.source) for row in rows],
        ids=[str(row.fields.get("id") or row.number) for row in rows],
        evidence=settings.evidence,
    )
    decided = []
    for row, decision in zip(rows, decisions, strict=True):
        if decision.error is None:
            decided.append({"row": row.number, **columns_of(decision)})
        else:
            bad.append(BadRow(row.number, decision.error))
    return decided, sorted(bad, key=lambda row: row.number)


def _write_bad(handle: TextIO, path: Path, bad: Iterable[BadRow]) -> None:
    for row in bad:
        handle.write(json.dumps({"file": str(path), "row": row.number, "reason": row.reason}) + "\n")


def _made_from(classifier: Classifier, settings: BatchSettings, name: str) -> dict[str, Any]:
    bundle = classifier.bundle
    options = {"text_field": settings.text_field, "source": settings.source, "evidence": settings.evidence, "cascade": settings.cascade}
    try:
        sha256 = sha256_of(settings.input_folder / name)
    except OSError as error:
        raise DataError((Problem(name, 0, "file", f"expected a readable file, but got: {error}"),)) from error
    return {"input": sha256, "bundle": dict(sorted(bundle.hashes.items())), "void": bundle.void is not None, "options": options}


def _report_of(path: Path, name: str, made_from: Mapping[str, Any]) -> PartitionReport:
    """The report of a partition that was done before."""
    metadata = require("pyarrow.parquet", extra="batch").read_metadata(path).metadata or {}
    content = json.loads(metadata.get(_KEY, b"{}"))
    changed = [key for key in made_from if content.get(key) != made_from[key]]
    if changed:
        message = f"expected the output of the same run, but {', '.join(changed)} differ(s); give another output folder, or delete this file"
        raise DataError((Problem(str(path), 0, "file", message),))
    return PartitionReport(name, content["n_decided"], content["n_bad"], skipped=True)


@contextmanager
def _placed(path: Path, output_folder: Path) -> Iterator[Path]:
    """A scratch path that takes its place when the block ends well; a file that was deleted in the block takes away what stood there."""
    scratch = output_folder / SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        temporary = Path(folder) / path.name
        yield temporary
        if not temporary.exists():
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.replace(path)
