"""The tables and the picture of the benchmark."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PACES = ("corpus", "32 tokens", "128 tokens", "512 tokens")
TWICE = "corpus, every text twice"
WAITS = ("40 tokens, p50, ms", "40 tokens, p95, ms", "40 tokens, p99, ms", "p50, ms", "p95, ms", "p99, ms")
REST = ("load, s", "load and first text, s", "peak memory, MB")
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
    out: Path, systems: Sequence[System], figures: Figures, sizes: Mapping[str, float], peaks: Sequence[Mapping[str, float]]
) -> str:
    """Write inference.md, inference.json and inference.svg into ``out``; the text comes back.

    :param figures: one mapping of measures for each repetition, by the name of the system.
    :param sizes: MB on disk.
    :param peaks: GFLOP/s of a large product and of the fp32 encoder at each setting, one mapping a repetition; empty where there is no fp32 form.
    """
    out.mkdir(parents=True, exist_ok=True)
    _picture(out / "inference.svg", systems, figures)
    first = systems[0].name
    n_repetitions = len(figures[first])
    content = {"machine": _machine(), "n_repetitions": n_repetitions, "figures": figures, "disk_mb": sizes, "peak_gflops": list(peaks)}
    (out / "inference.json").write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    parts = [
        "# Inference",
        f"`scripts/bench`, {_machine()}; {n_repetitions} repetitions, in each of them every system in turn in a fresh process. Cells: median "
        "[lowest, highest].",
        "Texts per second in batches, on the lengths of the test split and on texts of 30, 126 and 510 characters, which a tokenizer of characters "
        "turns into 32, 128 and 512 tokens; "
        "with a first stage, on test texts of which the stated share violates; TF-IDF and the bundle see all of a long text, "
        "the others up to 512 tokens. BERT-base has the size of BERT-base-Chinese and random weights. "
        "No evidence; the memory of texts is off but in the row that is about it, "
        "where every text comes twice.",
        _table(("system", *PACES), [(system.name, *_cells(figures[system.name], _paces(system))) for system in systems]),
        "![Texts per second](inference.svg)",
        "One text at a time, of 38 characters (40 tokens) and of the lengths of the corpus:",
        _table(("system", *WAITS), [(s.name, *_cells(figures[s.name], WAITS)) for s in systems if _alone(s)]),
        "Cold start (with imports), memory and disk:",
        _table(("system", *REST, "disk, MB"), [(s.name, *_cells(figures[s.name], REST), f"{sizes[s.name]:.0f}") for s in systems]),
        *_peak(peaks),
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
    return f"{cores} cores ({_processor()}), Python {platform.python_version()}, {versions}"


def _processor() -> str:
    """The name that the system tells, and the widest vectors."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    told = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    wide = [name for name in ("amx_int8", "avx512_vnni", "avx512f", "avx2") if name in told.get("flags", "").split()]
    return " ".join([told.get("model name", platform.machine()), *wide[:1]])


def _alone(system: System) -> bool:
    return not {"share", "cache"} & set(system.options)


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


def _peak(peaks: Sequence[Mapping[str, float]]) -> list[str]:
    """How much of a large product's pace the fp32 encoder reaches at each setting."""
    if not peaks:
        return []
    product = [found["product"] for found in peaks]
    rows = []
    for setting in (name for name in peaks[0] if name != "product"):
        paces, shares = [found[setting] for found in peaks], [found[setting] / found["product"] for found in peaks]
        low, middle, high = min(shares), statistics.median(shares), max(shares)
        rows.append((setting, f"{statistics.median(paces):.0f}", f"{middle:.0%} [{low:.0%}, {high:.0%}]"))
    said = (
        f"A product of two float32 matrices of 2,048 rows and columns reaches {statistics.median(product):.0f} GFLOP/s here with all cores "
        f"({min(product):.0f} to {max(product):.0f}). The matrix products of the fp32 encoder, texts x tokens in a call, against that; what remains "
        "is softmax, layer norms, the activation and reading the attention's small blocks, which count as time and not as operations:"
    )
    return ["## Share of the peak", said, _table(("setting", "GFLOP/s", "share of the product"), rows)]


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
