"""The tables and the picture of the benchmark."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACES = ("corpus", "32 tokens", "128 tokens", "512 tokens")
TWICE = "corpus, every text twice"
REST = ("p50, ms", "p95, ms", "p99, ms", "load, s", "load and first text, s", "peak memory, MB")
FP32 = "the same, fp32"
OWN = {
    "corpus": "texts per second, lengths of the corpus",
    "128 tokens": "texts per second, 126 characters",
    "p50, ms": "one text, p50, ms",
    "p95, ms": "one text, p95, ms",
    "p99, ms": "one text, p99, ms",
    "load and first text, s": "import, load and first decision, s",
    "peak memory, MB": "peak memory of the process, MB",
}
"""The rows of the short table of the default bundle, which the READMEs show."""


@dataclass(frozen=True)
class System:
    """One row of the table: what it is called, and how it is loaded."""

    name: str
    kind: str
    folder: str
    options: dict[str, Any] = field(default_factory=dict)


Figures = Mapping[str, Sequence[Mapping[str, float]]]


def write_report(
    out: Path, systems: Sequence[System], figures: Figures, sizes: Mapping[str, float], peaks: Sequence[float], gflop: float | None
) -> str:
    """Write inference.md and inference.svg into ``out``; the text comes back.

    :param figures: one mapping of measures for each repetition, by the name of the system.
    :param sizes: MB on disk.
    :param peaks: billions of operations a second of a large product, one for each repetition.
    :param gflop: billions of operations of the fp32 encoder for one text of 126 characters; None where it was not measured.
    """
    out.mkdir(parents=True, exist_ok=True)
    _picture(out / "inference.svg", systems, figures)
    first = systems[0].name
    n_repetitions = len(figures[first])
    parts = [
        "# Inference",
        f"`scripts/bench`, {_machine()}; {n_repetitions} repetitions, in each of them every system in turn in a fresh process. Cells: median "
        "[lowest, highest].",
        "Texts per second in batches, on the lengths of the test split and on texts of 30, 126 and 510 characters, which a tokenizer of characters "
        "turns into 32, 128 and 512 tokens; TF-IDF and the bundle see all of a long text, the others up to 512 tokens. BERT-base has the size of "
        "BERT-base-Chinese and random weights. No evidence; the memory of texts is off but in the row that is about it, "
        "where every text comes twice.",
        _table(("system", *PACES), [(system.name, *_cells(figures[system.name], _paces(system))) for system in systems]),
        "![Texts per second](inference.svg)",
        "One text at a time, cold start, memory and disk:",
        _table(("system", *REST, "disk, MB"), [(s.name, *_cells(figures[s.name], REST), f"{sizes[s.name]:.0f}") for s in systems]),
        _share(figures, peaks, gflop),
        "## Default bundle",
        _table(("measure", "median", "lowest", "highest"), [(name, *_spread(figures[first], key)) for key, name in OWN.items()]),
    ]
    text = "\n\n".join(parts) + "\n"
    (out / "inference.md").write_text(text, encoding="utf-8")
    return text


def _machine() -> str:
    import numpy
    import onnxruntime
    import torch
    import transformers

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = f"onnxruntime {onnxruntime.__version__}, torch {torch.__version__}, transformers {transformers.__version__}, numpy {numpy.__version__}"
    return f"{cores} cores ({platform.machine()}), Python {platform.python_version()}, {versions}"


def _paces(system: System) -> tuple[str, ...]:
    return (TWICE, *PACES[1:]) if system.options.get("cache") else PACES


def _cells(repetitions: Sequence[Mapping[str, float]], names: Sequence[str]) -> list[str]:
    cells = []
    for name in names:
        values = [repetition[name] for repetition in repetitions if name in repetition]
        cells.append(f"{_short(statistics.median(values))} [{_short(min(values))}, {_short(max(values))}]" if values else "-")
    return cells


def _spread(repetitions: Sequence[Mapping[str, float]], name: str) -> tuple[str, str, str]:
    values = [repetition[name] for repetition in repetitions]
    return f"{statistics.median(values):.3g}", f"{min(values):.3g}", f"{max(values):.3g}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))


def _share(figures: Figures, peaks: Sequence[float], gflop: float | None) -> str:
    peak = statistics.median(peaks)
    said = f"A large float32 product reaches {peak:.0f} GFLOP/s on this machine with all cores (from {min(peaks):.0f} to {max(peaks):.0f})."
    if gflop is None or FP32 not in figures:
        return said
    reached = [repetition["128 tokens"] * gflop for repetition in figures[FP32]]
    pace = statistics.median(reached)
    return f"{said} The fp32 encoder does {gflop:.2f} GFLOP for a text of 126 characters, {pace:.0f} GFLOP/s: {pace / peak:.0%} of that."


def _picture(path: Path, systems: Sequence[System], figures: Figures) -> None:
    """Bars of texts a second on the lengths of the corpus, on a logarithmic scale, from the lowest to the highest repetition."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    values = [[repetition[_paces(system)[0]] for repetition in figures[system.name]] for system in systems]
    medians = [statistics.median(found) for found in values]
    spread = [[m - min(found) for m, found in zip(medians, values, strict=True)], [max(found) - m for m, found in zip(medians, values, strict=True)]]
    picture, axes = pyplot.subplots(figsize=(8, 0.5 * len(systems) + 1.2))
    colours = ["#2a6f97" if system.kind == "bundle" else "#adb5bd" for system in systems]
    bars = axes.barh([system.name for system in systems], medians, xerr=spread, color=colours, error_kw={"lw": 1, "capsize": 2})
    axes.bar_label(bars, labels=[_short(m) for m in medians], padding=6)
    axes.set_xscale("log")
    axes.set_xlim(right=max(medians) * 4)
    axes.invert_yaxis()
    axes.set_xlabel("texts per second, lengths of the corpus (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    picture.tight_layout()
    picture.savefig(path, metadata={"Date": None})
    pyplot.close(picture)
