"""Deciding again about what was recorded: with the same bundle nothing may differ, with another one the changed levels are listed."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from classifier.decisions.accounts import Post
from classifier.inference import Classifier
from classifier.serving.fingerprints import Fingerprints
from classifier.serving.reading_records import StoredRecord

_CHUNK = 256


@dataclass(frozen=True)
class Difference:
    """A record about which the bundle decides otherwise; ``fields`` are those that differ."""

    number: int
    kind: str
    id: str | None
    request_id: str
    level_before: str
    level_after: str
    review_before: bool
    review_after: bool
    fields: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return asdict(self) | {"fields": list(self.fields)}


@dataclass(frozen=True)
class ReplayReport:
    """What came of a replay. ``n_replayed`` were decided again; the others were torn, lack their text, or were made by another bundle."""

    n_records: int
    n_replayed: int
    n_torn: int
    n_without_text: int
    n_other_bundle: int
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content without the differences."""
        return {name: value for name, value in asdict(self).items() if name != "differences"} | {"n_different": len(self.differences)}


def replay(records: Iterable[StoredRecord], classifier: Classifier, *, against: bool) -> ReplayReport:
    """Decide again about every record that holds its text.

    :param against: False to replay what this very bundle decided, and report whatever differs in any bit; True to decide about all records,
        whichever bundle made them, and report where level or review change.
    """
    own = asdict(Fingerprints.of(classifier.bundle))
    count: Counter[str] = Counter()
    differences: list[Difference] = []
    for chunk in _chunks(records):
        kept = []
        for record in chunk:
            state = _state(record, own, against=against)
            count[state] += 1
            if state == "replayed":
                kept.append(record)
        differences.extend(_differences(kept, classifier, against=against))
    return ReplayReport(
        n_records=count.total(),
        n_replayed=count["replayed"],
        n_torn=count["torn"],
        n_without_text=count["without_text"],
        n_other_bundle=count["other_bundle"],
        differences=tuple(differences),
    )


def _state(record: StoredRecord, own: dict[str, Any], *, against: bool) -> str:
    content = record.content
    if content is None:
        return "torn"
    if not against and content["bundle"] != own:
        return "other_bundle"
    return "replayed" if ("text" if content["kind"] == "text" else "posts") in content else "without_text"


def _differences(records: list[StoredRecord], classifier: Classifier, *, against: bool) -> Iterator[Difference]:
    decided = _decide_texts(records, classifier) | _decide_accounts(records, classifier)
    for record in records:
        before, after = _content(record)["decision"], json.loads(json.dumps(decided[record.number]))
        fields = tuple(sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key)))
        changed = any(key in fields for key in ("level", "review")) if against else bool(fields)
        if changed:
            name = before.get("account_id") if _content(record)["kind"] == "account" else before.get("id")
            heads = (record.number, _content(record)["kind"], name, _content(record)["request_id"])
            yield Difference(*heads, before["level"], after["level"], before["review"], after["review"], fields)


def _decide_texts(records: list[StoredRecord], classifier: Classifier) -> dict[int, dict[str, Any]]:
    decided: dict[int, dict[str, Any]] = {}
    for evidence in (False, True):
        group = [record for record in records if _content(record)["kind"] == "text" and _content(record)["evidence"] is evidence]
        contents = [_content(record) for record in group]
        sources, ids = [content["decision"]["source"] for content in contents], [content["decision"]["id"] for content in contents]
        decisions = classifier.classify_many([content["text"] for content in contents], source=sources, ids=ids, evidence=evidence)
        decided.update((record.number, decision.to_dict()) for record, decision in zip(group, decisions, strict=True))
    return decided


def _decide_accounts(records: list[StoredRecord], classifier: Classifier) -> dict[int, dict[str, Any]]:
    decided = {}
    for record in records:
        content = _content(record)
        if content["kind"] == "account":
            as_of = None if content["as_of"] is None else datetime.date.fromisoformat(content["as_of"])
            posts = [Post(**post) for post in content["posts"]]
            account_id = content["decision"]["account_id"]
            decided[record.number] = classifier.classify_account(content["bio"], posts, account_id=account_id, as_of=as_of).to_dict()
    return decided


def _content(record: StoredRecord) -> dict[str, Any]:
    if record.content is None:
        raise ValueError(f"Expected a record that can be read, but number {record.number} is torn.")
    return record.content


def _chunks(records: Iterable[StoredRecord]) -> Iterator[list[StoredRecord]]:
    iterator = iter(records)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
