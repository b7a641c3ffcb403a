"""Labelled examples in files: JSONL (also gzipped), CSV and Parquet. Reading is strict, writing is whole or not at all.

In CSV and Parquet the fields that the record does not know travel in one column ``extra`` as a JSON object, so that every format gives
back exactly what was written. Unknown columns of a foreign file are kept too.
"""

from __future__ import annotations

from classifier.records.reading import from_dataset, read_examples
from classifier.records.streaming import ExampleFiles
from classifier.records.writing import to_dataset, write_examples

__all__ = ["ExampleFiles", "from_dataset", "read_examples", "to_dataset", "write_examples"]
