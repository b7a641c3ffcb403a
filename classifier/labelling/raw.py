"""The files of labelling tools: a JSON list of objects, or one object a line; read with the place of every problem, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from classifier.errors import DataError, Problem
from classifier.files import write_text_atomic
from classifier.labelling.words import Place
from classifier.records.checking import Log, dumps, loads, shown

Raw = tuple[Place, dict[str, Any]]
"""One object of a file and its place."""


def raw_items(path: Path, log: Log) -> Iterator[Raw]:
    """The objects of a file: a JSON list, one JSON object, or JSON Lines, whatever its suffix says.

    The place is the position in the list, or the line, counted from 1; 0 is the whole file.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        log.add(str(path), 0, "file", f"expected a readable file in UTF-8, but got: {error}")
        return
    numbered = _of_list(text, path, log) if text.lstrip().startswith("[") else _of_lines(text, path, log)
    for number, value in numbered:
        place = Place(str(path), number, log)
        if isinstance(value, dict):
            yield place, value
        else:
            place.say("item", f"expected a JSON object, but got {shown(value)}")


def _of_list(text: str, path: Path, log: Log) -> Iterator[tuple[int, Any]]:
    try:
        yield from enumerate(loads(text), 1)
    except json.JSONDecodeError as error:
        log.add(str(path), error.lineno, "file", f"expected a JSON list, but it is broken at character {error.colno}: {error.msg}")
    except (ValueError, RecursionError) as error:
        log.add(str(path), 0, "file", f"expected a JSON list, but got {error}")


def _of_lines(text: str, path: Path, log: Log) -> Iterator[tuple[int, Any]]:
    try:  # one object over several lines, as tools write a single task
        yield 1, loads(text)
        return
    except (ValueError, RecursionError):
        lines = text.split("\n")
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            yield number, loads(line)
        except (ValueError, RecursionError) as error:
            log.add(str(path), number, "line", f"expected one JSON object, but got {error}")


def write_raw(path: Path, items: Sequence[Mapping[str, Any]], *, lines: bool) -> None:
    """Write objects as JSON Lines, or as one JSON list.

    :raises DataError: when an object holds what JSON cannot.
    """
    try:
        written = [dumps(item) for item in items]
    except (TypeError, ValueError) as error:
        raise DataError((Problem(str(path), 0, "item", f"expected what JSON can hold, but got: {error}"),)) from error
    text = "".join(f"{line}\n" for line in written) if lines else "[" + ",\n ".join(written) + "]\n"
    write_text_atomic(path, text)


def plain_record(place: Place, fields: Mapping[str, Any], *, text_field: str, default_id: Any, source: str) -> dict[str, Any] | None:
    """The record of one item without labels: its text under ``text``, an id as a text, and a source; None where there is no text."""
    record = {name: value for name, value in fields.items() if value is not None and name != text_field}
    text = fields.get(text_field)
    if not isinstance(text, str) or not text.strip():
        got = f"got {shown(text)}" if text_field in fields else f"there are only {', '.join(fields) or 'no keys'}"
        place.say(text_field, f"expected a text that is not empty, but {got}; name the key of the text with --text-field")
        return None
    given = record.get("id", default_id)
    record["id"] = f"{Path(place.path).stem}-{place.number}" if given is None else str(given)
    record["text"] = text
    record.setdefault("source", source)
    return record
