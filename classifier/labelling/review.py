"""The file in which a person reviews suspect labels, and what it makes of the labels.

Each row has an empty ``verdict``, to be filled with ``keep``, ``accept`` (the suggested label), or the right words, such as ``trading severity:2``.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from classifier.errors import DataError, Problem
from classifier.examples import Example
from classifier.files import write_text_atomic
from classifier.labelling.items import Answer
from classifier.labelling.raw import raw_items
from classifier.labelling.suspects import Suspect
from classifier.labelling.words import MAIN, Glossary, Place, words_of
from classifier.policy import Policy
from classifier.records.checking import Log, dumps, shown

ANNOTATOR = "noise-review"
_KEEP, _ACCEPT = "keep", "accept"
_COLUMNS = (
    *("rank", "id", "verdict", "given", "suggested", "question", "quality", "margin", "flagged", "text"),
    *("nearest_id", "nearest_similarity", "nearest_text"),
)


@dataclass(frozen=True)
class Reviewed:
    """Labels after a review: how many were corrected and kept, and how many rows have no verdict yet."""

    examples: tuple[Example, ...]
    n_corrected: int
    n_kept: int
    n_open: int


def write_review(path: Path, suspects: Sequence[Suspect]) -> None:
    """Write suspects to be reviewed, CSV or JSON Lines by the suffix.

    :raises DataError: when the suffix is neither.
    """
    rows = [_row(suspect) for suspect in suspects]
    if path.suffix == ".jsonl":
        write_text_atomic(path, "".join(f"{dumps(row)}\n" for row in rows))
    elif path.suffix == ".csv":
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text_atomic(path, "\ufeff" + text.getvalue())  # the mark tells spreadsheets that it is UTF-8
    else:
        raise DataError((Problem(str(path), 0, "file", "expected a review file whose name ends with .jsonl or .csv"),))


def apply_review(examples: Sequence[Example], path: Path, policy: Policy) -> Reviewed:
    """Turn verdicts into labels. Evidence goes where a text becomes benign; else it stays.

    :raises DataError: with every row that names no text, a text twice, a label that is no longer the given one, or no verdict that can be understood.
    """
    log, glossary = Log(max_problems=100), Glossary.of(policy)
    by_id = {example.id: example for example in examples}
    changed: dict[str, Example] = {}
    counts: Counter[str] = Counter()
    for place, row in _rows(path, log):
        text_id, verdict = str(row.get("id")), str(row.get("verdict") or "").strip()
        if text_id not in by_id or text_id in changed:
            place.say("id", f"expected the id of one of the texts, once, but got {shown(text_id)}")
            continue
        example = by_id[text_id]
        changed[text_id] = example
        if not verdict:
            counts["open"] += 1
            continue
        if row.get("given") != _words(example.categories, example.severity):
            now = _words(example.categories, example.severity)
            place.say("given", f"expected {shown(now)}, the label of {text_id!r} now, but got {shown(row.get('given'))}; review the present labels")
        elif verdict == _KEEP:
            counts["kept"] += 1
        else:
            said = str(row.get("suggested") or "") if verdict == _ACCEPT else verdict
            answer = glossary.answer(said.replace(",", " ").split(), (), place, "verdict", ANNOTATOR)
            if answer is not None:
                counts["corrected"] += 1
                changed[text_id] = _corrected(example, answer)
    log.raise_if_any()
    corrected = tuple(changed.get(example.id, example) for example in examples)
    return Reviewed(corrected, counts["corrected"], counts["kept"], counts["open"])


def _corrected(example: Example, answer: Answer) -> Example:
    evidence = example.evidence if answer.categories else ()
    return replace(example, categories=answer.categories, severity=answer.severity, evidence=evidence, annotator=ANNOTATOR)


def _words(categories: tuple[str, ...], severity: int | None) -> str:
    """A label as words with spaces between, the main act first.

    >>> _words(("trading", "financing"), 2), _words((), None)
    ('trading financing severity:2', 'severity:0')
    """
    return " ".join(word for word in words_of(Answer("", categories, severity)) if not word.startswith(MAIN))


def _row(suspect: Suspect) -> dict[str, Any]:
    nearest = suspect.nearest
    return {
        "rank": suspect.rank,
        "id": suspect.example.id,
        "verdict": "",
        "given": _words(suspect.example.categories, suspect.example.severity),
        "suggested": _words(suspect.suggested.categories, suspect.suggested.severity),
        "question": suspect.question,
        "quality": round(suspect.quality, 4),
        "margin": round(suspect.margin, 4),
        "flagged": suspect.flagged,
        "text": suspect.example.text,
        "nearest_id": None if nearest is None else nearest.id,
        "nearest_similarity": None if nearest is None else round(nearest.similarity, 4),
        "nearest_text": None if nearest is None else nearest.text,
    }


def _rows(path: Path, log: Log) -> list[tuple[Place, Mapping[str, Any]]]:
    if path.suffix != ".csv":
        return [(place, row) for place, row in raw_items(path, log)]
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        log.add(str(path), 0, "file", f"expected a readable CSV file in UTF-8, but got: {error}")
        return []
    reader = csv.DictReader(io.StringIO(text, newline=""))
    return [(Place(str(path), reader.line_num, log), row) for row in reader]
