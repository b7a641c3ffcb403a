"""Memory over a long stream of short texts through one `Classifier` with its memory of logits full; it must stay flat.

As in a campaign most texts are copies of recent ones (``--new 1`` for none).
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench_systems import ROOT, records

N_POINTS = 20
CACHE_SIZE = 10_000
RECENT = 5_000


def resident_mb() -> float:
    """Resident memory of this process now."""
    line = next(line for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1_024


def stream(n: int, new: float) -> Iterator[str]:
    """``n`` texts of some ten characters: the share ``new`` was not there before, the others are copies of recent ones."""
    shorts = [record["text"][:8] for record in records("train")]
    for i in range(n):
        n_new = math.floor(i * new)
        number = n_new if math.floor((i + 1) * new) > n_new else max(0, n_new - 1 - i * 7 % RECENT)
        yield f"{shorts[number % len(shorts)]}{number}"


def run(bundle: Path, n: int, new: float) -> dict[str, object]:
    """Classify ``n`` texts and note the memory twenty times on the way; ``growth_mb`` is from the first point after the cache is full to the last."""
    from classifier import Classifier

    classifier = Classifier.load(bundle, cache_size=CACHE_SIZE)
    classifier.classify("今天天气不错")
    before, started, points, batch = resident_mb(), time.perf_counter(), [], []
    every = max(n // N_POINTS, 1)
    for i, text in enumerate(stream(n, new), 1):
        batch.append(text)
        if len(batch) == 256 or i % every == 0 or i == n:
            classifier.classify_many(batch)
            batch = []
        if i % every == 0:
            points.append({"n": i, "mb": round(resident_mb(), 1)})
            print(f"{i:,} texts, {points[-1]['mb']} MB, {i / (time.perf_counter() - started):.0f} texts/s", file=sys.stderr)
    full = next((point for point in points if point["n"] * new >= 2 * CACHE_SIZE), points[0])
    growth = round(points[-1]["mb"] - full["mb"], 1)
    rate = round(n / (time.perf_counter() - started), 1)
    memory = {"loaded_mb": round(before, 1), "points": points, "cache_entries": classifier.cache_counts.n_entries, "growth_mb": growth}
    return {"n": n, "new": new, "texts_per_s": rate} | memory


def main() -> None:
    """Run a stream and write docs/benchmarks/stream.json."""
    parser = argparse.ArgumentParser(prog="bench stream", description=__doc__)
    parser.add_argument("n", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--new", type=float, default=0.1, help="share of the texts that were not there before")
    parser.add_argument("--bundle", type=Path, default=ROOT / "models/default")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/benchmarks/stream.json")
    arguments = parser.parse_args()
    found = run(arguments.bundle, arguments.n, arguments.new)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(found) + "\n", encoding="utf-8")
    print(json.dumps({key: value for key, value in found.items() if key != "points"}))


if __name__ == "__main__":
    main()
