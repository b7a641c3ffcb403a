"""How fast and how big inference is on this machine: the default bundle on posts of 80 characters, each figure from a fresh process.

Prints one table and writes docs/benchmarks/inference.md. Medians of interleaved repetitions, with the spread.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUNDLE = ROOT / "models/default"
N_REPETITIONS = 5
N_POSTS = 1_000


def posts() -> list[str]:
    """A thousand different posts of 80 characters, cut from the training texts."""
    lines = (ROOT / "data/train.jsonl").read_text(encoding="utf-8").splitlines()
    texts = ["".join(json.loads(line)["text"].split()) for line in lines]
    joined = "".join(texts)
    return [joined[start : start + 80] for start in range(0, 80 * N_POSTS, 80)]


def measure_many() -> dict[str, float]:
    """In this process: load, then classify all posts."""
    started = time.perf_counter()
    from classifier import Classifier

    classifier = Classifier.load(BUNDLE)
    classifier.classify("今天天气不错", evidence=False)
    first_s = time.perf_counter() - started
    started = time.perf_counter()
    Classifier.load(BUNDLE)
    load_s = time.perf_counter() - started
    texts = posts()
    started = time.perf_counter()
    classifier.classify_many(texts)
    many_s = time.perf_counter() - started
    latencies = []
    for text in texts[:200]:
        started = time.perf_counter()
        classifier.classify(text[:40], evidence=False)
        latencies.append((time.perf_counter() - started) * 1_000)
    return {
        "import, load and first decision, s": first_s,
        "load, s": load_s,
        "texts per second, 80 characters": len(texts) / many_s,
        "one text of 40 characters, p50, ms": statistics.quantiles(latencies, n=100)[49],
        "one text of 40 characters, p95, ms": statistics.quantiles(latencies, n=100)[94],
        "one text of 40 characters, p99, ms": statistics.quantiles(latencies, n=100)[98],
        "peak memory of the process, MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1_024,
    }


def main() -> None:
    """Run the repetitions in fresh processes and print the table."""
    if sys.argv[1:] == ["--once"]:
        print(json.dumps(measure_many()))
        return
    rows: dict[str, list[float]] = {}
    for _ in range(N_REPETITIONS):
        done = subprocess.run([sys.executable, __file__, "--once"], capture_output=True, text=True, check=True)
        for name, value in json.loads(done.stdout).items():
            rows.setdefault(name, []).append(value)
    lines = ["| measure | median | lowest | highest |", "|---|---|---|---|"]
    lines += [f"| {name} | {statistics.median(v):.3g} | {min(v):.3g} | {max(v):.3g} |" for name, v in rows.items()]
    import numpy
    import onnxruntime

    cores = len(os.sched_getaffinity(0))
    versions = f"Python {platform.python_version()}, onnxruntime {onnxruntime.__version__}, numpy {numpy.__version__}"
    text = (
        f"# Inference\n\n`scripts/bench`, {cores} cores ({platform.machine()}), {versions}; {N_REPETITIONS} fresh processes, {N_POSTS:,} posts of 80 "
        "characters without evidence.\n\n" + "\n".join(lines) + "\n"
    )
    print(text)
    out = ROOT / "docs/benchmarks/inference.md"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
