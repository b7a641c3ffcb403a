"""Where decisions are wrong, what that costs, and which benign texts suffer. The costs are steps of severity: no policy states others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from classifier.decisions.arrays import Floats, Ints
from classifier.decisions.decision import Span
from classifier.evaluation.bootstrap import Estimate, Resamples, share_estimates
from classifier.evaluation.outcomes import Outcomes
from classifier.evaluation.results import SeverityResult
from classifier.examples import Example
from classifier.policy import Policy

MistakeKind = Literal["benign acted on", "too severe", "missed", "too mild", "other category"]
KINDS: tuple[MistakeKind, ...] = ("benign acted on", "too severe", "missed", "too mild", "other category")
N_WORST = 100
"""Most mistakes of one kind to name."""


@dataclass(frozen=True)
class Mistake:
    """One text whose decision is wrong.

    ``missed`` is a violating text on which nothing is done; where ``review`` is set a person sees it all the same. ``other category`` is
    a violating text with the right severity for the wrong act, at cost 0. ``cost`` is the number of steps between ``gold_severity`` and
    ``severity``, ``surety`` the prob that the model gave to the wrong side. ``evidence`` are the stretches of the text that its
    labels name, ``model_evidence`` those that the model went by, where they were given.
    """

    kind: MistakeKind
    id: str
    text: str
    source: str
    tags: tuple[str, ...]
    gold_categories: tuple[str, ...]
    gold_severity: int
    categories: tuple[str, ...]
    severity: int
    review: bool
    probs: Mapping[str, float]
    cost: int
    surety: float
    evidence: tuple[tuple[int, int], ...]
    model_evidence: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return asdict(self)


@dataclass(frozen=True)
class MistakeCount:
    """How many texts are wrong in one way, how many of them a person sees, and how many are named in full."""

    kind: MistakeKind
    n: int
    n_reviewed: int
    n_named: int


@dataclass(frozen=True)
class Mistakes:
    """The mistakes of the decisions, counted by kind; ``worst`` names them from the most costly on, the surest first where costs tie."""

    counts: tuple[MistakeCount, ...]
    worst: tuple[Mistake, ...]

    def with_model_spans(self, spans: Mapping[str, Sequence[Span]]) -> Mistakes:
        """The same mistakes with what the model went by, for the ids given."""
        known = (replace(m, model_evidence=tuple((s.start, s.end) for s in spans[m.id])) if m.id in spans else m for m in self.worst)
        return replace(self, worst=tuple(known))


@dataclass(frozen=True)
class SeverityCost:
    """Steps of severity between what is true and what was decided: in total, by direction, and for each text."""

    total: int
    too_severe: int
    too_mild: int
    per_text: Estimate


@dataclass(frozen=True)
class FalsePositives:
    """Fates of the benign texts of one tag: flagged at a prob of 0.5, sent to review, acted on."""

    tag: str
    n: int
    flagged: Estimate
    reviewed: Estimate
    acted: Estimate


def severity_cost(result: SeverityResult) -> SeverityCost:
    """The cost of a severity matrix, one for each step of distance.

    >>> nan = float("nan")
    >>> cost = severity_cost(SeverityResult("", Estimate(nan, nan, nan, 4), Estimate(1.0, nan, nan, 4), ((1, 1), (2, 0))))
    >>> cost.total, cost.too_severe, cost.too_mild
    (3, 1, 2)
    """
    counts = np.array(result.confusion, dtype=np.int64)
    steps = np.arange(len(counts)) - np.arange(len(counts))[:, None]
    severe, mild = int((counts * np.maximum(steps, 0)).sum()), int((counts * np.maximum(-steps, 0)).sum())
    return SeverityCost(severe + mild, severe, mild, result.mean_absolute_error)


def find_mistakes(
    outcomes: Outcomes,
    examples: Sequence[Example],
    policy: Policy,
    *,
    n_worst: int = N_WORST,
    model_spans: Mapping[str, Sequence[Span]] | None = None,
) -> Mistakes:
    """Every wrong decision, counted, and the worst of each kind. Violating texts whose labels carry no severity take no part.

    :param n_worst: how many to name of each kind, at most.
    :param model_spans: for ids of texts, what the model went by.
    """
    kinds = _kinds(outcomes)
    costs, sureties = np.abs(outcomes.true_severity - outcomes.decided_severity), _sureties(outcomes, policy)
    order = [(int(i), kind) for i in np.lexsort((-sureties, -costs)) if (kind := kinds[i]) is not None]
    n_named: Counter[MistakeKind] = Counter()
    worst = []
    for i, kind in order:
        if n_named[kind] < n_worst:
            n_named[kind] += 1
            spans = (model_spans or {}).get(examples[i].id, ())
            worst.append(_mistake(kind, i, outcomes, examples[i], policy, float(sureties[i]), spans))
    counts = [_count(kind, [i for i, found in order if found == kind], outcomes, n_named[kind]) for kind in KINDS]
    return Mistakes(tuple(counts), tuple(worst))


def false_positives(outcomes: Outcomes, examples: Sequence[Example], resamples: Resamples) -> tuple[FalsePositives, ...]:
    """What is done to benign texts, tag by tag; the tags whose texts are acted on most come first."""
    counted = Counter(tag for example in examples if not example.violating for tag in set(example.tags))
    tags = sorted(counted)
    if not tags:
        return ()
    members = np.array([[tag in example.tags and not example.violating for tag in tags] for example in examples], dtype=np.bool_)
    fates = [share_estimates(members, members & hits[:, None], resamples) for hits in (outcomes.flagged, outcomes.review, outcomes.acted)]
    rows = [FalsePositives(tag, counted[tag], *shares) for tag, *shares in zip(tags, *fates, strict=True)]
    return tuple(sorted(rows, key=lambda row: (-row.acted.value, -row.flagged.value, row.tag)))


def _kinds(outcomes: Outcomes) -> list[MistakeKind | None]:
    true, decided = outcomes.true_severity, outcomes.decided_severity
    other = (outcomes.named != outcomes.gold_categories).any(axis=1)
    conditions = ((true == 0) & (decided > 0), decided > true, (decided == 0) & (true > 0), decided < true, (true > 0) & other)
    chosen = np.select([*(condition & outcomes.has_severity for condition in conditions)], range(len(KINDS)), default=len(KINDS))
    return [(*KINDS, None)[number] for number in chosen.tolist()]


def _sureties(outcomes: Outcomes, policy: Policy) -> Floats:
    """The prob of the wrong side, *Shape:* (n_texts,): of more than is true, of less than is true, or of the category furthest off."""
    true, decided = outcomes.true_severity, outcomes.decided_severity
    more = _prob_of(outcomes, policy, np.minimum(true + 1, policy.max_severity))
    less = 1 - _prob_of(outcomes, policy, np.maximum(true, 1))
    off = np.abs(outcomes.probs[:, : policy.n_categories] - outcomes.gold_categories).max(axis=1, initial=0.0)
    return np.asarray(np.select([decided > true, decided < true], [more, less], default=off), dtype=np.float64)


def _prob_of(outcomes: Outcomes, policy: Policy, severities: Ints) -> Floats:
    columns = policy.n_categories + severities - 1
    return np.asarray(outcomes.probs[np.arange(len(columns)), columns])


def _count(kind: MistakeKind, rows: Sequence[int], outcomes: Outcomes, n_named: int) -> MistakeCount:
    return MistakeCount(kind, len(rows), int(outcomes.review[list(rows)].sum()) if rows else 0, n_named)


def _mistake(
    kind: MistakeKind, row: int, outcomes: Outcomes, example: Example, policy: Policy, surety: float, spans: Sequence[Span]
) -> Mistake:
    named = [category for category, hit in zip(policy.category_ids, outcomes.named[row], strict=True) if hit]
    true, decided = int(outcomes.true_severity[row]), int(outcomes.decided_severity[row])
    return Mistake(
        kind=kind,
        id=example.id,
        text=example.text,
        source=example.source,
        tags=example.tags,
        gold_categories=example.categories,
        gold_severity=true,
        categories=tuple(named),
        severity=decided,
        review=bool(outcomes.review[row]),
        probs=dict(zip(policy.questions, outcomes.probs[row].round(4).tolist(), strict=True)),
        cost=abs(true - decided),
        surety=surety,
        evidence=marked_stretches(example),
        model_evidence=tuple((span.start, span.end) for span in spans),
    )


def marked_stretches(example: Example) -> tuple[tuple[int, int], ...]:
    """Start and end of the evidence that the labels of a text name; what stands nowhere in the text is left out.

    >>> marked_stretches(Example("a", "今天收币", "post", ("trading",), 2, evidence=("收币", "猫")))
    ((2, 4),)
    """
    return tuple(_found(example))


def _found(example: Example) -> Iterator[tuple[int, int]]:
    """Where the labels' evidence stands in the text; what stands nowhere is left out."""
    for words in example.evidence:
        start = example.text.find(words)
        if words and start >= 0:
            yield start, start + len(words)
