"""Texts without labels, or with labels that nobody looks at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from classifier.examples import Example, Source
from classifier.records.checking import Log
from classifier.records.reading import rows_of


def read_unlabelled(paths: Sequence[Path]) -> tuple[Example, ...]:
    """Read files of records with a ``text`` and maybe a ``source`` (else ``post``); all other fields are passed over.

    :return: as if benign.
    :raises DataError: with every problem, when a record has no text or a source that there is not.
    """
    log = Log(100)
    examples = []
    for path in paths:
        for line, record in rows_of(path, log):
            text, source = record.get("text"), record.get("source", "post")
            if not isinstance(text, str) or not text.strip():
                log.add(str(path), line, "text", f"expected a text, but got {text!r}")
            elif source not in get_args(Source):
                log.add(str(path), line, "source", f"expected one of {', '.join(get_args(Source))}, but got {source!r}")
            else:
                examples.append(Example(f"{path.name}:{line}", text, source, (), 0))
    log.raise_if_any()
    return tuple(examples)
