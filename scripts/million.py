"""A million short texts through ``classifier batch``: rate, memory of all its processes, killed once in the middle and resumed.

At the end nothing may be lost, doubled or changed. The texts: row i is ``{i:07d}`` and up to 40 (``--chars``) characters of a text of
``data/train.jsonl``, begun at another place each time the corpus comes round, so that no two rows are equal and the memory of texts answers none.
``--rows 20000`` is a rehearsal of some minutes. What ``--write`` writes, ``classifier batch-plan --rates`` plans from.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from classifier import Classifier  # noqa: E402  # of this tree, whatever is installed

N_ALONE, N_CHECKED = 3_000, 200


def text_of(row: int, corpus: list[str], chars: int) -> str:
    """The text of a row; the number in front makes it the only one of its kind."""
    turn, place = divmod(row, len(corpus))
    base = corpus[place]
    start = turn * 7 % max(1, len(base) - chars + 1)
    return f"{row:07d}{base[start : start + chars]}"


def corpus() -> list[str]:
    """The training texts, each on one line."""
    lines = (ROOT / "data/train.jsonl").read_text(encoding="utf-8").splitlines()
    return [" ".join(json.loads(line)["text"].split()) for line in lines]


def write_input(folder: Path, n_rows: int, n_partitions: int, chars: int) -> None:
    """One Parquet file for each partition, unless they are there."""
    texts = corpus()
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in enumerate(np.array_split(np.arange(n_rows), n_partitions)):
        table = pyarrow.table({"id": [str(row) for row in rows], "text": [text_of(int(row), texts, chars) for row in rows]})
        pyarrow.parquet.write_table(table, folder / f"part-{part:04d}.parquet")


@dataclass
class Watch:
    """Once a second: memory of a process and of all that came from it, in MB of proportional set size, shared pages counted once."""

    pid: int
    samples: list[dict[str, float]] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)
    cpu_s: dict[int, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            pids = descendants(self.pid)
            self.seen |= {pid: started for pid in pids if (started := start_of(pid))}
            self.cpu_s |= {pid: spent for pid in pids if (spent := cpu_s(pid))}
            sizes = [size for pid in pids if (size := pss_mb(pid)) is not None]
            if sizes:
                at = round(time.monotonic() - self._started, 1)
                self.samples.append({"s": at, "processes": len(sizes), "mb": round(sum(sizes), 1), "largest_mb": round(max(sizes), 1)})
            self._stop.wait(1.0)

    def end_what_is_left(self) -> int:
        """Processes of the run that outlived it are killed; how many. A number that meanwhile belongs to another process is left alone."""
        end = time.monotonic() + 30
        while (left := [pid for pid, started in self.seen.items() if start_of(pid) == started]) and time.monotonic() < end:
            time.sleep(0.5)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return len(left)


def descendants(pid: int) -> list[int]:
    """The process and all that came from it."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents.setdefault(int(path.read_text(encoding="utf-8").rpartition(")")[2].split()[1]), []).append(int(path.parent.name))
        except OSError:
            continue
    found, rest = [], [pid]
    while rest:
        found.append(rest.pop())
        rest.extend(parents.get(found[-1], []))
    return found


def start_of(pid: int) -> str | None:
    """When a process was started, in ticks; None when there is none of this number, or only what it left."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return None if parts[0] == "Z" else parts[19]


def cpu_s(pid: int) -> float | None:
    """CPU time of a process so far; None when it has ended."""
    try:
        parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def pss_mb(pid: int) -> float | None:
    """Memory of a process; None when it has ended."""
    try:
        found = re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"), re.M)
    except OSError:
        return None
    return int(found[1]) / 1_024 if found else None


@dataclass(frozen=True)
class Leg:
    """One run of the command: how many partitions it did, how fast between its first and its last, and what all its processes took."""

    n_partitions: int
    n_rows: int
    elapsed_s: float
    texts_per_s: float | None
    cpu_s: float
    n_left_processes: int
    memory: list[dict[str, float]]


def run_leg(arguments: argparse.Namespace, folder: Path, *, stop_after: int | None) -> Leg:
    """Run ``classifier batch`` to its end, or kill it when so many partitions are done."""
    code = "from classifier.cli import main; main()"
    options = ["--bundle", arguments.bundle, "--actors", arguments.actors]
    command = [sys.executable, "-c", code, "batch", folder / "in", folder / "out", *options]
    started, done = time.monotonic(), []
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    with subprocess.Popen([*map(str, command)], cwd=ROOT, text=True, **pipes) as process, Watch(process.pid) as watch:
        for line in process.stderr or ():
            if found := re.search(r": (\d+) decided, 0 bad$", line.rstrip()):
                done.append((time.monotonic(), int(found[1])))
            elif "done before" not in line:
                print(line, end="", file=sys.stderr)
            if stop_after is not None and len(done) >= stop_after:
                process.kill()
                break
        code_out = process.wait()
    if stop_after is None and code_out:
        raise SystemExit(f"classifier batch ended with {code_out}")
    # The first report stands for the start of Ray as well: the rate is that of the others.
    rate = sum(n for _, n in done[1:]) / (done[-1][0] - done[0][0]) if len(done) > 2 else None
    elapsed_s, n_left = time.monotonic() - started, watch.end_what_is_left()
    return Leg(len(done), sum(n for _, n in done), elapsed_s, rate, sum(watch.cpu_s.values()), n_left, watch.samples)


def check(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Every row of the input has exactly one decision, about its very text; some are decided again, bit for bit."""
    outputs = {path.relative_to(folder / "out/decisions").as_posix(): path for path in (folder / "out/decisions").rglob("*.parquet")}
    counts, n_wrong, kept = np.zeros(arguments.rows, dtype=np.int64), 0, []
    generator = np.random.default_rng(arguments.seed)
    chosen = set(generator.choice(arguments.rows, min(N_CHECKED, arguments.rows), replace=False).tolist())
    for source in sorted((folder / "in").glob("*.parquet")):
        texts = dict(zip(*pyarrow.parquet.read_table(source).select(["id", "text"]).to_pydict().values(), strict=True))
        decided = pyarrow.parquet.read_table(outputs.pop(f"{source.name}.parquet")).select(["id", "text_sha256", "decision"]).to_pylist()
        for row in decided:
            counts[int(row["id"])] += 1
            n_wrong += row["text_sha256"] != hashlib.sha256(texts[row["id"]].encode()).hexdigest()
            if int(row["id"]) in chosen:
                kept.append((texts[row["id"]], row["id"], json.loads(row["decision"])))
    again = Classifier.load(arguments.bundle).classify_many([text for text, _, _ in kept], ids=[name for _, name, _ in kept])
    n_different = sum(decision.to_dict() != content for decision, (_, _, content) in zip(again, kept, strict=True))
    found = {"n_lost": int((counts == 0).sum()), "n_doubled": int((counts > 1).sum()), "n_wrong_text": n_wrong, "n_strange_files": len(outputs)}
    return found | {"n_decided_again": len(kept), "n_different": n_different, "n_bad_files": len(list((folder / "out").glob("bad-rows/*")))}


@dataclass(frozen=True)
class Alone:
    """``classify_many`` in one process with as many threads as there are actors, on texts of the same kind."""

    texts_per_s: float
    cpu_ms_per_text: float


def alone(arguments: argparse.Namespace) -> Alone:
    """Measure it in this process."""
    texts = corpus()
    made = [text_of(arguments.rows + row, texts, arguments.chars) for row in range(N_ALONE)]
    classifier = Classifier.load(arguments.bundle, n_threads=arguments.actors)
    classifier.classify_many(made[:50])
    started, cpu = time.perf_counter(), time.process_time()
    for start in range(50, N_ALONE, 256):
        classifier.classify_many(made[start : start + 256])
    n_texts = N_ALONE - 50
    return Alone(n_texts / (time.perf_counter() - started), 1e3 * (time.process_time() - cpu) / n_texts)


def summary(arguments: argparse.Namespace, before: Alone, after: Alone, legs: list[Leg], checked: dict[str, Any]) -> dict[str, Any]:
    """All figures; ``texts_per_s`` and ``cores`` are what a plan is made from."""
    rates = [(leg.n_rows, leg.texts_per_s) for leg in legs if leg.texts_per_s is not None]
    rate = sum(n for n, _ in rates) / sum(n / pace for n, pace in rates)
    peak = max(sample["mb"] for leg in legs for sample in leg.memory)
    return {
        "texts_per_s": round(rate, 1),
        "cores": arguments.actors,
        "measured": f"scripts/million.py --rows {arguments.rows} --chars {arguments.chars} --actors {arguments.actors}",
        "texts": f"up to {arguments.chars + 7} characters, none of them twice, no evidence",
        "machine": f"{platform.machine()}, Python {platform.python_version()}, load average at the end {os.getloadavg()[0]:.1f}",
        "one_process": {"before": asdict(before), "after": asdict(after)},
        "share_of_one_process": round(rate / ((before.texts_per_s + after.texts_per_s) / 2), 3),
        # With Ray's own processes and its two starts, and over the rows that were begun and thrown away when the run was killed.
        "cpu_ms_per_text": round(1e3 * sum(leg.cpu_s for leg in legs) / arguments.rows, 2),
        "peak_mb_all_processes": peak,
        "checked": checked,
        "legs": [{key: value for key, value in asdict(leg).items() if key != "memory"} for leg in legs],
    }


def main() -> None:
    """Write the input, run, stop, resume, check, and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--chars", type=int, default=40, help="of the corpus in each text, besides its number of seven digits")
    parser.add_argument("--partitions", type=int, help="default: one for 5,000 rows, at least 10")
    parser.add_argument("--actors", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--bundle", type=Path, default=ROOT / "models/default")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/million"), help="made anew; holds the input, the output, and memory.json")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the figures there as well, as docs/benchmarks/batch.json")
    arguments = parser.parse_args()
    n_partitions = arguments.partitions or max(10, arguments.rows // 5_000)
    if arguments.folder.exists() and not (arguments.folder / "in").is_dir():
        raise SystemExit(f"{arguments.folder}: expected a folder of an earlier run, or none, but got something else; give another --folder")
    shutil.rmtree(arguments.folder, ignore_errors=True)
    write_input(arguments.folder / "in", arguments.rows, n_partitions, arguments.chars)
    before = alone(arguments)
    legs = [run_leg(arguments, arguments.folder, stop_after=n_partitions // 2), run_leg(arguments, arguments.folder, stop_after=None)]
    content = summary(arguments, before, alone(arguments), legs, check(arguments, arguments.folder))
    (arguments.folder / "memory.json").write_text(json.dumps([leg.memory for leg in legs]), encoding="utf-8")
    text = json.dumps(content, indent=2, ensure_ascii=False)
    print(text)
    if arguments.write:
        arguments.write.write_text(f"{text}\n", encoding="utf-8")
    if any(value for name, value in content["checked"].items() if name != "n_decided_again"):
        raise SystemExit("something was lost, doubled or changed")


if __name__ == "__main__":
    main()
