"""What rewriting the texts does to a model, as numbers: nothing is computed here but the words of the report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from classifier.evaluation.bootstrap import Estimate
from classifier.evaluation.tables import markdown_table, shown


@dataclass(frozen=True)
class AttackEffect:
    """What one rewriting does under one rule of hitting a text.

    ``loss`` is the recall before less that after, among violating texts; ``rise`` the false positive rate after less that before, among
    benign texts; both paired text by text. ``over_correction`` says that the rise is significant, Holm-corrected over all rewritings of the
    report: the model has learnt that disguise itself is guilt.
    """

    recall_before: Estimate
    recall_after: Estimate
    loss: Estimate
    false_positives_before: Estimate
    false_positives_after: Estimate
    rise: Estimate
    over_correction: bool

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {name: value.to_dict() if isinstance(value, Estimate) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class AttackResult:
    """One technique at one intensity; ``flagged`` at a prob of any violation of at least 0.5, ``acted`` by the ladder.

    ``n_changed_violating`` and ``n_changed_benign`` count the texts in which the technique found anything to do; the others stay as they
    are and count as kept.
    """

    technique: str
    name_zh: str
    intensity: float
    undone: bool
    n_changed_violating: int
    n_changed_benign: int
    flagged: AttackEffect
    acted: AttackEffect

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return vars(self) | {"flagged": self.flagged.to_dict(), "acted": self.acted.to_dict()}


@dataclass(frozen=True)
class MeanEffect:
    """Losses and rises of one intensity, averaged over the techniques."""

    intensity: float
    flagged_loss: Estimate
    flagged_rise: Estimate
    acted_loss: Estimate
    acted_rise: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {name: value.to_dict() if isinstance(value, Estimate) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class AttackReport:
    """All techniques at all intensities on the same texts; ``half`` names the substitutes used.

    ``model_fingerprint`` is None where the probs came from no bundle.
    """

    n: int
    n_violating: int
    n_clusters: int
    seed: int
    n_resamples: int
    half: str
    policy_fingerprint: str
    ladder_fingerprint: str
    results: tuple[AttackResult, ...]
    means: tuple[MeanEffect, ...]
    model_fingerprint: str | None = None

    @property
    def over_corrections(self) -> tuple[str, ...]:
        """The techniques by which significantly more benign texts are flagged or acted on, each once."""
        found = (result.technique for result in self.results if result.flagged.over_correction or result.acted.over_correction)
        return tuple(dict.fromkeys(found))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        lists = {name: [item.to_dict() for item in getattr(self, name)] for name in ("results", "means")}
        return vars(self) | lists | {"over_corrections": list(self.over_corrections)}

    def to_markdown(self) -> str:
        """The same content to read."""
        means = [[f"{m.intensity:g}", *map(shown, (m.flagged_loss, m.acted_loss, m.flagged_rise, m.acted_rise))] for m in self.means]
        named = ", ".join(self.over_corrections) or "none"
        parts = [
            "# Rewritten texts\n",
            f"{self.n} texts, {self.n_violating} of them violating, seed {self.seed}, substitutes of the half `{self.half}`. Flagged: prob of any "
            "violation at least 0.5; acted on: by the ladder. Intervals are paired, at 95%.\n",
            "## Mean over the techniques\n",
            markdown_table(["intensity", "recall lost, flagged", "recall lost, acted on", "false positives gained, flagged", "…, acted on"], means),
            f"\nOver-correction (false positives rise significantly): {named}.\n",
            *(f"## {rule}\n\n{self._table(rule)}\n" for rule in ("flagged", "acted")),
        ]
        return "\n".join(parts)

    def _table(self, rule: str) -> str:
        headers = ["technique", "", "intensity", "changed", "recall before", "after", "lost", "false positives before", "after", "gained"]
        rows = []
        for result in self.results:
            effect: AttackEffect = getattr(result, rule)
            name = f"{result.technique} *" if effect.over_correction else result.technique
            values = (f"{estimate.value:.3f}" for estimate in (effect.recall_before, effect.recall_after))
            rates = (f"{estimate.value:.3f}" for estimate in (effect.false_positives_before, effect.false_positives_after))
            changed = f"{result.n_changed_violating} + {result.n_changed_benign}"
            rows.append([name, result.name_zh, f"{result.intensity:g}", changed, *values, shown(effect.loss), *rates, shown(effect.rise)])
        return markdown_table(headers, rows)
