"""What changes when one bundle takes the place of another: results, the gate, and the words of the report."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from classifier.errors import CalibrationError
from classifier.evaluation.bootstrap import Estimate
from classifier.evaluation.mcnemar import McNemar
from classifier.evaluation.tables import markdown_table, shown

GATED = ("macro_f1", "violation_f1", "acted_precision", "acted_recall", "severity_kappa")
"""The metrics that a gate may ask for, in the order of the report."""
_ROUNDING = 1e-12
_SHOWN_CHARS = 60


@dataclass(frozen=True)
class Change:
    """One text that the two decide differently; severities, categories and review of the first and of the second.

    ``true_severity`` and ``true_categories`` are None where the texts carry no labels (the severity also where its label has none).
    """

    id: str
    source: str
    text: str
    first_severity: int
    second_severity: int
    first_categories: tuple[str, ...]
    second_categories: tuple[str, ...]
    first_review: bool
    second_review: bool
    first_prob: float
    second_prob: float
    true_severity: int | None = None
    true_categories: tuple[str, ...] | None = None

    @property
    def step(self) -> int:
        """By how many levels the second is more severe."""
        return self.second_severity - self.first_severity


@dataclass(frozen=True)
class MetricDifference:
    """One metric of both, and the second less the first with its paired interval."""

    name: str
    first: float
    second: float
    difference: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; nan becomes None."""
        values = {"first": self.first, "second": self.second}
        kept = {name: None if math.isnan(value) else value for name, value in values.items()}
        return {"name": self.name} | kept | {"difference": self.difference.to_dict()}


@dataclass(frozen=True)
class LabelledComparison:
    """What only labels can tell. ``acted`` and ``severity`` test whether one is right more often: about acting at all, and about the level."""

    n_violating: int
    metrics: tuple[MetricDifference, ...]
    acted: McNemar
    severity: McNemar

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        metrics = [metric.to_dict() for metric in self.metrics]
        return {"n_violating": self.n_violating, "metrics": metrics, "acted": self.acted.to_dict(), "severity": self.severity.to_dict()}


@dataclass(frozen=True)
class Gate:
    """Whether the second may take the place of the first. ``judged`` is the figure that was held against ``-margin``."""

    metric: str
    margin: float
    sure: bool
    judged: float
    passed: bool


@dataclass(frozen=True)
class DecisionComparison:
    """Two bundles on the same texts.

    ``severities[i][j]`` counts texts that the first puts at severity i and the second at j. ``changed`` is the share of texts of which
    severity, named categories or review differ. ``ups`` and ``downs`` hold the texts that rise or fall furthest.
    """

    first: str
    second: str
    n: int
    n_clusters: int
    changed: Estimate
    n_up: int
    n_down: int
    n_categories_changed: int
    n_review_added: int
    n_review_dropped: int
    severities: tuple[tuple[int, ...], ...]
    ups: tuple[Change, ...]
    downs: tuple[Change, ...]
    labelled: LabelledComparison | None

    def gate(self, metric: str, *, margin: float = 0.0, sure: bool = False) -> Gate:
        """Judge whether the second is worse by more than a margin.

        :param metric: one of ``GATED``.
        :param margin: how much worse it may be.
        :param sure: False judges the difference itself; True forgives a difference that may be chance, and fails the second only when
            the whole interval lies below ``-margin``.
        :raises CalibrationError: when the texts carry no labels, or cannot define the metric.
        """
        if metric not in GATED or margin < 0:
            raise ValueError(f"Expected a metric among {', '.join(GATED)} and a margin of at least 0, but got {metric!r} and {margin}.")
        if self.labelled is None:
            raise CalibrationError(f"Expected labelled texts to judge {metric} by, but these carry no labels; give labelled ones.")
        difference = next(item.difference for item in self.labelled.metrics if item.name == metric)
        judged = difference.high if sure else difference.value
        if math.isnan(judged):
            raise CalibrationError(f"Expected texts that define {metric} for both, but these do not; give more of them, or gate another metric.")
        return Gate(metric, margin, sure, judged, judged >= -margin - _ROUNDING)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        lists = {name: [asdict(change) for change in getattr(self, name)] for name in ("ups", "downs")}
        labelled = None if self.labelled is None else self.labelled.to_dict()
        return vars(self) | lists | {"changed": self.changed.to_dict(), "labelled": labelled}

    def to_markdown(self) -> str:
        """The same content to read."""
        parts = [
            f"# {self.second} in the place of {self.first}\n",
            f"{self.n} texts; decided differently: {shown(self.changed)}; {self.n_up} rise, {self.n_down} fall, {self.n_categories_changed} name "
            f"other categories; review: {self.n_review_added} more, {self.n_review_dropped} less.\n",
        ]
        if self.labelled is not None:
            rows = [[m.name, f"{m.first:.3f}", f"{m.second:.3f}", shown(m.difference)] for m in self.labelled.metrics]
            parts += [markdown_table(["metric", "first", "second", "second less first"], rows), ""]
            named = ("acting", self.labelled.acted), ("severity", self.labelled.severity)
            tests = [[name, test.n_only_first, test.n_only_second, f"{test.p_value:.4f}"] for name, test in named]
            parts += [markdown_table(["right about", "only the first", "only the second", "p (McNemar)"], tests), ""]
        n_levels = len(self.severities)
        moves = [[f"first: {i}", *row] for i, row in enumerate(self.severities)]
        parts += [markdown_table(["severity", *(f"second: {j}" for j in range(n_levels))], moves), ""]
        for title, changes in (("Rise", self.ups), ("Fall", self.downs)):
            if changes:
                parts += [f"## {title}\n", _changes(changes), ""]
        return "\n".join(parts)


def _changes(changes: tuple[Change, ...]) -> str:
    rows = []
    for change in changes:
        truth = "–" if change.true_severity is None else change.true_severity
        moved = f"{change.first_severity} → {change.second_severity}"
        rows.append([change.id, moved, truth, f"{change.first_prob:.2f} → {change.second_prob:.2f}", change.text[:_SHOWN_CHARS]])
    return markdown_table(["id", "severity", "true", "prob of any violation", "text"], rows)
