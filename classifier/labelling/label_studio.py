"""Label Studio: tasks with ``data``, ``annotations`` and ``predictions`` (its raw JSON, not JSON-MIN).

Format: https://labelstud.io/guide/task_format, https://labelstud.io/guide/predictions and the pages of the tags Choices and Labels. Offsets of spans
are those of a browser, counted in UTF-16 units; they are turned into ours on the way in, and back on the way out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import quoteattr

from classifier.labelling.items import Answer, Item, Suggestion
from classifier.labelling.raw import Raw, plain_record
from classifier.labelling.words import EVIDENCE, MAIN, SEVERITY, Glossary, Place, severity_words, words_of
from classifier.policy import Policy
from classifier.records.checking import shown

_CONTROLS = ("categories", "severity", "main_act")
_WORD_TYPES = ("choices", "taxonomy")


def read_item(raw: Raw, glossary: Glossary, *, text_field: str, source: str) -> Item | None:
    """One task as an item; skipped annotations do not count."""
    place, task = raw
    data = task.get("data")
    if not isinstance(data, dict):
        place.say("data", "expected an object `data` with the text, but there is none; export the project as JSON, not as JSON-MIN")
        return None
    record = plain_record(place, data, text_field=text_field, default_id=task.get("id"), source=source)
    if record is None:
        return None
    answers = [
        _answer(annotation, place, f"annotations[{i}]", glossary, record["text"], _annotator(annotation.get("completed_by"), i))
        for i, annotation in _objects(task, "annotations", place)
        if not annotation.get("was_cancelled")
    ]
    predictions = [
        _answer(prediction, place, f"predictions[{i}]", glossary, record["text"], str(prediction.get("model_version") or "model"))
        for i, prediction in _objects(task, "predictions", place)
    ]
    return Item(place.path, place.number, record, tuple(filter(None, answers)), tuple(filter(None, predictions)))


def written_item(item: Item, suggestion: Suggestion | None) -> dict[str, Any]:
    """One item as a task to import."""
    task: dict[str, Any] = {"data": dict(item.record)}
    if item.answers:
        task["annotations"] = [{"result": _result(answer, item.text)} for answer in item.answers]
    if suggestion is not None:
        task["predictions"] = [{"model_version": suggestion.model, "score": suggestion.score, "result": _suggested(suggestion, item.text)}]
    return task


def labelling_config(policy: Policy) -> str:
    """The labelling interface (XML) whose controls the items of ``written_item`` name."""
    categories = "".join(f"    <Choice value={quoteattr(c.id)} hint={quoteattr(c.name_zh)}/>\n" for c in policy.categories)
    levels = "".join(
        f"    <Choice value={quoteattr(word)} hint={quoteattr(level.name_zh)}/>\n"
        for word, level in zip(severity_words(policy), policy.levels, strict=True)
    )
    main = "".join(f"    <Choice value={quoteattr(MAIN + c.id)}/>\n" for c in policy.categories)
    return (
        f'<View>\n  <Labels name="{EVIDENCE}" toName="text">\n    <Label value="{EVIDENCE}"/>\n  </Labels>\n'
        '  <Text name="text" value="$text"/>\n'
        f'  <Choices name="categories" toName="text" choice="multiple">\n{categories}  </Choices>\n'
        f'  <Choices name="severity" toName="text" choice="single" required="true">\n{levels}  </Choices>\n'
        f'  <Choices name="main_act" toName="text" choice="single">\n{main}  </Choices>\n</View>\n'
    )


def _objects(task: Mapping[str, Any], key: str, place: Place) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list; ids alone, as a snapshot may hold for predictions, are passed over."""
    values = task.get(key) or []
    if not isinstance(values, list):
        place.say(key, f"expected a list, but got {shown(values)}")
        return
    yield from ((i, value) for i, value in enumerate(values) if isinstance(value, dict))


def _annotator(completed_by: Any, number: int) -> str:
    if isinstance(completed_by, dict):
        completed_by = completed_by.get("email") or completed_by.get("id")
    return f"annotator-{number + 1}" if completed_by is None else str(completed_by)


def _answer(said: Mapping[str, Any], place: Place, key: str, glossary: Glossary, text: str, annotator: str) -> Answer | None:
    result = said.get("result")
    if not isinstance(result, list):
        place.say(f"{key}.result", f"expected a list, but got {shown(result)}")
        return None
    words: list[Any] = []
    evidence: list[str] = []
    for i, region in enumerate(result):
        kind = region.get("type") if isinstance(region, dict) else None
        value = region.get("value") if isinstance(region, dict) else None
        if not isinstance(value, dict):
            place.say(f"{key}.result[{i}].value", f"expected an object, but got {shown(region)}")
            return None
        if kind in _WORD_TYPES:
            chosen = value.get(kind)
            if not isinstance(chosen, list):
                place.say(f"{key}.result[{i}].value.{kind}", f"expected a list, but got {shown(chosen)}")
                return None
            words += [word[-1] if isinstance(word, list) and word else word for word in chosen]
        elif kind == "rating":
            words.append(f"{SEVERITY}{value.get('rating')}")
        elif kind == "labels":
            evidence += _span_text(value, text, place, f"{key}.result[{i}].value")
    return glossary.answer(words, evidence, place, f"{key}.result", annotator)


def _span_text(value: Mapping[str, Any], text: str, place: Place, key: str) -> list[str]:
    start, end = value.get("start"), value.get("end")
    if isinstance(start, int) and isinstance(end, int) and 0 <= start < end:
        units = text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le", errors="replace")
        if units and units in text:
            return [units]
    given = value.get("text")
    if isinstance(given, str) and given and given in text:
        return [given]
    place.say(key, f"expected a span inside the text, but got {shown(start)} to {shown(end)}")
    return []


def _units(text: str) -> int:
    """Length in UTF-16 units.

    >>> _units("a🚀")
    3
    """
    return len(text.encode("utf-16-le")) // 2


def _result(answer: Answer, text: str) -> list[dict[str, Any]]:
    words = words_of(answer)
    chosen = (
        [word for word in words if not word.startswith((SEVERITY, MAIN))],
        [word for word in words if word.startswith(SEVERITY)],
        [word for word in words if word.startswith(MAIN)],
    )
    regions = [_choice(name, values) for name, values in zip(_CONTROLS, chosen, strict=True) if values]
    return regions + [_span(text, text.index(part), text.index(part) + len(part)) for part in answer.evidence]


def _suggested(suggestion: Suggestion, text: str) -> list[dict[str, Any]]:
    result = _result(Answer(suggestion.model, tuple(c.category for c in suggestion.categories), suggestion.severity), text)
    scores = {"severity": suggestion.score}
    if suggestion.categories:
        scores["categories"] = scores["main_act"] = suggestion.categories[0].prob
    scored = [{**region, "score": scores[region["from_name"]]} for region in result]
    return scored + [{**_span(text, span.start, span.end), "score": span.weight} for span in suggestion.evidence]


def _choice(name: str, values: Sequence[str]) -> dict[str, Any]:
    return {"from_name": name, "to_name": "text", "type": "choices", "value": {"choices": list(values)}}


def _span(text: str, start: int, end: int) -> dict[str, Any]:
    before, part = _units(text[:start]), text[start:end]
    value = {"start": before, "end": before + _units(part), "text": part, "labels": [EVIDENCE]}
    return {"from_name": EVIDENCE, "to_name": "text", "type": "labels", "value": value}
