"""Does a smaller form of a model decide as the larger one does? Counted text by text, and held against a gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from classifier.decisions import Decision, decisions_of
from classifier.decisions.arrays import as_probs
from classifier.errors import CalibrationError
from classifier.evaluation import metrics
from classifier.evaluation.compare import Side
from classifier.evaluation.outcomes import outcomes_of
from classifier.examples import Example, targets_of

_ROUNDING = 1e-9  # a difference of two F1s is off by some 1e-16: a bound that is met exactly must count as met


@dataclass(frozen=True)
class ParityGate:
    """What must hold: the least share of equal decisions, the most that macro-F1 may fall, and the fewest texts to judge on."""

    min_equal: float = 0.995
    max_f1_loss: float = 0.003
    min_texts: int = 2_000


@dataclass(frozen=True)
class ParityReport:
    """Decisions of a second model next to those of a first, both calibrated for themselves.

    Two decisions are equal when level, review and categories are. ``n_level``, ``n_review`` and ``n_categories`` count the texts that differ there;
    one text may count in several. ``first_macro_f1`` and ``second_macro_f1`` are over the policy's categories at each model's own thresholds.
    """

    first: str
    second: str
    n_texts: int
    n_equal: int
    n_level: int
    n_review: int
    n_categories: int
    first_macro_f1: float
    second_macro_f1: float
    gate: ParityGate = field(default_factory=ParityGate)

    @property
    def equal(self) -> float:
        """Share of equal decisions."""
        return self.n_equal / self.n_texts

    @property
    def refusals(self) -> tuple[str, ...]:
        """What the gate has against it, in words; nothing when it passes."""
        gate, loss = self.gate, self.first_macro_f1 - self.second_macro_f1
        found = [
            (self.n_texts >= gate.min_texts, f"expected at least {gate.min_texts} texts, but got {self.n_texts}"),
            (self.equal >= gate.min_equal, f"expected {gate.min_equal:.2%} equal decisions, but got {self.equal:.2%}"),
            (gate.max_f1_loss + _ROUNDING >= loss, f"expected a macro-F1 at most {gate.max_f1_loss:.4f} lower, but it is {loss:.4f} lower"),
        ]
        return tuple(words for kept, words in found if not kept)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return asdict(self) | {"equal": self.equal, "passed": not self.refusals, "refusals": list(self.refusals)}


def parity(first: Side, second: Side, texts: Sequence[Example], gate: ParityGate) -> ParityReport:
    """Compare the decisions of two models of one policy about labelled texts.

    :raises CalibrationError: when there is no text, the policies differ, or a side is not calibrated.
    """
    if not texts:
        raise CalibrationError("Expected at least one text to compare on, but got none.")
    if first.policy.fingerprint != second.policy.fingerprint:
        raise CalibrationError(f"Expected two bundles of one policy, but got {first.policy.fingerprint} and {second.policy.fingerprint}.")
    for side in (first, second):
        if side.ladder.method == "none":
            raise CalibrationError(f"{side.name}: expected a calibrated bundle, but it is not; each must be calibrated on scores of its own.")
    decided = [_decided(side, texts) for side in (first, second)]
    differing = [(a.level != b.level, a.review != b.review, _named(a) != _named(b)) for a, b in zip(*decided, strict=True)]
    return ParityReport(
        first=first.name,
        second=second.name,
        n_texts=len(texts),
        n_equal=sum(not any(item) for item in differing),
        n_level=sum(level for level, _, _ in differing),
        n_review=sum(review for _, review, _ in differing),
        n_categories=sum(named for _, _, named in differing),
        first_macro_f1=_macro_f1(first, texts),
        second_macro_f1=_macro_f1(second, texts),
        gate=gate,
    )


def _decided(side: Side, texts: Sequence[Example]) -> tuple[Decision, ...]:
    sources = [text.source for text in texts]
    return decisions_of(side.probs, side.ladder, side.policy, side.category_thresholds, sources=sources, model_fingerprint=side.name)


def _named(decision: Decision) -> frozenset[str]:
    return frozenset(score.category for score in decision.categories)


def _macro_f1(side: Side, texts: Sequence[Example]) -> float:
    targets = targets_of(texts, side.policy)
    outcomes = outcomes_of(as_probs(side.probs, side.policy), targets, texts, side.policy, side.ladder, side.category_thresholds)
    return float(metrics.macro_f1(outcomes.named, outcomes.gold_categories))
