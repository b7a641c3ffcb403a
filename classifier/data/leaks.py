"""What crosses the splits of a data set: whoever splits, this tells whether it was done well."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from classifier.data.similar import similar_texts
from classifier.examples import Example


@dataclass(frozen=True)
class Leak:
    """Something that is in several splits: the group or account by name, a near-duplicate cluster by the id of its first text."""

    name: str
    splits: tuple[str, ...]
    ids: tuple[str, ...]


@dataclass(frozen=True)
class LeakReport:
    """Everything that crosses splits; nothing does after ``split_examples``."""

    groups: tuple[Leak, ...]
    accounts: tuple[Leak, ...]
    near_duplicates: tuple[Leak, ...]

    @property
    def n_leaks(self) -> int:
        """How many groups, accounts and clusters cross splits."""
        return len(self.groups) + len(self.accounts) + len(self.near_duplicates)


def leak_report(examples: Sequence[Example], split: Mapping[str, str]) -> LeakReport:
    """Find groups, accounts and near-duplicate clusters that are in more than one split.

    :param split: the split of every example by id, such as ``plan.split_of``.
    :raises ValueError: when an example has no split.
    """
    missing = [example.id for example in examples if example.id not in split]
    if missing:
        raise ValueError(f"Expected a split for every example, but {len(missing)} have none, the first is {missing[0]!r}.")
    cluster = similar_texts([example.text for example in examples]).cluster
    first_of: dict[int, str] = {}
    clusters = [first_of.setdefault(int(number), example.id) for number, example in zip(cluster, examples, strict=True)]
    return LeakReport(
        groups=_leaks([example.group for example in examples], examples, split),
        accounts=_leaks([example.account_id for example in examples], examples, split),
        near_duplicates=_leaks(clusters, examples, split),
    )


def _leaks(keys: Sequence[str | None], examples: Sequence[Example], split: Mapping[str, str]) -> tuple[Leak, ...]:
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for key, example in zip(keys, examples, strict=True):
        if key is not None:
            ids[key].append(example.id)
    splits = {key: tuple(dict.fromkeys(split[i] for i in members)) for key, members in ids.items()}
    return tuple(Leak(key, splits[key], tuple(members)) for key, members in ids.items() if len(splits[key]) > 1)
