"""Argilla 2: a JSON list of records as ``Dataset.records.to_json`` writes and ``from_json`` reads.

Format: ``rg.Record.to_dict`` in https://docs.argilla.io/latest/reference/argilla/records/records. The data set needs a text field ``text``, a
multi-label question ``categories``, a label question ``severity`` and, where wanted, a label question ``main_act`` and a span question ``evidence``.
Argilla accepts responses of its own users only: an annotator that is no UUID is given one that is always the same.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from classifier.labelling.items import Answer, Item, Suggestion
from classifier.labelling.raw import Raw, plain_record
from classifier.labelling.words import EVIDENCE, MAIN, SEVERITY, Glossary, Place, words_of
from classifier.records.checking import dumps, loads, shown

_EXTRA, _ANNOTATORS = "extra_json", "annotators_json"
"""Keys of the metadata for what it cannot hold itself: fields that are no text, number or list of texts, and the names behind the UUIDs."""
_QUESTIONS = frozenset({"categories", "category", "severity", "main_act", EVIDENCE, "label", "labels"})
"""The questions that are read; a comment or a question of another kind is not a label."""
_NAMESPACE = uuid.UUID("7a9e5b52-2f0e-5d64-9a39-0d2ed5d9a4d6")


def read_item(raw: Raw, glossary: Glossary, *, text_field: str, source: str) -> Item | None:
    """One record as an item; discarded responses do not count."""
    place, content = raw
    fields, metadata = (_object(content, key, place) for key in ("fields", "metadata"))
    extra, names = (_unpacked(metadata, key, place) for key in (_EXTRA, _ANNOTATORS))
    kept = {name: value for name, value in metadata.items() if name not in (_EXTRA, _ANNOTATORS)} | extra | fields
    record = plain_record(place, kept, text_field=text_field, default_id=content.get("id"), source=source)
    if record is None:
        return None
    words: dict[str, list[Any]] = {}
    evidence: dict[str, list[str]] = {}
    for question, number, response in _responses(content, place):
        if response.get("status") not in (None, "submitted"):
            continue
        user = str(response.get("user_id") or f"annotator-{number + 1}")
        said, spans = _said(response.get("value"), record["text"], place, f"responses.{question}[{number}].value")
        words.setdefault(user, []).extend(said)
        evidence.setdefault(user, []).extend(spans)
    answers = [
        glossary.answer(said, evidence[user], place, "responses", str(names.get(user, user)))
        for user, said in words.items()
        if said or evidence[user]
    ]
    prediction = _prediction(content, glossary, record["text"], place)
    return Item(place.path, place.number, record, tuple(filter(None, answers)), (prediction,) if prediction else ())


def written_item(item: Item, suggestion: Suggestion | None) -> dict[str, Any]:
    """One item as a record to import."""
    plain = {name: value for name, value in item.record.items() if name not in ("id", "text")}
    metadata = {name: value for name, value in plain.items() if _fits_metadata(value)}
    rest = {name: value for name, value in plain.items() if name not in metadata}
    users = {answer.annotator: user_id_of(answer.annotator) for answer in item.answers}
    names = {user: name for name, user in users.items() if user != name}
    metadata |= ({_EXTRA: dumps(rest)} if rest else {}) | ({_ANNOTATORS: dumps(names)} if names else {})
    responses: dict[str, list[dict[str, Any]]] = {}
    for answer in item.answers:
        for question, value in _questions(answer, item.text).items():
            responses.setdefault(question, []).append({"value": value, "user_id": users[answer.annotator]})
    suggestions = {} if suggestion is None else _suggestions(suggestion, item.text)
    return {"id": item.id, "fields": {"text": item.text}, "metadata": metadata, "suggestions": suggestions, "responses": responses, "vectors": {}}


def user_id_of(annotator: str) -> str:
    """The UUID of an annotator: the name where it is one, else one made of it.

    >>> user_id_of("anna") == user_id_of("anna") != user_id_of("bo")
    True
    """
    try:
        return str(uuid.UUID(annotator))
    except ValueError:
        return str(uuid.uuid5(_NAMESPACE, annotator))


def _questions(answer: Answer, text: str) -> dict[str, Any]:
    words = words_of(answer)
    values: dict[str, Any] = {"categories": list(answer.categories)} if answer.categories else {}
    for word in words:
        if word.startswith(SEVERITY):
            values["severity"] = word
        elif word.startswith(MAIN):
            values["main_act"] = word
    spans = [(text.index(part), text.index(part) + len(part)) for part in answer.evidence]
    return values | ({EVIDENCE: [{"start": start, "end": end, "label": EVIDENCE} for start, end in spans]} if spans else {})


def _suggestions(suggestion: Suggestion, text: str) -> dict[str, Any]:
    answer = Answer(suggestion.model, tuple(c.category for c in suggestion.categories), suggestion.severity)
    scores: dict[str, Any] = {"categories": [c.prob for c in suggestion.categories], "severity": suggestion.score}
    values = {name: value for name, value in _questions(answer, text).items() if name in scores}
    if suggestion.evidence:
        values[EVIDENCE] = [{"start": span.start, "end": span.end, "label": EVIDENCE} for span in suggestion.evidence]
        scores[EVIDENCE] = [span.weight for span in suggestion.evidence]
    return {name: {"value": value, "score": scores[name], "agent": suggestion.model} for name, value in values.items()}


def _fits_metadata(value: Any) -> bool:
    return (isinstance(value, str | int | float) and not isinstance(value, bool)) or (
        isinstance(value, list) and bool(value) and all(isinstance(item, str) for item in value)
    )


def _object(content: Mapping[str, Any], key: str, place: Place) -> dict[str, Any]:
    value = content.get(key) or {}
    if isinstance(value, dict):
        return value
    place.say(key, f"expected an object, but got {shown(value)}; export with Dataset.records.to_json")
    return {}


def _unpacked(metadata: Mapping[str, Any], key: str, place: Place) -> dict[str, Any]:
    try:
        value = loads(metadata.get(key) or "{}")
    except (TypeError, ValueError):
        value = None
    if isinstance(value, dict):
        return value
    place.say(f"metadata.{key}", f"expected a JSON object as text, but got {shown(metadata[key])}")
    return {}


def _responses(content: Mapping[str, Any], place: Place) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for question, given in _object(content, "responses", place).items():
        if question not in _QUESTIONS:
            continue
        if not isinstance(given, list) or not all(isinstance(response, dict) for response in given):
            place.say(f"responses.{question}", f"expected a list of objects, but got {shown(given)}")
            continue
        yield from ((question, number, response) for number, response in enumerate(given))


def _said(value: Any, text: str, place: Place, key: str) -> tuple[list[Any], list[str]]:
    """Words and spans of one value; a number is a rating of the severity."""
    if isinstance(value, bool | None):
        return [], []
    if isinstance(value, int):
        return [f"{SEVERITY}{value}"], []
    values = value if isinstance(value, list) else [value]
    words = [word for word in values if isinstance(word, str)]
    spans = []
    for span in (item for item in values if isinstance(item, dict)):
        start, end = span.get("start"), span.get("end")
        if isinstance(start, int) and isinstance(end, int) and 0 <= start < end <= len(text):
            spans.append(text[start:end])
        else:
            place.say(key, f"expected a span inside the text, but got {shown(start)} to {shown(end)}")
    return words, spans


def _prediction(content: Mapping[str, Any], glossary: Glossary, text: str, place: Place) -> Answer | None:
    words: list[Any] = []
    evidence: list[str] = []
    agent = "model"
    for question, suggestion in _object(content, "suggestions", place).items():
        if isinstance(suggestion, dict) and question in _QUESTIONS:
            said, spans = _said(suggestion.get("value"), text, place, f"suggestions.{question}.value")
            words, evidence, agent = words + said, evidence + spans, str(suggestion.get("agent") or agent)
    return glossary.answer(words, evidence, place, "suggestions", agent) if words else None
