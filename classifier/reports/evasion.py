"""The section about rewritten texts: what is still found, and how many benign texts suffer."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from classifier.evaluation.attack_results import AttackReport, AttackResult
from classifier.reports.figures import evasion_figure
from classifier.reports.section import Section, render


@dataclass(frozen=True)
class OverCorrected:
    """A technique by which significantly more benign texts are hit: at what intensity at worst, and what hits them."""

    technique: str
    name_zh: str
    intensity: float
    rise: float
    acted: bool


def evasion(report: AttackReport) -> Section:
    """Recall lost beside false positives gained, for every technique and intensity."""
    values = {
        "report": report,
        "figure": evasion_figure(report),
        "groups": [(name, list(items)) for name, items in groupby(report.results, key=lambda item: (item.technique, item.name_zh))],
        "over": over_corrected(report),
        "strongest": max(item.intensity for item in report.results),
    }
    return Section("evasion", "Evasion", render("evasion.html", **values))


def over_corrected(report: AttackReport) -> tuple[OverCorrected, ...]:
    """The techniques of ``report.over_corrections``, each at the intensity of its largest significant rise."""
    return tuple(_worst([item for item in report.results if item.technique == name]) for name in report.over_corrections)


def _worst(results: list[AttackResult]) -> OverCorrected:
    effects = [(item, effect, effect is item.acted) for item in results for effect in (item.flagged, item.acted) if effect.over_correction]
    item, effect, acted = max(effects, key=lambda found: found[1].rise.value)
    return OverCorrected(item.technique, item.name_zh, item.intensity, effect.rise.value, acted)
