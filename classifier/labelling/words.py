"""The words that annotators choose among, the same in every tool, and what they mean under a policy.

A category is its id, a severity is ``severity:2``, and where a text has several categories its main act is ``main:trading``. The Chinese and English
names of the policy are understood too, and so is ``benign``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from classifier.labelling.items import Answer
from classifier.policy import Policy
from classifier.records.checking import Log, shown

SEVERITY, MAIN, EVIDENCE, BENIGN = "severity:", "main:", "evidence", "benign"


@dataclass(frozen=True)
class Place:
    """Where something stands: the item of a file, counted from 1. What is wrong there goes to the log."""

    path: str
    number: int
    log: Log

    def say(self, key: str, message: str) -> None:
        """Report a problem with one key of the item."""
        self.log.add(self.path, self.number, key, message)


@dataclass(frozen=True)
class Glossary:
    """Which word, case folded, stands for which category or severity of a policy."""

    categories: dict[str, str]
    severities: dict[str, int]
    words: tuple[str, ...]

    @classmethod
    def of(cls, policy: Policy) -> Glossary:
        """The words of a policy: ids, names, ``severity:N`` and ``benign``."""
        categories = {word.casefold(): c.id for c in policy.categories for word in (c.name_zh, c.name_en, c.id)}
        severities = {word.casefold(): level.severity for level in policy.levels for word in (level.name_zh, level.name_en, level.id)}
        severities |= {f"{SEVERITY}{level.severity}": level.severity for level in policy.levels} | {BENIGN: 0}
        return cls(categories, severities, (*policy.category_ids, *severity_words(policy)))

    def answer(self, words: Iterable[Any], evidence: Sequence[str], place: Place, key: str, annotator: str) -> Answer | None:
        """Put the words of one annotator together; None, and a word to the log, where they do not make an answer."""
        categories: list[str] = []
        severities: set[int] = set()
        main: list[str] = []
        for word in words:
            plain = str(word).strip().casefold()
            if plain in self.categories:
                categories.append(self.categories[plain])
            elif plain in self.severities:
                severities.add(self.severities[plain])
            elif plain.startswith(MAIN) and plain.removeprefix(MAIN) in self.categories:
                main.append(self.categories[plain.removeprefix(MAIN)])
            else:
                place.say(key, f"expected one of {', '.join(self.words)}, but got {shown(word)}")
                return None
        wrong = _contradiction(categories, severities, main)
        if wrong:
            place.say(key, wrong)
            return None
        return Answer(annotator, tuple(dict.fromkeys([*main, *categories])), next(iter(severities), None), tuple(dict.fromkeys(evidence)))


def severity_words(policy: Policy) -> tuple[str, ...]:
    """``severity:0`` and so on, one for every level."""
    return tuple(f"{SEVERITY}{level.severity}" for level in policy.levels)


def words_of(answer: Answer) -> list[str]:
    """The words that say an answer.

    >>> words_of(Answer("a", ("trading", "financing"), 2))
    ['trading', 'financing', 'main:trading', 'severity:2']
    """
    main = [f"{MAIN}{answer.categories[0]}"] if len(answer.categories) > 1 else []
    severity = 0 if not answer.categories else answer.severity
    return [*answer.categories, *main, *([] if severity is None else [f"{SEVERITY}{severity}"])]


def _contradiction(categories: Sequence[str], severities: set[int], main: Sequence[str]) -> str:
    if not categories and not severities:
        return f"expected a category or a severity, but the answer says neither; a benign text is answered {SEVERITY}0"
    if len(severities) > 1:
        return f"expected one severity, but got {sorted(severities)}"
    if severities and bool(categories) != (severities != {0}):
        return f"expected severity 0 exactly where there is no category, but got {sorted(severities)} with {list(categories)}"
    if len(main) > 1 or not set(main) <= set(categories):
        return f"expected one main act among the categories {list(categories)}, but got {list(main)}"
    return ""
