"""Quality against speed: models of several sizes, each in several precisions, on the same texts and the same machine.

Writes docs/benchmarks/frontier.md, frontier.json and frontier.svg. A model is exported, calibrated, scored and timed once; what came of it is kept
under --work by the hash of its weights, so that a run which was ended goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import bench
import numpy as np
from bench_report import _machine, _table
from bench_systems import ROOT

from classifier.bundle import LAYOUT, PRECISIONS, load_bundle
from classifier.data import clusters_of
from classifier.decisions.arrays import as_probs
from classifier.errors import CalibrationError
from classifier.evaluation import metrics
from classifier.evaluation.bootstrap import estimate, plan_resamples
from classifier.evaluation.outcomes import outcomes_of
from classifier.evaluation.parity import ParityGate
from classifier.examples import targets_of
from classifier.files import sha256_of, write_text_atomic
from classifier.inference import Classifier
from classifier.policy import Policy
from classifier.records import read_examples
from classifier.training.assemble import bundle_from_onnx
from classifier.training.config import TrainingConfig
from classifier.training.export import export_onnx
from classifier.training.parity import calibrated_copy, check_parity

SEED = 13
SPEEDS = ("corpus", "40 tokens, p50, ms", "load, s", "peak memory, MB")
Result = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """Files of each split, and the texts that parity is judged on."""

    train: Path
    dev: Path
    calibration: Path
    test: Path


def measured(model: Path, precision: str, data: Data, options: argparse.Namespace) -> Result:
    """Everything about one model in one precision; steps that are done already are read back."""
    folder = options.work / sha256_of(model / "model.safetensors")[:12]
    made, fp32 = folder / precision, folder / "fp32"
    config = TrainingConfig.from_toml(options.config)
    if not (made / "manifest.json").is_file():
        bundle_of(model, made, precision, data, config)
    steps: Mapping[str, Callable[[], Any]] = {
        "quality": lambda: {split: quality(made, path) for split, path in (("dev", data.dev), ("test", data.test))},
        "parity": lambda: None if precision == "fp32" else parity_of(fp32, made, data, options.min_texts),
        "speed": lambda: speeds(made, options),
    }
    layers = json.loads((model / "config.json").read_text(encoding="utf-8"))["num_hidden_layers"]
    found: Result = {"model": model.parent.name + "/" + model.name, "layers": layers, "precision": precision}
    found["disk, MB"] = (made / LAYOUT.onnx).stat().st_size / 1e6
    for step, do in steps.items():
        path = folder / f"{precision}-{step}.json"
        if not path.is_file():
            write_text_atomic(path, json.dumps(do()))
        found[step] = json.loads(path.read_text(encoding="utf-8"))
    return found


def bundle_of(model: Path, out: Path, precision: str, data: Data, config: TrainingConfig) -> None:
    """Export and calibrate a model."""
    policy = Policy.load()
    fp32, raw = out.parent / "fp32.onnx", out.parent / f"{precision}-raw"
    out.parent.mkdir(parents=True, exist_ok=True)
    if not fp32.is_file():
        export_onnx(model, fp32)
    samples = read_examples([data.train], policy)
    bundle_from_onnx(fp32, model, raw, policy, config, provenance={}, samples=samples, precision=precision)
    calibrated_copy(raw, out, [data.calibration], seed=SEED)


def quality(folder: Path, path: Path) -> Result:
    """Macro-F1 of the categories and mean average precision of the questions, with intervals over clusters of texts."""
    bundle = load_bundle(folder)
    policy = bundle.policy
    examples = read_examples([path], policy)
    probs = Classifier(bundle).predict_proba([example.text for example in examples], source=[example.source for example in examples])
    targets = targets_of(examples, policy)
    outcomes = outcomes_of(as_probs(probs, policy), targets, examples, policy, bundle.ladder, bundle.category_thresholds)
    resamples = plan_resamples(clusters_of(examples), len(examples), seed=SEED)
    macro_f1 = estimate(lambda weights: metrics.macro_f1(outcomes.named, outcomes.gold_categories, weights), resamples, len(examples))
    asked = [column for column in zip(outcomes.probs.T, outcomes.gold.T, strict=True) if column[1].any()]
    precision = estimate(lambda weights: np.mean([metrics.average_precision(*column, weights) for column in asked], axis=0), resamples, len(examples))
    return {"macro-F1": macro_f1.to_dict(), "average precision": precision.to_dict()}


def parity_of(fp32: Path, other: Path, data: Data, min_texts: int) -> Result:
    """Decisions next to those of the same model in fp32."""
    try:
        return check_parity(fp32, other, [data.calibration, data.test], gate=ParityGate(min_texts=min_texts)).to_dict()
    except CalibrationError as error:
        raise SystemExit(f"{other}: {error}") from error


def speeds(folder: Path, options: argparse.Namespace) -> Result:
    """Lowest, median and highest of each measure over the repetitions, each in a fresh process."""
    job = {"kind": "bundle", "folder": str(folder.absolute()), "options": {}, "seconds": options.seconds}
    runs = [bench.run(job, str(folder)) for _ in range(options.repetitions)]
    found = {name: sorted(run[name] for run in runs) for name in SPEEDS}
    return {name: {"low": values[0], "value": statistics.median(values), "high": values[-1]} for name, values in found.items()}


def report(results: Sequence[Result], options: argparse.Namespace) -> str:
    """The page."""
    rows = [
        (
            f"{found['layers']} layers, {found['precision']}",
            _span(found["quality"]["test"]["macro-F1"], 3),
            _span(found["quality"]["test"]["average precision"], 3),
            _span(found["quality"]["dev"]["macro-F1"], 3),
            _span(found["speed"]["corpus"], 0),
            _span(found["speed"]["40 tokens, p50, ms"], 1),
            f"{found['disk, MB']:.0f}",
            f"{found['speed']['load, s']['value']:.2f}",
            f"{found['speed']['peak memory, MB']['value']:.0f}",
            "-" if found["parity"] is None else f"{found['parity']['equal']:.2%}" + ("" if found["parity"]["passed"] else ", refused"),
        )
        for found in results
    ]
    headings = ("model", "macro-F1, test", "average precision, test", "macro-F1, dev", "texts per second", "p50 of 40 tokens, ms", "disk, MB")
    n_compared = next((found["parity"]["n_texts"] for found in results if found["parity"]), 0)
    return "\n\n".join(
        [
            "# Quality against speed",
            f"`scripts/frontier`, {_machine()}; {options.repetitions} repetitions of each speed, each in a fresh process: median [lowest, highest]. "
            "Quality: value [95% interval over clusters of texts]. Texts per second on the lengths of the test split.",
            "Each is calibrated for itself. Equal decisions: level, review and categories as those of the same model in fp32, "
            f"on {n_compared:,} texts.",
            _table((*headings, "load, s", "peak memory, MB", "equal decisions"), rows),
            "![Quality against speed](frontier.svg)",
        ]
    )


def _span(found: Mapping[str, float], digits: int) -> str:
    value, low, high = (f"{found[name]:,.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def picture(path: Path, results: Sequence[Result]) -> None:
    """Macro-F1 on test over texts per second, a line for each precision."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 4.5))
    for precision, colour in zip(PRECISIONS, ("#6c757d", "#2a6f97", "#c0392b", "#5a8f29", "#8e5ea2"), strict=False):
        points = sorted((found for found in results if found["precision"] == precision), key=lambda found: found["layers"])
        if not points:
            continue
        speed, f1 = [found["speed"]["corpus"] for found in points], [found["quality"]["test"]["macro-F1"] for found in points]
        x, y = [item["value"] for item in speed], [item["value"] for item in f1]
        axes.errorbar(x, y, xerr=_arms(speed), yerr=_arms(f1), fmt="o-", color=colour, label=precision, elinewidth=0.8, capsize=2, markersize=4)
        for found, place in zip(points, zip(x, y, strict=True), strict=True):
            axes.annotate(str(found["layers"]), place, (5, 5), textcoords="offset points", fontsize=8, color=colour)
    axes.set(xlabel="texts per second, lengths of the corpus (logarithmic)", ylabel="macro-F1, test", xscale="log")
    axes.legend(frameon=False, title="layers by the dots")
    axes.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _arms(items: Sequence[Mapping[str, float]]) -> list[list[float]]:
    return [[item["value"] - item["low"] for item in items], [item["high"] - item["value"] for item in items]]


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+", help="folders of trained models, such as runs/default/train/model")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--config", type=Path, default=ROOT / "scripts/train-default.toml", help="settings that the models were trained with")
    parser.add_argument("--data", type=Path, default=ROOT / "data", help="folder of train, dev, calibration and test files")
    parser.add_argument("--work", type=Path, default=ROOT / "runs/frontier", help="what is measured already")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measure of speed")
    parser.add_argument("--min-texts", type=int, default=2_000, help="fewest texts that the parity gate judges on")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not measured yet, and write the page."""
    options = parsed(arguments)
    data = Data(*(options.data / f"{split}.jsonl" for split in Data.__dataclass_fields__))
    # fp32 first: the others are held against it.
    precisions = sorted({"fp32", *options.precisions}, key=PRECISIONS.index)
    results = []
    for model in options.models:
        for precision in precisions:
            results.append(measured(model, precision, data, options))
            print(f"{model} {precision}: done", flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    hashes = {split: sha256_of(path) for split, path in asdict(data).items()}
    write_text_atomic(options.out / "frontier.json", json.dumps({"data": hashes, "results": results}, indent=1) + "\n")
    picture(options.out / "frontier.svg", results)
    write_text_atomic(options.out / "frontier.md", report(results, options) + "\n")


if __name__ == "__main__":
    main()
