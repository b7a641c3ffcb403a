"""How fast and how big inference is on this machine, next to other models: each figure from a fresh process, the systems in turn.

Writes docs/benchmarks/inference.md, inference.json and inference.svg. Medians of interleaved repetitions, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_peak import peak
from bench_report import FP32, PACES, System, write_report
from bench_systems import BATCH, LOADERS, ROOT, Decide, disk_mb, prepare, prepare_fp32, records

from classifier.encoder.runtime import available_cores

CHARS = {"32 tokens": 30, "40 tokens": 38, "128 tokens": 126, "512 tokens": 510}
"""Characters of the texts of fixed length: a tokenizer of characters makes so many tokens of them, two special ones included."""
N_SINGLE = 100
SHARES = (0.1, 1.0, 10.0)
"""Percentages of violating texts at which a first stage is measured."""
N_SHARED = 1_000


def peak_memory_mb() -> float:
    """Highest resident memory of this process since it began; what `getrusage` tells includes the process that it was forked from."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1_024


def corpus() -> list[str]:
    """The test texts, in a fixed order without a pattern."""
    texts = [record["text"] for record in records("test")]
    step = 7 if len(texts) % 7 else 11
    return [texts[i * step % len(texts)] for i in range(len(texts))]


def workloads() -> dict[str, list[str]]:
    """The corpus's own lengths, and texts of fixed lengths cut from the training texts."""
    joined = "".join("".join(record["text"].split()) for record in records("train"))
    fixed = {name: [joined[start : start + n] for start in range(0, len(joined) - n, n)][:2_000] for name, n in CHARS.items()}
    return {"corpus": corpus()} | fixed


def shared(share: float) -> list[str]:
    """Test texts of which so many violate, drawn with repetition, marked so that no two are alike."""
    generator = random.Random(0)
    lots = {violating: [record["text"] for record in records("test") if bool(record["categories"]) == violating] for violating in (False, True)}
    marked = [i < round(share * N_SHARED) for i in range(N_SHARED)]
    generator.shuffle(marked)
    return [f"{generator.choice(lots[violating])} {i}" for i, violating in enumerate(marked)]


def pace(decide: Decide, texts: list[str], seconds: float) -> float:
    """Texts a second: batches until the time is up, at least one."""
    n_done, started = 0, time.perf_counter()
    for batch in _batches(texts):
        decide(batch)
        n_done += len(batch)
        if time.perf_counter() - started >= seconds:
            break
    return n_done / (time.perf_counter() - started)


def _batches(texts: list[str], size: int = 4 * BATCH) -> Iterator[list[str]]:
    # The first batches are small, so that a slow model on long texts ends in time; the same few texts are never run twice.
    start, n = 0, 4
    while start < len(texts):
        yield texts[start : start + n]
        start, n = start + n, min(2 * n, size)


def measure(job: dict[str, Any]) -> dict[str, float]:
    """In this process: load one system, and run it over everything it is asked for."""
    started = time.perf_counter()
    options = {key: value for key, value in job["options"].items() if key != "share"}
    decide = LOADERS[job["kind"]](job["folder"], **options)
    loaded = time.perf_counter()
    texts = workloads()
    began = time.perf_counter()
    decide(["今天天气不错"])
    found = {"load, s": loaded - started, "load and first text, s": loaded - started + time.perf_counter() - began}
    if "share" in job["options"]:
        found["corpus"] = pace(decide, shared(job["options"]["share"]), job["seconds"])
    elif job["options"].get("cache"):
        original = texts["corpus"]
        doubled = [text for i in range(0, len(original), BATCH) for text in original[i : i + BATCH] * 2]
        found["corpus, every text twice"] = pace(decide, doubled, job["seconds"])
    else:
        found |= {name: pace(decide, texts[name], job["seconds"]) for name in PACES}
        found |= latencies(decide, texts["corpus"][-N_SINGLE:], 2 * job["seconds"])
        found |= {f"40 tokens, {name}": value for name, value in latencies(decide, texts["40 tokens"][:N_SINGLE], job["seconds"]).items()}
    found["peak memory, MB"] = peak_memory_mb()
    return found


def latencies(decide: Decide, texts: list[str], seconds: float) -> dict[str, float]:
    """Percentiles of the time of one text, in ms; at least two are timed."""
    waits, end = [], time.perf_counter() + seconds
    for text in texts:
        started = time.perf_counter()
        decide([text])
        waits.append((time.perf_counter() - started) * 1_000)
        if time.perf_counter() > end and len(waits) >= 2:
            break
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return {"p50, ms": cuts[49], "p95, ms": cuts[94], "p99, ms": cuts[98]}


def systems(arguments: argparse.Namespace, made: Path) -> list[System]:
    """What there is to measure here."""
    precision = json.loads((arguments.bundle / "settings.json").read_text(encoding="utf-8"))["precision"]
    found = [
        System(f"default bundle, {precision}", "bundle", str(arguments.bundle)),
        System("the same, low latency", "bundle", str(arguments.bundle), {"low_latency": True}),
    ]
    if (made / "fp32").is_dir():
        found.append(System(FP32, "bundle", str(made / "fp32")))
    found += [System(f"student {folder.name}", "bundle", str(folder)) for folder in arguments.student]
    cascade = arguments.cascade or arguments.bundle
    if (cascade / "cascade.npz").is_file():
        for share in SHARES:
            options = {"cascade": True, "share": share / 100}
            found.append(System(f"default with first stage, {share:g}% violating", "bundle", str(cascade), options))
    found.append(System("default with memory of texts", "bundle", str(arguments.bundle), {"cache": True}))
    found.append(System("BERT-base, transformers pipeline", "bert", str(made)))
    found.append(System("the same, torch dynamic int8", "bert", str(made), {"int8": True}))
    found.append(System("builtin encoder, frozen, with head", "frozen", str(made)))
    found.append(System("jieba TF-IDF, logistic regression", "tfidf", str(made)))
    return found


def run(job: dict[str, Any], name: str) -> dict[str, float]:
    """One repetition of one system, in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--once", json.dumps(job)], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr[-2_000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models/default", help="the bundle to measure")
    parser.add_argument("--model", type=Path, default=ROOT / "runs/default/train/model", help="its model folder, for the fp32 form")
    parser.add_argument("--student", type=Path, action="append", default=[], help="another bundle; may be given again")
    parser.add_argument("--cascade", type=Path, help="a bundle with a first stage; default: the bundle, where it has one")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two repetitions of a fraction of a second: only to see that all runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks", help="folder of inference.md, .json and .svg")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    return parser.parse_args()


def once(job: dict[str, Any]) -> dict[str, float]:
    """What one process measures."""
    return peak(job["folder"], job["seconds"], available_cores()) if job["kind"] == "peak" else measure(job)


def main() -> None:
    """Measure every system in turn, as often as asked, and write the report."""
    arguments = parsed()
    if arguments.once:
        print(json.dumps(once(json.loads(arguments.once))))
        return
    n_repetitions, seconds = (2, 0.2) if arguments.quick else (arguments.repetitions, 1.0)
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        prepare(made)
        if (arguments.model / "model.safetensors").is_file():
            prepare_fp32(made / "fp32", arguments.bundle, arguments.model)
        listed = systems(arguments, made)
        peaks: list[dict[str, float]] = []
        figures: dict[str, list[dict[str, float]]] = {system.name: [] for system in listed}
        for number in range(n_repetitions):
            if (made / "fp32").is_dir():
                peaks.append(run({"kind": "peak", "folder": str(made / "fp32"), "seconds": seconds / 2}, "peak"))
            for system in listed:
                job = {"kind": system.kind, "folder": system.folder, "options": system.options, "seconds": seconds}
                figures[system.name].append(run(job, system.name))
                print(f"{number + 1}/{n_repetitions} {system.name}", file=sys.stderr)
        sizes = {system.name: disk_mb(system.kind, system.folder, system.options) for system in listed}
    print(write_report(arguments.out, listed, figures, sizes, peaks))


if __name__ == "__main__":
    main()
