"""How fast and how big inference is on this machine, next to other models: each figure from a fresh process, the systems in turn.

Writes docs/benchmarks/inference.md and inference.svg. Medians of interleaved repetitions, with the lowest and the highest.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench_report import System, write_report
from bench_systems import BATCH, LOADERS, ROOT, Decide, disk_mb, prepare, records

CHARS = {"32 tokens": 30, "128 tokens": 126, "512 tokens": 510}
"""Characters of the texts of fixed length: a tokenizer of characters makes so many tokens of them, two special ones included."""
N_SINGLE = 150


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
    decide = LOADERS[job["kind"]](job["folder"], **job["options"])
    loaded = time.perf_counter()
    texts = workloads()
    began = time.perf_counter()
    decide(["今天天气不错"])
    found = {"load, s": loaded - started, "load and first text, s": loaded - started + time.perf_counter() - began}
    if job["options"].get("cache"):
        original = texts["corpus"]
        doubled = [text for i in range(0, len(original), BATCH) for text in original[i : i + BATCH] * 2]
        found["corpus, every text twice"] = pace(decide, doubled, job["seconds"])
    else:
        found |= {name: pace(decide, lot, job["seconds"]) for name, lot in texts.items()}
        found |= _latencies(decide, texts["corpus"][-N_SINGLE:], 2 * job["seconds"])
    found["peak memory, MB"] = peak_memory_mb()
    return found


def _latencies(decide: Decide, texts: list[str], seconds: float) -> dict[str, float]:
    waits, end = [], time.perf_counter() + seconds
    for text in texts:
        started = time.perf_counter()
        decide([text])
        waits.append((time.perf_counter() - started) * 1_000)
        if time.perf_counter() > end and len(waits) >= 2:
            break
    cuts = statistics.quantiles(waits, n=100, method="inclusive")
    return {"p50, ms": cuts[49], "p95, ms": cuts[94], "p99, ms": cuts[98]}


def gemm_gflops(seconds: float) -> float:
    """Billions of operations a second that a large float32 product reaches here with all cores, the best of some."""
    import numpy as np

    size = 1_536
    left, right = (np.random.default_rng(seed).random((size, size), dtype=np.float32) for seed in (0, 1))
    best, end = 0.0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        left @ right
        best = max(best, 2 * size**3 / (time.perf_counter() - started) / 1e9)
    return best


def gflop_of(model: Path, tokenizer: Path, texts: list[str]) -> float:
    """Billions of operations of the matrix products of an ONNX encoder over texts: 2 for each weight and token, and 4 * width * tokens² a layer."""
    import onnx
    from tokenizers import Tokenizer

    graph = onnx.load(model).graph
    shapes = {item.name: tuple(item.dims) for item in graph.initializer}
    # Pooler and head (Gemm) are run once a text and not once a token.
    products = [shapes[name] for node in graph.node if node.op_type in ("MatMul", "Attention") for name in node.input[1:2] if name in shapes]
    weights = sum(shape[0] * shape[1] for shape in products if len(shape) == 2)
    n_layers = sum(node.op_type in ("Attention", "MultiHeadAttention", "Softmax") for node in graph.node)
    width = products[0][0]
    reader = Tokenizer.from_file(str(tokenizer))
    reader.no_truncation()
    lengths = [len(encoding.ids) for encoding in reader.encode_batch(texts)]
    return sum(2 * weights * n + 4 * width * n * n * n_layers for n in lengths) / 1e9


def systems(arguments: argparse.Namespace, made: Path) -> list[System]:
    """What there is to measure here."""
    found = [System("default bundle, int8", "bundle", str(arguments.bundle))]
    if arguments.fp32 is not None:
        found.append(System("the same, fp32", "bundle", str(arguments.fp32)))
    if arguments.cascade is not None or (arguments.bundle / "cascade.npz").is_file():
        found.append(System("int8 with first stage", "bundle", str(arguments.cascade or arguments.bundle), {"cascade": True}))
    found.append(System("int8 with memory of texts", "bundle", str(arguments.bundle), {"cache": True}))
    found.append(System("BERT-base, transformers pipeline", "bert", str(made)))
    found.append(System("the same, torch dynamic int8", "bert", str(made), {"int8": True}))
    found.append(System("builtin encoder, frozen, with head", "frozen", str(made)))
    found.append(System("jieba TF-IDF, logistic regression", "tfidf", str(made)))
    return found


def run(system: System, seconds: float) -> dict[str, float]:
    """One repetition of one system, in a process of its own."""
    job = {"kind": system.kind, "folder": system.folder, "options": system.options, "seconds": seconds}
    done = subprocess.run([sys.executable, __file__, "--once", json.dumps(job)], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"{system.name}: {done.stderr[-2_000:]}")
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def main() -> None:
    """Measure every system in turn, as often as asked, and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=ROOT / "models/default", help="the bundle to measure")
    parser.add_argument("--fp32", type=Path, help="its fp32 form, for one more row and the share of the peak")
    parser.add_argument("--cascade", type=Path, help="a bundle with a first stage; default: the bundle, where it has one")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="two repetitions of a fraction of a second: only to see that all runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks", help="folder of inference.md and inference.svg")
    parser.add_argument("--once", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(measure(json.loads(arguments.once))))
        return
    n_repetitions, seconds = (2, 0.2) if arguments.quick else (arguments.repetitions, 2.0)
    with tempfile.TemporaryDirectory() as name:
        made = Path(name)
        prepare(made)
        listed = systems(arguments, made)
        peaks, figures = [], {system.name: [] for system in listed}
        for number in range(n_repetitions):
            peaks.append(gemm_gflops(seconds))
            for system in listed:
                figures[system.name].append(run(system, seconds))
                print(f"{number + 1}/{n_repetitions} {system.name}", file=sys.stderr)
        sizes = {system.name: disk_mb(system.kind, system.folder, system.options) for system in listed}
    gflop = None
    if arguments.fp32 is not None:
        texts = workloads()["128 tokens"]
        gflop = gflop_of(arguments.fp32 / "model.onnx", arguments.fp32 / "tokenizer.json", texts) / len(texts)
    print(write_report(arguments.out, listed, figures, sizes, peaks, gflop))


if __name__ == "__main__":
    main()
