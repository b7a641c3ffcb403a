"""What is in a labelled data set, and what looks wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from classifier.data.duplicates import Conflict, Duplicates, exact_conflicts, exact_duplicates, label_of, near_conflicts, near_duplicates
from classifier.data.similar import similar_texts
from classifier.data.strict import StrictReport, strict_check
from classifier.examples import LENGTH_BUCKET_NAMES, SOURCES, Example, length_bucket
from classifier.policy import Policy
from classifier.records import read_examples

BENIGN = "benign"
_QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)


@dataclass(frozen=True)
class CheckReport:
    """Counts and findings. ``by_*`` map a value to its number of texts; a finding names the ids of its texts, or the groups.

    ``by_first_category`` counts every text once (``benign`` where it has none), ``by_any_category`` every category of every text;
    ``by_severity`` has ``none`` for labels that carry none; ``length_quantiles`` are in characters.
    """

    n_texts: int
    by_first_category: Mapping[str, int]
    by_any_category: Mapping[str, int]
    n_several_categories: int
    by_severity: Mapping[str, int]
    by_source: Mapping[str, int]
    by_tag: Mapping[str, int]
    length_quantiles: Mapping[str, int]
    by_length: Mapping[str, int]
    exact_duplicates: Duplicates
    near_duplicates: Duplicates
    exact_conflicts: tuple[Conflict, ...]
    near_conflicts: tuple[Conflict, ...]
    without_severity: tuple[str, ...]
    without_evidence: tuple[str, ...]
    one_label_groups: tuple[str, ...]


@dataclass(frozen=True)
class FilesReport:
    """The check of some files; ``strict`` is None where it was not asked for."""

    check: CheckReport
    strict: StrictReport | None

    @property
    def sound(self) -> bool:
        """No text is labelled in two ways, and every strict measure holds."""
        return not self.check.exact_conflicts and (self.strict is None or self.strict.holds)


def check_files(paths: Iterable[str | Path], policy: Policy, *, strict: bool = False, seed: int = 0, max_problems: int = 100) -> FilesReport:
    """Read labelled files and check what is in them.

    :raises DataError: with every problem of every file, when there is any.
    :raises MissingExtraError: for the strict check, when the extra ``train`` is not installed.
    """
    examples = read_examples(paths, policy, max_problems=max_problems)
    return FilesReport(check_examples(examples, policy), strict_check(examples, policy, seed=seed) if strict else None)


def check_examples(examples: Sequence[Example], policy: Policy) -> CheckReport:
    """Count what there is and find what looks wrong; nothing is judged by a limit here.

    >>> report = check_examples([Example("1", "出U", "bio", ("trading",), 1), Example("2", "出 u", "bio", (), 0)], Policy.load())
    >>> report.by_severity, report.exact_conflicts[0].second_label, report.without_evidence
    ({'0': 1, '1': 1, '2': 0, '3': 0, 'none': 0}, 'benign S0', ('1',))
    """
    similar = similar_texts([example.text for example in examples])
    return CheckReport(
        n_texts=len(examples),
        by_first_category=counted((first_category(example) for example in examples), (BENIGN, *policy.category_ids)),
        by_any_category=counted((category for example in examples for category in example.categories), policy.category_ids),
        n_several_categories=sum(len(example.categories) > 1 for example in examples),
        by_severity=counted((severity_name(example) for example in examples), severity_names(policy)),
        by_source=counted((example.source for example in examples), SOURCES),
        by_tag=dict(Counter(tag for example in examples for tag in example.tags).most_common()),
        length_quantiles=_length_quantiles(examples),
        by_length=_by_length(examples),
        exact_duplicates=exact_duplicates(examples, similar),
        near_duplicates=near_duplicates(examples, similar),
        exact_conflicts=exact_conflicts(examples, similar),
        near_conflicts=near_conflicts(examples, similar),
        without_severity=tuple(example.id for example in examples if example.severity is None),
        without_evidence=tuple(example.id for example in examples if example.violating and not example.evidence),
        one_label_groups=_one_label_groups(examples),
    )


def first_category(example: Example) -> str:
    """The main act, or ``benign``."""
    return example.categories[0] if example.categories else BENIGN


def severity_name(example: Example) -> str:
    """The severity as a word, ``none`` where the labels carry none."""
    return "none" if example.severity is None else str(example.severity)


def severity_names(policy: Policy) -> tuple[str, ...]:
    """All severities of the policy as words, ``none`` last."""
    return (*map(str, range(policy.max_severity + 1)), "none")


def counted(values: Iterable[str], expected: Iterable[str]) -> dict[str, int]:
    """Counts in the order of the expected values, zeros included; a value that nobody expected comes last."""
    return dict.fromkeys(expected, 0) | Counter(values)


def _length_quantiles(examples: Sequence[Example]) -> dict[str, int]:
    if not examples:
        return {}
    lengths = np.quantile([len(example.text) for example in examples], _QUANTILES, method="inverted_cdf")
    return {f"{quantile:.0%}": int(length) for quantile, length in zip(_QUANTILES, lengths, strict=True)}


def _by_length(examples: Sequence[Example]) -> dict[str, int]:
    return counted((length_bucket(len(example.text)) for example in examples), LENGTH_BUCKET_NAMES)


def _one_label_groups(examples: Sequence[Example]) -> tuple[str, ...]:
    """The groups of two texts or more whose labels are all the same: no pair in them shows a difference."""
    labels: defaultdict[str, list[str]] = defaultdict(list)
    for example in examples:
        if example.group is not None:
            labels[example.group].append(label_of(example))
    return tuple(group for group, seen in labels.items() if len(seen) > 1 and len(set(seen)) == 1)
