"""Whether the figures of an evaluation may be believed: leaks, files used twice, what a random split would have flattered, other mixtures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.data import leak_report
from classifier.evaluation.baselines import tfidf_baseline
from classifier.evaluation.bootstrap import Estimate
from classifier.evaluation.metrics import f1, macro_f1
from classifier.evaluation.outcomes import EVEN
from classifier.evaluation.results import ViolationResult
from classifier.examples import Example, targets_of
from classifier.policy import Policy

PREVALENCES = (0.001, 0.01, 0.05, 0.2)
"""Shares of violating texts at which precision is worked out."""
N_RANDOM_SPLITS = 2


@dataclass(frozen=True)
class Overlap:
    """What training and test texts share; ``n_test_texts`` of the test texts are touched by it."""

    n_groups: int
    n_accounts: int
    n_near_duplicates: int
    n_test_texts: int

    @property
    def n_shared(self) -> int:
        """Groups, accounts and clusters of near duplicates together."""
        return self.n_groups + self.n_accounts + self.n_near_duplicates


@dataclass(frozen=True)
class RandomSplits:
    """F1 of the TF-IDF baseline on the real split, and on ``n_splits`` that tear groups apart: ``flattered`` is how much more that would say.

    All at a prob of 0.5; the random values are means over the splits, ``spread`` is the distance of the highest and the lowest macro-F1.
    """

    n_splits: int
    macro_f1: float
    violation_f1: float
    random_macro_f1: float
    random_violation_f1: float
    spread: float

    @property
    def flattered_macro_f1(self) -> float:
        """Random minus real."""
        return self.random_macro_f1 - self.macro_f1

    @property
    def flattered_violation_f1(self) -> float:
        """Random minus real."""
        return self.random_violation_f1 - self.violation_f1

    @property
    def flatters(self) -> bool:
        """Whether the gain in macro-F1 is more than the random splits differ among themselves."""
        return self.flattered_macro_f1 > self.spread


@dataclass(frozen=True)
class TwiceUsed:
    """A file, by its content, that serves two purposes which must be apart."""

    file: str
    first_use: str
    second_use: str


@dataclass(frozen=True)
class PrecisionAt:
    """Precision of acting where a share ``prevalence`` of the texts is violating."""

    prevalence: float
    precision: Estimate


@dataclass(frozen=True)
class Honesty:
    """All checks; ``overlap`` and ``random_splits`` are None where no training texts were given. ``alarms`` say in words why not to believe."""

    twice_used: tuple[TwiceUsed, ...]
    provenance_names_data: bool
    training_texts_are_the_models: bool | None
    overlap: Overlap | None
    random_splits: RandomSplits | None

    @property
    def alarms(self) -> tuple[str, ...]:
        """Why the figures must not be relied on, one sentence each; empty where nothing was found."""
        said = [f"{use.file} was used as {use.second_use} and already as {use.first_use}." for use in self.twice_used]
        if self.overlap is not None and self.overlap.n_shared:
            said.append(
                f"Training and test share {self.overlap.n_groups} groups, {self.overlap.n_accounts} accounts and "
                f"{self.overlap.n_near_duplicates} sets of near duplicates, which touch {self.overlap.n_test_texts} test texts."
            )
        return tuple(said)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {
            "alarms": list(self.alarms),
            "twice_used": [vars(use) for use in self.twice_used],
            "provenance_names_data": self.provenance_names_data,
            "training_texts_are_the_models": self.training_texts_are_the_models,
            "overlap": None if self.overlap is None else vars(self.overlap),
            "random_splits": None if self.random_splits is None else vars(self.random_splits),
        }


def twice_used(provenance: Mapping[str, Any], test_sha256: Mapping[str, str]) -> tuple[TwiceUsed, ...]:
    """Files that the provenance of a bundle names for two purposes, and test files that it names for any.

    Provenance says which file was used, not how often: whether thresholds were chosen on one calibration file again and again it
    cannot tell.

    :param test_sha256: name of each test file to its SHA-256.

    >>> twice_used({"data": {"train": {"a.jsonl": "f00"}}}, {"b.jsonl": "f00"})
    (TwiceUsed(file='b.jsonl', first_use='train', second_use='test'),)
    """
    first_use: dict[str, str] = {}
    found = []
    for use, files in (*_uses(provenance), ("test", test_sha256)):
        for name, sha256 in files.items():
            if first_use.setdefault(sha256, use) != use:
                found.append(TwiceUsed(name, first_use[sha256], use))
    return tuple(found)


def overlap_of(train: Sequence[Example], test: Sequence[Example]) -> Overlap:
    """Groups, accounts and near duplicates on both sides. Ids need not differ between the two."""
    sides = ("train", train), ("test", test)
    split_of = {f"{side} {i}": side for side, examples in sides for i in range(len(examples))}
    together = [_renamed(example, f"{side} {i}") for side, examples in sides for i, example in enumerate(examples)]
    report = leak_report(together, split_of)
    touched = {i for leak in (*report.groups, *report.accounts, *report.near_duplicates) for i in leak.ids if split_of[i] == "test"}
    return Overlap(len(report.groups), len(report.accounts), len(report.near_duplicates), len(touched))


def random_splits(
    train: Sequence[Example], test: Sequence[Example], policy: Policy, *, seed: int, real_probs: npt.ArrayLike, n_splits: int = N_RANDOM_SPLITS
) -> RandomSplits:
    """How much better the baseline looks when the same texts are split at random, without regard to groups, into the same sizes.

    What related texts on both sides give away shows up as a gain. The value is of the baseline; another model may be flattered more.

    :param seed: of the splits.
    :param real_probs: of the baseline trained on ``train``, for ``test``, *Shape:* (n_test, n_questions).
    """
    generator = np.random.default_rng(seed)
    together = [*train, *test]
    values = []
    for _ in range(n_splits):
        order = generator.permutation(len(together))
        part_train, part_test = ([together[i] for i in part] for part in (order[: len(train)], order[len(train) :]))
        values.append(_f1s(tfidf_baseline(part_train, part_test, policy, seed=seed), part_test, policy))
    macro, violation = np.array(values).T
    real_macro, real_violation = _f1s(real_probs, test, policy)
    return RandomSplits(n_splits, real_macro, real_violation, float(macro.mean()), float(violation.mean()), float(np.ptp(macro)))


def precision_at(acted: ViolationResult, prevalences: Sequence[float] = PREVALENCES) -> tuple[PrecisionAt, ...]:
    """Precision of the same decisions where violations are rarer or more frequent, by Bayes' rule from recall and the share of benign texts acted on.

    ``p r / (p r + (1 - p) b)``. The interval takes the ends of both intervals against each other, so it covers at least as often as both
    do together. It assumes that violating and benign texts are each like those here; nan where nothing was acted on.

    >>> share = lambda value: Estimate(value, value, value, 10)
    >>> found = precision_at(ViolationResult("", 0, share(0.0), share(0.0), share(0.5), share(0.1)), [0.5])[0]
    >>> round(found.precision.value, 4)
    0.8333
    """

    def bayes(prevalence: float, recall: float, benign: float) -> float:
        hits, errors = prevalence * recall, (1 - prevalence) * benign
        return hits / (hits + errors) if hits + errors > 0 else float("nan")

    recall, benign = acted.recall, acted.benign_hit
    return tuple(
        PrecisionAt(
            p,
            Estimate(bayes(p, recall.value, benign.value), bayes(p, recall.low, benign.high), bayes(p, recall.high, benign.low), acted.n_hit),
        )
        for p in prevalences
    )


def honesty_of(
    provenance: Mapping[str, Any],
    test_sha256: Mapping[str, str],
    *,
    train_sha256: Mapping[str, str] | None = None,
    overlap: Overlap | None = None,
    splits: RandomSplits | None = None,
) -> Honesty:
    """Put the checks together.

    :param train_sha256: of the training texts that were given for comparison; the provenance tells whether the model was trained on them.
    """
    uses = _uses(provenance)
    of_model = {sha256 for use, files in uses if use == "train" for sha256 in files.values()}
    same = set(train_sha256.values()) == of_model if train_sha256 and of_model else None
    named = {use for use, files in uses if files}
    return Honesty(twice_used(provenance, test_sha256), {"train", "calibration"} <= named, same, overlap, splits)


def _uses(provenance: Mapping[str, Any]) -> tuple[tuple[str, Mapping[str, str]], ...]:
    """Purposes and files, in the order in which they come in the life of a model."""
    data, calibration = provenance.get("data", {}), provenance.get("calibration", {})
    return ("train", data.get("train", {})), ("dev", data.get("dev", {})), ("calibration", calibration.get("data", {}))


def _renamed(example: Example, name: str) -> Example:
    return Example(name, example.text, example.source, (), 0, account_id=example.account_id, group=example.group)


def _f1s(probs: npt.ArrayLike, examples: Sequence[Example], policy: Policy) -> tuple[float, float]:
    """Macro-F1 of the categories and F1 of any violation, both at 0.5."""
    values, gold = np.asarray(probs, dtype=np.float64), targets_of(examples, policy)
    macro = macro_f1(values[:, : policy.n_categories] >= EVEN, gold[:, : policy.n_categories])
    column = policy.severity_column(1)
    return float(macro), float(f1(values[:, column] >= EVEN, gold[:, column]))
