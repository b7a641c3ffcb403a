"""Figures as inline SVG. Colours are CSS variables of the page, so that one figure serves light, dark and print; text stays text."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import Any, TypeVar

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classifier.evaluation.attack_results import AttackReport
from classifier.evaluation.bootstrap import Estimate
from classifier.evaluation.curves import Curves

_VARIABLES = {"#000001": "--ink", "#000002": "--muted", "#000003": "--line", "#000004": "--accent", "#000005": "--bad", "#000006": "--surface"}
"""Colours that matplotlib draws with, and the variable of the page that each becomes."""
INK, MUTED, LINE, ACCENT, BAD, SURFACE = _VARIABLES
T = TypeVar("T")
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "classifier",
    "font.size": 9,
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "text.color": INK,
}


def precision_recall_figure(curves: Curves, *, threshold: float, target: float | None, share_gold: float) -> Markup:
    """Precision over recall with its band; a dot at the threshold in force, a line at the target, a dotted one at the share of gold.

    :param threshold: of the dot, put at the point of the curve nearest above it.
    """
    points = curves.points
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("recall", "precision")
        recalls, values = [point.recall for point in points], [point.precision.value for point in points]
        axes.axhline(share_gold, color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        if target is not None:
            axes.axhline(target, color=BAD, linewidth=1, linestyle=(0, (4, 2)))
            # On the right, where the curve has fallen away from the line.
            axes.annotate(f"target {target:.0%}", (1.0, target), (0, 3), textcoords="offset points", ha="right", color=BAD, fontsize=8)
        axes.fill_between(
            recalls, [p.precision.low for p in points], [p.precision.high for p in points], color=ACCENT, alpha=0.16, linewidth=0
        )
        axes.plot(recalls, values, color=ACCENT, linewidth=1.8, solid_joinstyle="round")
        in_force = [point for point in points if point.threshold >= threshold]
        if in_force:
            axes.plot([in_force[-1].recall], [in_force[-1].precision.value], "o", color=ACCENT, markeredgecolor=SURFACE, markersize=7)
        said = f"Precision over recall of {curves.question}. "
        at = [f"precision {p.precision.value:.2f} at recall {p.recall:.2f}" for p in _spread(points, 5)]
        return _svg(figure, f"pr-{curves.question}", said + "From the strictest threshold: " + ", ".join(at) + ".")


def reliability_figure(curves: Curves) -> Markup:
    """Share of gold over mean prob, bin by bin, with exact intervals, against the diagonal of perfect calibration."""
    bins = curves.calibration.bins
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("mean prob of the bin", "share truly yes")
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (1, 2)))
        probs, shares = [item.mean_prob for item in bins], [item.share.value for item in bins]
        axes.fill_between(probs, [b.share.low for b in bins], [b.share.high for b in bins], color=ACCENT, alpha=0.16, linewidth=0)
        axes.plot(probs, shares, color=ACCENT, linewidth=1.2)
        axes.plot(probs, shares, "o", color=ACCENT, markeredgecolor=SURFACE, markersize=5)
        at = ", ".join(f"{item.share.value:.2f} at {item.mean_prob:.2f}" for item in _spread(bins, 5))
        return _svg(figure, f"reliability-{curves.question}", f"Reliability of {curves.question}. Share truly yes at mean prob: {at}.")


def evasion_figure(report: AttackReport) -> Markup:
    """Recall lost and false positives gained by flagging, one row a technique, at the highest intensity, with intervals."""
    strongest = max(item.intensity for item in report.results)
    results = [item for item in report.results if item.intensity == strongest]
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 1.1 + 0.28 * len(results)), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        axes.axvline(0, color=MUTED, linewidth=1)
        rows = list(range(len(results)))
        _whiskers(axes, [item.flagged.loss for item in results], [row - 0.14 for row in rows], ACCENT, "o", "recall lost")
        _whiskers(axes, [item.flagged.rise for item in results], [row + 0.14 for row in rows], BAD, "s", "false positives gained")
        axes.set_yticks(rows, [item.technique for item in results])
        axes.set(ylim=(len(results) - 0.4, -0.6), xlabel="difference between rewritten and original texts")
        axes.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f}%".replace("-", "−"))
        axes.grid(visible=False, axis="y")
        axes.set_axisbelow(True)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        at = (f"{item.technique} {item.flagged.loss.value:.2f} and {item.flagged.rise.value:.2f}" for item in results)
        return _svg(figure, "evasion", f"Recall lost and false positives gained by technique at intensity {strongest:g}: {', '.join(at)}.")


def _whiskers(axes: Axes, values: Sequence[Estimate], rows: Sequence[float], colour: str, marker: str, label: str) -> None:
    axes.hlines(rows, [value.low for value in values], [value.high for value in values], color=colour, linewidth=1.6)
    axes.plot([value.value for value in values], rows, marker, color=colour, markeredgecolor=SURFACE, markersize=5.5, label=label)


def _axes(x_label: str, y_label: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(4.0, 2.9), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.04), xlabel=x_label, ylabel=y_label)
    axes.set_axisbelow(True)
    return figure, axes


def _spread(items: Sequence[T], n: int) -> list[T]:
    """At most ``n`` items, first and last included."""
    last = len(items) - 1
    return [items[i] for i in sorted({round(k * last / (n - 1)) for k in range(n)})] if items else []


def _svg(figure: Figure, name: str, said: str) -> Markup:
    """The drawing with its colours as variables, ids of its own, no namespace addresses, and its text alternative."""
    with io.StringIO() as handle:
        figure.savefig(handle, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        drawing = handle.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    body = drawing[drawing.index(">") + 1 :]
    view = re.search(r'viewBox="([^"]+)"', drawing)
    prefix = re.sub(r"\W+", "-", name)
    body = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r'<g id="[^"]*"', "<g", body).replace("xlink:href", "href")
    body = re.sub(r'(id="|url\(#|href="#)', rf"\g<1>{prefix}-", body)
    body = re.sub(r"font: ([\d.]+)px [^;\"]*", r"font-size: \1px", body)
    for colour, variable in _VARIABLES.items():
        body = body.replace(colour, f"var({variable})")
    opening = f'<svg viewBox="{view.group(1) if view else ""}" role="img" aria-label="{escape(said)}">'
    return Markup(opening + re.sub(r"\n\s*", "\n", body))
