"""The page of ``ablation.py``: paired differences to the plain recipe, and a verdict by a rule that is stated beside it."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

BASE = "base"
FIRST = "mean average precision"
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Difference:
    """Mean over the seeds of recipe minus base, with a t-interval; the ends are nan with a single seed."""

    mean: float
    low: float
    high: float
    n_seeds: int


def paired_difference(recipe: list[float], base: list[float], confidence_level: float) -> Difference:
    """Mean and Student interval of paired differences.

    :param recipe: one value a seed; ``base`` likewise, of the same seeds in the same order.

    Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t of two degrees of freedom 4.303:

    >>> found = paired_difference([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], 0.95)
    >>> round(found.low, 3), found.mean, round(found.high, 3)
    (-0.484, 2.0, 4.484)
    """
    differences = np.subtract(recipe, base)
    n, mean = len(differences), float(differences.mean())
    if n < 2:
        return Difference(mean, float("nan"), float("nan"), n)
    half = float(stats.t.ppf((1 + confidence_level) / 2, n - 1) * differences.std(ddof=1) / np.sqrt(n))
    return Difference(mean, mean - half, mean + half, n)


def kept(differences: dict[str, Difference]) -> bool:
    """The rule: the first measure's interval lies above 0, and no other measure's lies wholly below it.

    >>> better, unclear, worse = Difference(2, 1, 3, 3), Difference(0, -1, 1, 3), Difference(-2, -3, -1, 3)
    >>> kept({FIRST: better, "x": unclear}), kept({FIRST: unclear}), kept({FIRST: better, "x": worse})
    (True, False, False)
    """
    others = [item for name, item in differences.items() if name != FIRST]
    return differences[FIRST].low > 0 and not any(item.high < 0 for item in others)


def write_report(folder: Path, found: dict[str, dict[int, Any]], content: dict[str, Any], *, n_dev: int) -> str:
    """Write ``ablation.md`` and ``ablation.json``; gives back the page."""
    base, protocol = found.get(BASE, {}), content["protocol"]
    compared: dict[str, dict[str, Difference]] = {}
    for name, runs in found.items():
        seeds = sorted(set(runs) & set(base))
        if name == BASE or not seeds:
            continue
        names = runs[seeds[0]]["measures"]
        compared[name] = {
            measure: paired_difference(*([of[s]["measures"][measure] for s in seeds] for of in (runs, base)), protocol["confidence_level"])
            for measure in names
        }
    versions = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
    page = _page(found, compared, content, versions, n_dev)
    runs_of = {name: {str(seed): {k: v for k, v in one.items() if k != "dev_logits"} for seed, one in runs.items()} for name, runs in found.items()}
    verdicts = {name: {"kept": kept(parts), "differences": {k: asdict(v) for k, v in parts.items()}} for name, parts in compared.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ablation.md").write_text(page, encoding="utf-8")
    whole = {"protocol": protocol, "settings": content["settings"], "versions": versions, "verdicts": verdicts, "runs": runs_of}
    (folder / "ablation.json").write_text(json.dumps(_plain(whole), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return page


def _plain(value: Any) -> Any:
    """The same without nan, which JSON has not."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value


def _page(
    found: dict[str, dict[int, Any]], compared: dict[str, dict[str, Difference]], content: dict[str, Any], versions: dict[str, str], n_dev: int
) -> str:
    protocol, base = content["protocol"], found.get(BASE, {})
    measures = list(next(iter(base.values()))["measures"]) if base else []
    level = f"{protocol['confidence_level']:.0%}"
    n_train = next(iter(base.values()))["n_train"] if base else 0
    lines = [
        "# What each training recipe is worth",
        "",
        f"`scripts/ablation`: {n_train:,} training texts (whole groups, drawn by the hash of their name, the same for every seed), "
        f"{', '.join(f'{name} {value}' for name, value in content['settings'].items())}; judged on the {n_dev} texts of dev. Each recipe changes "
        "only what its row says. Thresholds of the F1 and of severity are chosen on one half of dev and applied to the other.",
        "",
        f"A difference is recipe minus base with the same seed, mean over the seeds, with a {level} t-interval over the seeds. It tells the noise of "
        "training, not that of the choice of dev texts, and three seeds tell little: an interval has to be narrow to exclude 0. "
        f"**Rule:** a recipe is kept when the interval of {FIRST} lies above 0 and no other measure's interval lies wholly below 0.",
        "",
        "| recipe | changes | seeds | " + " | ".join(measures) + " | seconds a run | verdict |",
        "| --- | --- | --- |" + " --- |" * (len(measures) + 2),
    ]
    if base:
        means = [f"{np.mean([one['measures'][m] for one in base.values()]):.3f}" for m in measures]
        lines.append(f"| {BASE} | - | {len(base)} | {' | '.join(means)} | {_seconds(base)} | - |")
    for name, parts in compared.items():
        changes = ", ".join(f"`{key} = {value}`" for key, value in content["recipes"][name].items())
        cells = " | ".join(_cell(parts[m]) for m in measures)
        verdict = "kept" if kept(parts) else "not kept"
        lines.append(f"| {name} | {changes} | {parts[FIRST].n_seeds} | {cells} | {_seconds(found[name])} | {verdict} |")
    hashes = next(iter(base.values()))["data"] if base else {}
    lines += ["", "Files: " + ", ".join(f"{name} `{digest[:16]}`" for name, digest in hashes.items()) + " (SHA-256)."]
    lines += ["", "Versions: " + ", ".join(f"{name} {number}" for name, number in versions.items()) + ".", ""]
    return "\n".join(lines)


def _seconds(runs: dict[int, Any]) -> str:
    return f"{np.median([one['seconds'] for one in runs.values()]):.0f}"


def _cell(item: Difference) -> str:
    if np.isnan(item.low):
        return f"{item.mean:+.3f}"
    return f"{item.mean:+.3f} [{item.low:+.3f}, {item.high:+.3f}]"
