"""Labelled texts to and from the files of labelling tools."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from classifier.errors import DataError, Problem
from classifier.examples import Example, Source
from classifier.labelling import argilla, doccano, label_studio
from classifier.labelling.items import LABEL_FIELDS, Answer, Item, Suggestion
from classifier.labelling.raw import Raw, plain_record, raw_items, write_raw
from classifier.labelling.settle import settled
from classifier.labelling.words import Glossary, Place
from classifier.policy import Policy
from classifier.records.checking import Log, examples_of
from classifier.records.reading import READERS, suffix_of

TOOLS = ("label-studio", "doccano", "argilla")
_ReadItem = Callable[..., Item | None]
_READ: Mapping[str, _ReadItem] = {"label-studio": label_studio.read_item, "doccano": doccano.read_item, "argilla": argilla.read_item}
_WRITE: Mapping[str, Callable[[Item, Suggestion | None], dict[str, Any]]] = {
    "label-studio": label_studio.written_item,
    "doccano": doccano.written_item,
    "argilla": argilla.written_item,
}


@dataclass(frozen=True)
class Imported:
    """What files of a tool hold: all items, the labelled texts that came of them, and what was wrong with the others."""

    items: tuple[Item, ...]
    examples: tuple[Example, ...]
    problems: tuple[Problem, ...]

    @property
    def disputed(self) -> tuple[Item, ...]:
        """The items whose annotators give no answer a majority."""
        return tuple(item for item in self.items if item.answers and settled(item.answers) is None)


def import_labels(
    paths: Sequence[Path], tool: str, policy: Policy, *, text_field: str = "text", source: Source = "post", max_problems: int = sys.maxsize
) -> Imported:
    """Read what annotators said in a tool; texts of one id, in one file or several, are one item with all their answers.

    :param tool: one of ``TOOLS``.
    :param text_field: the key of the text among the data of an item.
    :param source: of texts that do not say it themselves.
    :return: everything that could be read; ``problems`` names file, item, and key of all that could not.
    :raises ValueError: when there is no such tool.
    """
    _check_tool(tool)
    log, glossary = Log(max_problems), Glossary.of(policy)
    read: Callable[[Raw], Item | None] = partial(_READ[tool], glossary=glossary, text_field=text_field, source=source)
    found = [item for path in paths for raw in raw_items(path, log) if (item := read(raw)) is not None]
    items = tuple(_merged(found, log))
    examples = [example for item in items for example in _labelled(item, policy, log)]
    return Imported(items, tuple(examples), tuple(log.kept))


def read_items(paths: Sequence[Path], policy: Policy) -> tuple[Item, ...]:
    """Read texts to be labelled: records of this package, checked, where ``categories`` may be missing and means that nobody has labelled the text.

    :raises DataError: with every problem.
    """
    log = Log(max_problems=sys.maxsize)
    items = [item for path in paths for item in _own_items(path, policy, log)]
    merged = tuple(_merged(items, log))
    log.raise_if_any()
    return merged


def export_items(path: Path, items: Sequence[Item], tool: str, suggestions: Mapping[str, Suggestion] | None = None) -> None:
    """Write items for a tool to import: JSON Lines for doccano, a JSON list for the others.

    :param suggestions: by id of the text.
    :raises DataError: when doccano is given a text with answers of several annotators.
    :raises ValueError: when there is no such tool.
    """
    _check_tool(tool)
    several = [item for item in items if len(item.answers) > 1] if tool == "doccano" else []
    if several:
        message = f"expected at most one answer, since a line of doccano holds one, but {several[0].id!r} has {len(several[0].answers)}"
        raise DataError((Problem(several[0].path, several[0].number, "answers", message),))
    known = suggestions or {}
    write_raw(path, [_WRITE[tool](item, known.get(item.id)) for item in items], lines=tool == "doccano")


def item_of(example: Example, *, path: str = "examples", number: int = 0) -> Item:
    """A labelled text as an item with one answer."""
    record = {name: value for name, value in example.to_record().items() if name not in LABEL_FIELDS}
    return Item(path, number, record, (Answer(example.annotator or "label", example.categories, example.severity, example.evidence),))


def _check_tool(tool: str) -> None:
    if tool not in TOOLS:
        raise ValueError(f"Expected a tool among {', '.join(TOOLS)}, but got {tool!r}.")


def _own_items(path: Path, policy: Policy, log: Log) -> Iterator[Item]:
    suffix = suffix_of(path)
    if suffix is None or not path.is_file():
        log.add(str(path), 0, "file", f"expected a file whose name ends with {', '.join(READERS)}")
        return
    with path.open("rb") as handle:
        for number, row in READERS[suffix](handle, str(path), log):
            record = plain_record(Place(str(path), number, log), row, text_field="text", default_id=None, source="post")
            if record is None:
                continue
            checked = examples_of(iter([(number, {"categories": [], **record})]), str(path), policy, log, {})
            for example in checked:
                item = item_of(example, path=str(path), number=number)
                yield item if "categories" in record else replace(item, answers=())


def _merged(items: Sequence[Item], log: Log) -> Iterator[Item]:
    """One item for each id, with the answers of all; the order is that of the first."""
    by_id: dict[str, list[Item]] = {}
    for item in items:
        by_id.setdefault(item.id, []).append(item)
    for same in by_id.values():
        first = same[0]
        for item in same[1:]:
            if item.text != first.text:
                log.add(item.path, item.number, "text", f"expected the text that {item.id!r} has at {first.path}:{first.number}, but got another one")
        alike = [item for item in same if item.text == first.text]
        predictions = tuple(prediction for item in alike for prediction in item.predictions)
        yield replace(first, answers=tuple(_one_each(alike, log)), predictions=predictions)


def _one_each(items: Sequence[Item], log: Log) -> Iterator[Answer]:
    """The answers of all items; of one annotator's answers the first, and a problem where a later one differs."""
    seen: dict[str, Answer] = {}
    for item in items:
        for answer in item.answers:
            earlier = seen.setdefault(answer.annotator, answer)
            if earlier.key != answer.key:
                log.add(item.path, item.number, "answers", f"expected one answer of {answer.annotator!r} to {item.id!r}, but got two that differ")
    yield from seen.values()


def _labelled(item: Item, policy: Policy, log: Log) -> list[Example]:
    label = settled(item.answers)
    if label is None:
        return []
    record = {name: value for name, value in item.record.items() if name not in LABEL_FIELDS}
    record |= {"categories": list(label.categories), "severity": label.severity, "evidence": list(label.evidence), "annotator": label.annotator}
    return examples_of(iter([(item.number, record)]), item.path, policy, log, {})
