"""What exact and near duplicates mean for labelled examples: copies inside and outside declared groups, and labels that disagree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from classifier.data.similar import Similar
from classifier.examples import Example


@dataclass(frozen=True)
class Duplicates:
    """Ids of the texts that have such a partner in their own group (``inside``), and outside of it (``outside``); a text may be in both."""

    inside: tuple[str, ...]
    outside: tuple[str, ...]


@dataclass(frozen=True)
class Conflict:
    """Two texts alike in words and different in labels; ``overlap`` is that of their 5-grams, 1 where the texts are the same."""

    first_id: str
    second_id: str
    first_label: str
    second_label: str
    overlap: float


def exact_duplicates(examples: Sequence[Example], similar: Similar) -> Duplicates:
    """The texts whose normalised text occurs more than once."""
    return _duplicates(examples, [(members, members) for members in _members(similar)])


def near_duplicates(examples: Sequence[Example], similar: Similar) -> Duplicates:
    """The texts that are a near duplicate of another normalised text."""
    members = _members(similar)
    return _duplicates(examples, [(members[similar.exact[a]], members[similar.exact[b]]) for a, b in similar.pairs])


def exact_conflicts(examples: Sequence[Example], similar: Similar) -> tuple[Conflict, ...]:
    """Same normalised text, different labels: the first text against the first one of every other label."""
    conflicts = []
    for members in _members(similar):
        by_label = {label_of(examples[i]): examples[i] for i in reversed(members)}
        first = examples[members[0]]
        conflicts += [_conflict(first, other, 1.0) for other in reversed(by_label.values()) if disagree(first, other)]
    return tuple(conflicts)


def near_conflicts(examples: Sequence[Example], similar: Similar) -> tuple[Conflict, ...]:
    """Near duplicates with different labels that no declared group explains, one for each pair of normalised texts."""
    members = _members(similar)
    conflicts = []
    for (a, b), overlap in zip(similar.pairs, similar.overlaps, strict=True):
        pairs = ((examples[i], examples[j]) for i in members[similar.exact[a]] for j in members[similar.exact[b]])
        worst = next((pair for pair in pairs if disagree(*pair) and not same_group(*pair)), None)
        if worst:
            conflicts.append(_conflict(*worst, float(overlap)))
    return tuple(conflicts)


def label_of(example: Example) -> str:
    """The label in one word, categories in a fixed order.

    >>> label_of(Example("1", "…", "post", ("trading", "financing"), 2)), label_of(Example("2", "…", "post", (), None))
    ('financing+trading S2', 'benign')
    """
    acts = "+".join(sorted(example.categories)) or "benign"
    return acts if example.severity is None else f"{acts} S{example.severity}"


def disagree(first: Example, second: Example) -> bool:
    """Whether two labels contradict each other; a severity that is not given contradicts nothing."""
    severities = (first.severity, second.severity)
    return set(first.categories) != set(second.categories) or (None not in severities and severities[0] != severities[1])


def same_group(first: Example, second: Example) -> bool:
    """Whether both are in one declared group."""
    return first.group is not None and first.group == second.group


def _members(similar: Similar) -> list[list[int]]:
    """The texts of every class of equal normalised texts."""
    members: list[list[int]] = [[] for _ in range(int(similar.exact.max(initial=-1)) + 1)]
    for i, number in enumerate(similar.exact):
        members[number].append(i)
    return members


def _duplicates(examples: Sequence[Example], pairs: Sequence[tuple[list[int], list[int]]]) -> Duplicates:
    """Judge every member of one class against the groups in the other, without walking over all pairs of members."""
    inside: set[int] = set()
    outside: set[int] = set()
    for one, other in pairs:
        for mine, theirs in ((one, other), (other, one)):
            n_in_group = Counter(_group_key(examples, j) for j in theirs)
            for i in mine:
                n_own = n_in_group[_group_key(examples, i)]
                if n_own < len(theirs):
                    outside.add(i)
                if n_own > (mine is theirs):  # a text is no duplicate of itself
                    inside.add(i)
    return Duplicates(tuple(examples[i].id for i in sorted(inside)), tuple(examples[i].id for i in sorted(outside)))


def _group_key(examples: Sequence[Example], i: int) -> Hashable:
    """The group, or the text itself where it is in none."""
    return examples[i].group or i


def _conflict(first: Example, second: Example, overlap: float) -> Conflict:
    return Conflict(first.id, second.id, label_of(first), label_of(second), overlap)
