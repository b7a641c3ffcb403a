"""Learning curves: one picture of a training run, a file of its own that opens anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from classifier.reports.figures import _STYLE, ACCENT, BAD, MUTED, SURFACE, _svg

_PAPER = {"--ink": "#1f2328", "--muted": "#59636e", "--line": "#d1d9e0", "--accent": "#0969da", "--bad": "#c0392b", "--surface": "#ffffff"}
"""Colours for a picture that stands alone, in place of the variables of a page."""
Points = Sequence[tuple[float, float]]


def learning_curves(history: Sequence[Mapping[str, Any]]) -> str:
    """Loss and learning rate over the epochs, and dev average precision at the end of each, as an SVG file.

    :param history: log entries of ``Trainer``: ``epoch`` with ``loss``, ``learning_rate`` or ``eval_average_precision``.
    """
    loss, rate, precision = (_points(history, name) for name in ("loss", "learning_rate", "eval_average_precision"))
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 2.9), layout="constrained")
        figure.patch.set_alpha(0)
        axes: list[Axes] = list(figure.subplots(1, 3))
        for panel, points, title in zip(axes, (loss, rate, precision), ("training loss", "learning rate", "dev average precision"), strict=True):
            panel.patch.set_alpha(0)
            panel.set(xlabel="epoch", ylabel=title)
            panel.set_axisbelow(True)
            panel.plot([x for x, _ in points], [y for _, y in points], color=ACCENT, linewidth=1.6)
        axes[1].ticklabel_format(axis="y", style="sci", scilimits=(0, 0))
        _mark(axes[2], precision)
        drawing = str(_svg(figure, "learning", _said(loss, precision)))
    for variable, colour in _PAPER.items():
        drawing = drawing.replace(f"var({variable})", colour)
    return drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" style="background:#ffffff;font-family:sans-serif" ', 1) + "\n"


def _points(history: Sequence[Mapping[str, Any]], name: str) -> Points:
    return [(float(entry["epoch"]), float(entry[name])) for entry in history if name in entry and "epoch" in entry]


def _mark(axes: Axes, precision: Points) -> None:
    """A dot at each epoch, another colour at the best one, which is kept."""
    axes.plot([x for x, _ in precision], [y for _, y in precision], "o", color=MUTED, markeredgecolor=SURFACE, markersize=5)
    if precision:
        best = max(precision, key=lambda point: point[1])
        axes.plot([best[0]], [best[1]], "o", color=BAD, markeredgecolor=SURFACE, markersize=7)
        axes.annotate(f"{best[1]:.3f}", best, (0, -12), textcoords="offset points", ha="center", color=BAD, fontsize=8)


def _said(loss: Points, precision: Points) -> str:
    parts = []
    if loss:
        parts.append(f"Training loss from {loss[0][1]:.3f} to {loss[-1][1]:.3f}.")
    if precision:
        parts.append("Dev average precision by epoch: " + ", ".join(f"{value:.3f}" for _, value in precision) + ".")
    return " ".join(parts)
