"""doccano, document classification: JSON Lines (or a JSON list) with ``id``, ``text``, ``label`` and any other columns.

Format: https://doccano.github.io/doccano/ and the examples of its import and export pages. A project where each annotator works alone is exported
as one file for each of them, named after the user: read these together, and the name of the file is the annotator. doccano has no place for
suggestions; they travel as the columns ``suggested`` and ``suggested_scores``, which its pages show beside the text.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from classifier.labelling.items import Answer, Item, Suggestion
from classifier.labelling.raw import Raw, plain_record
from classifier.labelling.words import SEVERITY, Glossary, words_of
from classifier.records.checking import shown

_LABEL_KEYS = ("label", "labels", "cats")
_OWN = (*_LABEL_KEYS, "Comments", "username", "suggested", "suggested_scores", "suggested_by")


def read_item(raw: Raw, glossary: Glossary, *, text_field: str, source: str) -> Item | None:
    """One line as an item; an empty list of labels is how doccano says that nobody answered."""
    place, line = raw
    fields = {name: value for name, value in line.items() if name not in _OWN}
    record = plain_record(place, fields, text_field=text_field, default_id=None, source=source)
    if record is None:
        return None
    evidence = record.pop("evidence", None) or []
    key = next((name for name in _LABEL_KEYS if name in line), "label")
    annotator = str(line.get("username") or Path(place.path).stem)
    words = _words(line.get(key))
    if words is None:
        place.say(key, f"expected a list of labels, but got {shown(line[key])}; export a document classification project")
        return None
    answer = glossary.answer(words, [str(part) for part in evidence], place, key, annotator) if words else None
    suggested = line.get("suggested")
    by = str(line.get("suggested_by") or "model")
    prediction = glossary.answer(suggested, (), place, "suggested", by) if isinstance(suggested, list) and suggested else None
    return Item(place.path, place.number, record, (answer,) if answer else (), (prediction,) if prediction else ())


def written_item(item: Item, suggestion: Suggestion | None) -> dict[str, Any]:
    """One item as a line to import.

    :raises ValueError: when the item has answers of several annotators, which one line cannot hold.
    """
    if len(item.answers) > 1:
        raise ValueError(f"Expected at most one answer to {item.id!r}, since a line of doccano holds one, but got {len(item.answers)}.")
    line = dict(item.record) | {"label": [word for answer in item.answers for word in words_of(answer)]}
    evidence = [part for answer in item.answers for part in answer.evidence]
    if evidence:
        line["evidence"] = evidence
    if suggestion is not None:
        answer = Answer(suggestion.model, tuple(c.category for c in suggestion.categories), suggestion.severity)
        scores = {c.category: c.prob for c in suggestion.categories} | {f"{SEVERITY}{suggestion.severity}": suggestion.score}
        words = [word for word in words_of(answer) if word in scores]
        line |= {"suggested": words, "suggested_scores": [scores[word] for word in words], "suggested_by": suggestion.model}
    return line


def _words(value: Any) -> list[str] | None:
    """The labels as texts; a CSV export joins them with ``#``."""
    if value is None:
        return []
    if isinstance(value, str):
        return [word for word in value.split("#") if word]
    if isinstance(value, list) and all(isinstance(word, str) for word in value):
        return value
    return None
