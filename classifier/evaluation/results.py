"""The results of an evaluation: frozen numbers, as JSON-able content and as Markdown. Nothing is computed here."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifier.evaluation.bootstrap import CONFIDENCE_LEVEL, Estimate
from classifier.evaluation.curves import Curves
from classifier.evaluation.slices import SliceResult
from classifier.evaluation.tables import markdown_table, shown


@dataclass(frozen=True)
class QuestionResult:
    """One question. ``threshold`` is the decision's own, or 0.5 where ``in_force`` is False: a severity whose level is switched off."""

    question: str
    support: int
    threshold: float
    in_force: bool
    precision: Estimate
    recall: Estimate
    f1: Estimate
    average_precision: Estimate
    brier: Estimate
    calibration_error: Estimate
    log_loss: Estimate


@dataclass(frozen=True)
class ViolationResult:
    """*Any violation* as one yes/no answer: ``rule`` says which texts count as a yes; ``benign_hit`` is the share of benign texts that do."""

    rule: str
    n_hit: int
    f1: Estimate
    precision: Estimate
    recall: Estimate
    benign_hit: Estimate


@dataclass(frozen=True)
class SeverityResult:
    """Severity as one ordered answer, over the texts whose labels carry one. ``confusion`` has a row for each true severity."""

    rule: str
    quadratic_kappa: Estimate
    mean_absolute_error: Estimate
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class LevelResult:
    """One acting level: ``n_acted`` texts are acted on at it or above, ``precision`` is the share of them with its severity or more.

    ``below_target`` says that even the high end of the interval is below ``target_precision``.
    """

    level_id: str
    severity: int
    threshold: float | None
    certified: bool
    target_precision: float
    n_acted: int
    precision: Estimate
    below_target: bool


@dataclass(frozen=True)
class Evaluation:
    """What a model with its thresholds is worth on some labelled texts; intervals at ``CONFIDENCE_LEVEL``.

    ``macro_f1`` and ``micro_f1`` are over the categories at their thresholds. ``flagged`` and ``acted`` answer *any violation* by a prob of
    0.5 and by the ladder; ``even_severity`` and ``decided_severity`` answer severity by the number of severity questions with a prob of
    at least 0.5 and by the ladder. ``curves`` has one entry for each question. ``reviewed`` is the share of all texts that a person must look at.
    """

    n: int
    n_violating: int
    n_without_severity: int
    n_clusters: int
    n_resamples: int
    seed: int
    policy_fingerprint: str
    ladder_fingerprint: str
    macro_f1: Estimate
    micro_f1: Estimate
    flagged: ViolationResult
    acted: ViolationResult
    even_severity: SeverityResult
    decided_severity: SeverityResult
    reviewed: Estimate
    questions: tuple[QuestionResult, ...]
    levels: tuple[LevelResult, ...]
    slices: tuple[SliceResult, ...]
    curves: tuple[Curves, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; what the texts could not define is None."""
        return {"confidence_level": CONFIDENCE_LEVEL, **_plain(self)}

    def to_markdown(self) -> str:
        """The whole result as tables."""
        parts = [
            f"{self.n:,} texts, {self.n_violating:,} of them violating, {self.n_without_severity:,} violating without a severity; "
            f"{self.n_clusters:,} clusters; intervals at {CONFIDENCE_LEVEL:.0%} from {self.n_resamples:,} cluster resamples (seed {self.seed}).",
            "### Headline\n\n" + _headline(self),
            "### Any violation\n\n" + _violations(self),
            "### Questions\n\n" + _questions(self),
            "### Calibration\n\n" + _calibration(self),
            "### Levels\n\n" + _levels(self),
            *(f"### Severity by {result.rule}\n\n" + _confusion(result) for result in (self.even_severity, self.decided_severity)),
            "### Slices\n\n" + _slices(self),
        ]
        return "\n\n".join(parts) + "\n"


def _plain(value: Any) -> Any:
    """Dataclasses to dicts, tuples to lists, estimates by their own word."""
    if isinstance(value, Estimate):
        return value.to_dict()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _headline(result: Evaluation) -> str:
    rows = [
        ("macro-F1 over the categories", result.macro_f1),
        ("micro-F1 over the categories", result.micro_f1),
        (f"F1 of any violation, {result.flagged.rule}", result.flagged.f1),
        (f"F1 of any violation, {result.acted.rule}", result.acted.f1),
        *((f"quadratic kappa of severity, {item.rule}", item.quadratic_kappa) for item in (result.even_severity, result.decided_severity)),
        *((f"mean error of severity, {item.rule}", item.mean_absolute_error) for item in (result.even_severity, result.decided_severity)),
        ("benign texts acted on", result.acted.benign_hit),
        ("texts sent to review", result.reviewed),
    ]
    return markdown_table(("what", "value", "n"), [(name, shown(estimate), f"{estimate.n:,}") for name, estimate in rows])


def _violations(result: Evaluation) -> str:
    headers = ("a yes is", "texts", "F1", "precision", "recall", "of benign texts")
    rows = [(r.rule, r.n_hit, shown(r.f1), shown(r.precision), shown(r.recall), shown(r.benign_hit)) for r in (result.flagged, result.acted)]
    return markdown_table(headers, rows)


def _questions(result: Evaluation) -> str:
    headers = ("question", "gold", "threshold", "precision", "recall", "F1", "average precision", "Brier", "ECE (equal mass)", "log loss")
    rows = []
    for r in result.questions:
        numbers = (r.precision, r.recall, r.f1, r.average_precision, r.brier, r.calibration_error, r.log_loss)
        rows.append((r.question, r.support, f"{r.threshold:.4g}" + ("" if r.in_force else " (level off)"), *map(shown, numbers)))
    return markdown_table(headers, rows)


def _calibration(result: Evaluation) -> str:
    parts_shown = ("reliability", "resolution", "uncertainty", "within bins")
    headers = ("question", "ECE (equal mass)", "of perfect probs, by chance", "beyond chance", *parts_shown)
    rows = []
    for r in result.curves:
        found, parts = r.calibration, r.calibration.brier
        within = parts.within_bin_variance - parts.within_bin_covariance
        numbers = (parts.reliability, parts.resolution, parts.uncertainty, within)
        chance = ("yes" if found.beyond_chance else "no", *(f"{number:.4f}" for number in numbers))
        rows.append((r.question, f"{found.calibration_error:.3f}", shown(found.if_perfect), *chance))
    return markdown_table(headers, rows) + "\n\nBrier = reliability - resolution + uncertainty + within bins."


def _levels(result: Evaluation) -> str:
    headers = ("level", "threshold", "certified", "target precision", "precision here", "acted on at it or above", "")
    rows = [
        (
            r.level_id,
            "off" if r.threshold is None else f"{r.threshold:.4g}",
            "yes" if r.certified else "no",
            f"{r.target_precision:.2f}",
            shown(r.precision),
            r.n_acted,
            "below target" if r.below_target else "",
        )
        for r in result.levels
    ]
    return markdown_table(headers, rows)


def _confusion(result: SeverityResult) -> str:
    headers = ("true \\ decided", *range(len(result.confusion)))
    return markdown_table([str(h) for h in headers], [(severity, *row) for severity, row in enumerate(result.confusion)])


def _slices(result: Evaluation) -> str:
    headers = ("slice", "n", "violating", "F1", "precision", "recall", "benign acted on", "significantly worse")
    rows = [
        (
            f"{r.kind}: {r.name}",
            r.n,
            r.n_violating,
            *map(shown, (r.f1, r.precision, r.recall, r.benign_acted)),
            ", ".join(r.worse),
        )
        for r in result.slices
    ]
    return markdown_table(headers, rows)
