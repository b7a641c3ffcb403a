"""The same decisions on Spark: a function for ``DataFrame.mapInPandas``.

::

    from classifier.batch import SPARK_SCHEMA, FrameDecider

    decided = frame.mapInPandas(FrameDecider("/shared/bundle"), schema=SPARK_SCHEMA)

The package and the bundle must be on every executor, with ``pandas`` and ``pyarrow``. A text that cannot be classified keeps its row, with
``error``. Nothing here imports Spark: any iterator of pandas frames will do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from classifier.batch.columns import COLUMNS, columns_of
from classifier.errors import DataError, Problem, require
from classifier.inference import Classifier

_SQL = {"string": "string", "int32": "int", "bool": "boolean"}
SPARK_SCHEMA = ", ".join(f"{name} {_SQL[kind]}" for name, kind in COLUMNS.items()) + ", error string"
"""The columns that come out, as Spark spells them."""


@dataclass(frozen=True)
class FrameDecider:
    """Frames with a column of texts in, frames with the columns of ``SPARK_SCHEMA`` out, row for row.

    Columns ``id`` and ``source`` are used where they are there. It travels to the executors as the name of the bundle's folder; each Python process
    loads the bundle once, and keeps it for its next partition.
    """

    bundle: str
    text_field: str = "text"
    source: str = "post"
    evidence: bool = False
    n_threads: int = 1

    def __call__(self, frames: Iterator[Any]) -> Iterator[Any]:
        """:raises DataError: when a frame lacks the column of texts."""
        pandas = require("pandas", extra="batch")
        classifier = _loaded(self.bundle, self.n_threads)
        for frame in frames:
            if self.text_field not in frame.columns:
                raise DataError((Problem("frame", 0, self.text_field, f"expected this column, but got {list(frame.columns)}"),))
            decisions = classifier.classify_many(
                [None if _is_missing(value) else value for value in frame[self.text_field].tolist()],  # type: ignore[misc]  # gets an error
                source=[self.source if not isinstance(value, str) or not value else value for value in self._column(frame, "source")],
                ids=[None if _is_missing(value) else str(value) for value in self._column(frame, "id")],
                evidence=self.evidence,
            )
            rows = [{**columns_of(decision), "error": decision.error} for decision in decisions]
            yield pandas.DataFrame(rows, columns=[*COLUMNS, "error"], dtype=object)  # as objects None stays None, where a type would make it NaN

    @staticmethod
    def _column(frame: Any, name: str) -> list[Any]:
        return list(frame[name].tolist()) if name in frame.columns else [None] * len(frame)


def _is_missing(value: object) -> bool:
    """Whether a cell is empty: pandas has NaN there, which is not itself, or None."""
    return value is None or value != value


@lru_cache(maxsize=2)
def _loaded(bundle: str, n_threads: int) -> Classifier:
    return Classifier.load(bundle, n_threads=n_threads)
