"""The sections of the page, one small function each: they pick values out of the results and hand them to a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from classifier.decisions.ladder import LevelThreshold
from classifier.evaluation.bootstrap import Estimate
from classifier.evaluation.bundle_results import AT_EVEN, HONESTY, TFIDF, BundleReport
from classifier.evaluation.mistakes import SeverityCost
from classifier.evaluation.results import Evaluation, LevelResult, SeverityResult
from classifier.policy import Level
from classifier.reports.bundle_sections import bundle_sections
from classifier.reports.evasion import evasion
from classifier.reports.evidence import evidence
from classifier.reports.figures import precision_recall_figure, reliability_figure
from classifier.reports.marking import stretches
from classifier.reports.section import NamedBackground, Section, render


@dataclass(frozen=True)
class LevelLine:
    """All that the verdict says of one level."""

    level: Level
    threshold: LevelThreshold
    found: LevelResult


def verdict(report: BundleReport) -> Section:
    """Which levels may act, how surely, and on how much evidence."""
    ladder, policy = report.bundle.ladder, report.bundle.policy
    lines = [LevelLine(*line) for line in zip(policy.acting_levels, ladder.levels, report.evaluation.levels, strict=True)]
    return Section(
        "verdict",
        "Verdict",
        render(
            "verdict.html",
            lines=lines,
            certified=[line for line in lines if line.threshold.certified] if report.bundle.void is None else [],
            ladder=ladder,
            evaluation=report.evaluation,
            alarms=report.alarms,
            precision_at=report.precision_at,
        ),
    )


def headline(report: BundleReport) -> Section:
    """The headline numbers next to every baseline."""
    values = {"rows": _headline_rows(report), "at_even": AT_EVEN if any(item.name != TFIDF for item in report.comparisons) else ""}
    return Section("headline", "Headline numbers", render("headline.html", report=report, **values))


def questions(report: BundleReport) -> Section:
    """Every question: its numbers and its two curves."""
    evaluation, policy = report.evaluation, report.bundle.policy
    targets = [None] * policy.n_categories + [level.target_precision for level in policy.acting_levels]
    names = [f"{item.name_en} {item.name_zh}" for item in policy.categories]
    names += [f"{item.name_en} or more {item.name_zh}" for item in policy.acting_levels]
    rows: list[dict[str, Any]] = []
    for name, target, result, curves in zip(names, targets, evaluation.questions, evaluation.curves, strict=True):
        share = result.support / evaluation.n
        figure = precision_recall_figure(curves, threshold=result.threshold, target=target, share_gold=share)
        drawn = {"precision_recall": figure, "reliability": reliability_figure(curves)}
        rows.append({"name": name, "target": target, "result": result, "curves": curves, "share": share, **drawn})
    return Section("questions", "Question by question", render("questions.html", rows=rows, evaluation=evaluation))


def severity(report: BundleReport) -> Section:
    """True against decided severity, and what the distance costs."""
    evaluation = report.evaluation
    matrices = [
        _matrix("The ladder: what is really done", evaluation.decided_severity, report.costs[0]),
        _matrix("Without the ladder: the number of probs of at least 0.5", evaluation.even_severity, report.costs[1]),
    ]
    return Section("severity", "Severity", render("severity.html", matrices=matrices, levels=report.bundle.policy.levels))


def hard_negatives(report: BundleReport) -> Section:
    """What is done to benign texts, tag by tag."""
    return Section("benign", "Benign texts", render("benign.html", rows=report.false_positives, overall=report.evaluation.acted.benign_hit))


def background(backgrounds: Sequence[NamedBackground]) -> Section:
    """What happens to ordinary texts."""
    return Section("background", "Ordinary texts", render("background.html", backgrounds=backgrounds))


def slices(report: BundleReport) -> Section:
    """Every slice with its intervals drawn to one scale."""
    groups = [(kind, list(items)) for kind, items in groupby(report.evaluation.slices, key=lambda item: item.kind)]
    overall = (report.evaluation.flagged.f1, report.evaluation.acted.benign_hit)
    return Section("slices", "Slices", render("slices.html", groups=groups, overall=overall))


def mistakes(report: BundleReport) -> Section:
    """The browser of the worst mistakes."""
    found, policy = report.mistakes, report.bundle.policy
    cards = [(item, stretches(item.text, item.evidence, item.model_evidence)) for item in found.worst]
    values = {
        "counts": found.counts,
        "cards": cards,
        "policy": policy,
        "names": {item.id: item.name_en for item in policy.categories},
        "kinds": [count.kind for count in found.counts if count.n],
        "sources": sorted({item.source for item in found.worst}),
        "categories": [c for c in policy.category_ids if any(c in (*item.gold_categories, *item.categories) for item in found.worst)],
        "tags": sorted({tag for item in found.worst for tag in item.tags}),
        "n_by_model": sum(bool(item.model_evidence) for item in found.worst),
    }
    return Section("mistakes", "Mistakes", render("mistakes.html", **values))


def honesty(report: BundleReport) -> Section:
    """Why to believe the figures, and why not."""
    prevalence = report.evaluation.n_violating / report.evaluation.n
    return Section("honesty", "Honesty", render("honesty.html", honesty=report.honesty, words=HONESTY, report=report, prevalence=prevalence))


def provenance(report: BundleReport, command: str | None) -> Section:
    """All that is needed to do it again."""
    given = report.bundle.provenance
    data = {
        **{f"{use}: {name}": sha256 for use in ("train", "dev") for name, sha256 in given.get("data", {}).get(use, {}).items()},
        **{f"calibration: {name}": sha256 for name, sha256 in given.get("calibration", {}).get("data", {}).items()},
        **{f"test: {name}": sha256 for name, sha256 in report.facts["data"].items()},
        **{f"baseline: {name}": sha256 for name, sha256 in report.facts.get("baseline_data", {}).items()},
    }
    return Section(
        "provenance", "Provenance", render("provenance.html", report=report, data=data, bundle=report.bundle, given=given, command=command)
    )


@dataclass(frozen=True)
class HeadlineRow:
    """One number of the bundle; ``others`` are value and paired difference of each baseline, None where it has no such number."""

    name: str
    note: str
    value: Estimate
    kind: str
    others: tuple[tuple[Estimate, Estimate] | None, ...]


def _headline_rows(report: BundleReport) -> list[HeadlineRow]:
    def row(name: str, note: str, pick: str, kind: str = "number") -> HeadlineRow:
        others = tuple(
            (getattr(item.headline, pick), getattr(item.difference, pick)) if hasattr(item.headline, pick) else None
            for item in report.comparisons
        )
        return HeadlineRow(name, note, _picked(report.evaluation, pick), kind, others)

    return [
        row("Macro-F1 of the categories", "at their own thresholds", "macro_f1"),
        row("F1 of any violation", "prob at least 0.5", "violation_f1"),
        row("Average precision of any violation", "no threshold at all", "violation_average_precision"),
        row("Quadratic kappa of severity", "probs at least 0.5", "severity_kappa"),
        row("Precision of acting", report.evaluation.acted.rule, "acted_precision", "percent"),
        row("Recall of acting", report.evaluation.acted.rule, "acted_recall", "percent"),
        row("Benign texts acted on", report.evaluation.acted.rule, "acted_benign", "percent"),
        row("Texts sent to review", "of all texts", "reviewed", "percent"),
    ]


def _picked(evaluation: Evaluation, pick: str) -> Estimate:
    n_categories = len(evaluation.questions) - len(evaluation.levels)
    return {
        "macro_f1": evaluation.macro_f1,
        "violation_f1": evaluation.flagged.f1,
        "violation_average_precision": evaluation.questions[n_categories].average_precision,
        "severity_kappa": evaluation.even_severity.quadratic_kappa,
        "acted_precision": evaluation.acted.precision,
        "acted_recall": evaluation.acted.recall,
        "acted_benign": evaluation.acted.benign_hit,
        "reviewed": evaluation.reviewed,
    }[pick]


def _matrix(title: str, result: SeverityResult, cost: SeverityCost) -> dict[str, Any]:
    """Cells with their share of the row, for shading."""
    rows = [[(count, count / max(1, sum(row))) for count in row] for row in result.confusion]
    return {"title": title, "rows": rows, "result": result, "cost": cost}


def all_sections(
    report: BundleReport, backgrounds: Sequence[NamedBackground], extra: Sequence[Section], command: str | None
) -> tuple[Section, ...]:
    """The page in its order; ``extra`` stands before the mistakes."""
    return (
        verdict(report),
        headline(report),
        questions(report),
        severity(report),
        hard_negatives(report),
        *([background(backgrounds)] if backgrounds else []),
        slices(report),
        *bundle_sections(report.bundle),
        *([] if report.saved.attack is None else [evasion(report.saved.attack)]),
        *([] if report.saved.evidence is None else [evidence(report.saved.evidence)]),
        *extra,
        mistakes(report),
        honesty(report),
        provenance(report, command),
    )


