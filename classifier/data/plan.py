"""What a split came to: the split of every example, and how alike the splits are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from classifier.data.check import BENIGN, counted, first_category, severity_name, severity_names
from classifier.data.components import Ids
from classifier.data.sizes import SPLITS
from classifier.examples import SOURCES, Example
from classifier.policy import Policy


@dataclass(frozen=True)
class SplitPart:
    """One split: how many texts were wanted and how many it got, what they are, and how far from the whole it is.

    ``max_deviation`` is the largest difference between the share of one (first category, severity, source) here and among all texts, and
    ``deviates_in`` names that stratum.
    """

    name: str
    n_wanted: int
    n_texts: int
    by_first_category: Mapping[str, int]
    by_severity: Mapping[str, int]
    by_source: Mapping[str, int]
    max_deviation: float
    deviates_in: str


@dataclass(frozen=True)
class SplitPlan:
    """The split of every example by id, and how it came about."""

    split_of: Mapping[str, str]
    parts: tuple[SplitPart, ...]
    seed: int
    by_time: bool
    n_components: int
    largest_component: tuple[str, ...]
    words: str

    def ids(self, split: str) -> tuple[str, ...]:
        """The ids in one split, in the order of the examples."""
        if split not in SPLITS:
            raise ValueError(f"Expected one of {', '.join(SPLITS)}, but got {split!r}.")
        return tuple(example_id for example_id, name in self.split_of.items() if name == split)


def stratum(example: Example) -> str:
    """What the splits shall be alike in: first category, severity and source, in words."""
    return f"{first_category(example)}, severity {severity_name(example)}, {example.source}"


def make_plan(
    examples: Sequence[Example], policy: Policy, split_of: Mapping[str, str], component: Ids, wanted: Mapping[str, int], seed: int, by_time: bool
) -> SplitPlan:
    """Describe a finished split.

    :param split_of: the split of every example by id.
    :param component: the component of every example, *Shape:* (n_texts,).
    :param wanted: the number of texts wanted in each split.
    """
    parts = tuple(_part(examples, policy, split_of, name, wanted[name]) for name in SPLITS)
    sizes = np.bincount(component, minlength=1)
    largest = tuple(example.id for example, number in zip(examples, component, strict=True) if number == int(np.argmax(sizes)))
    n_components = len(sizes) if examples else 0
    words = (
        f"{len(examples):,} texts under the policy {policy.id} hang together in {n_components:,} components over groups, accounts and near "
        f"duplicates, the largest of {len(largest):,} texts; each went whole to "
        + ("an early or a late pair of splits by its latest text, and there to " if by_time else "")
        + "the split that lacked its first category, severity and source most: "
        + ", ".join(f"{part.name} {part.n_texts:,} (wanted {part.n_wanted:,})" for part in parts)
    )
    return SplitPlan(split_of, parts, seed, by_time, n_components, largest, words)


def _part(examples: Sequence[Example], policy: Policy, split_of: Mapping[str, str], name: str, n_wanted: int) -> SplitPart:
    inside = [example for example in examples if split_of[example.id] == name]
    here, everywhere = Counter(map(stratum, inside)), Counter(map(stratum, examples))
    deviations = {stratum: here[stratum] / max(len(inside), 1) - n / len(examples) for stratum, n in everywhere.items()} if inside else {}
    deviates_in = max(deviations, key=lambda stratum: abs(deviations[stratum]), default="")
    return SplitPart(
        name=name,
        n_wanted=n_wanted,
        n_texts=len(inside),
        by_first_category=counted(map(first_category, inside), (BENIGN, *policy.category_ids)),
        by_severity=counted(map(severity_name, inside), severity_names(policy)),
        by_source=counted((example.source for example in inside), SOURCES),
        max_deviation=abs(deviations.get(deviates_in, 0.0)),
        deviates_in=deviates_in,
    )
