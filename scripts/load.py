"""What the HTTP service bears on this machine: the service in one process, this load generator in another, on the same cores.

Closed loop for the throughput at saturation, next to ``classify_many`` on the same texts before and after; open loop (Poisson arrivals) for the
latency at half of it and for an overload of one and a half times, with the memory of the service second by second. Prints one table and writes
docs/benchmarks/serving.md; ``--short`` leaves the overload out and writes nothing. Exit code 1 when an answer was not 200, 429 or 503, or when a
request got none.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

BUNDLE = ROOT / "models/default"
SATURATION_S, HALF_S, OVERLOAD_S = 12.0, 20.0, 60.0
N_BARE = 1_200
ALLOWED = (200, 429, 503)
FAULTS: list[str] = []


_NUMBERS = itertools.count()


@functools.cache
def posts() -> list[str]:
    """The training texts in a row, without blanks, cut into pieces of 80 characters."""
    lines = (ROOT / "data/train.jsonl").read_text(encoding="utf-8").splitlines()
    joined = "".join("".join(json.loads(line)["text"].split()) for line in lines)
    return [joined[start : start + 80] for start in range(0, len(joined) - 80, 80)]


def fresh_texts(size: int, n_texts: int) -> list[str]:
    """Posts that were not sent before, each with a number in front: none of them is answered from the encoder's memory."""
    texts = posts()
    return [f"{number:06d}{texts[number % len(texts)]}"[:size] for number in itertools.islice(_NUMBERS, n_texts)]


def bare() -> dict[str, float]:
    """In a fresh process: ``classify_many`` on long and short posts, and the latency of one short text at a time."""
    from classifier import Classifier

    classifier = Classifier.load(BUNDLE)
    classifier.classify_many(posts()[:20])
    figures = {}
    for name, size in (("80", 80), ("40", 40)):
        texts = fresh_texts(size, N_BARE)
        started, cpu = time.perf_counter(), time.process_time()
        classifier.classify_many(texts)
        figures[f"many {name}"] = N_BARE / (time.perf_counter() - started)
        figures[f"cpu {name}"] = 1e3 * (time.process_time() - cpu) / N_BARE
    latencies = []
    for text in fresh_texts(40, 400):
        started = time.perf_counter()
        classifier.classify(text, evidence=False)
        latencies.append((time.perf_counter() - started) * 1e3)
    return figures | {"one p50": float(np.quantile(latencies, 0.5)), "one p99": float(np.quantile(latencies, 0.99))}


def bare_in_a_process() -> dict[str, float]:
    """The same, apart from all that this process holds."""
    done = subprocess.run([sys.executable, __file__, "--bare"], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


class Connection:
    """One connection that is kept; as little Python as will do, for the load generator shares the cores with the service."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes) -> int:
        """Send a body to /v1/classify; the status of the whole answer."""
        if self._streams is None or self._streams[0].at_eof():
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        head = await reader.readuntil(b"\r\n\r\n")
        found = re.search(rb"content-length: (\d+)", head.lower())
        if found is None:
            raise RuntimeError(f"expected a length, but got {head!r}")
        await reader.readexactly(int(found[1]))
        return int(head[9:12])


@dataclass
class Seen:
    """Statuses, latencies of answers with 200 in ms, how long it all took, and the CPU time of the service."""

    statuses: Counter[int] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    cpu_s: float = 0.0
    n_sent: int = 0

    def add(self, status: int, started: float) -> None:
        """One answer."""
        self.statuses[status] += 1
        if status == 200:
            self.latencies.append((time.perf_counter() - started) * 1e3)

    def quantile(self, q: float) -> float:
        """Of the latencies."""
        return float(np.quantile(self.latencies, q)) if self.latencies else float("nan")


async def closed_loop(port: int, pid: int, *, size: int, n_items: int, n_connections: int, seconds: float) -> Seen:
    """Every connection sends its next request when the last one is answered."""
    seen, started, cpu = Seen(), time.perf_counter(), cpu_s(pid)

    async def work() -> None:
        connection = Connection(port)
        while time.perf_counter() - started < seconds:
            body, sent = body_of(size, n_items), time.perf_counter()
            seen.add(await connection.post(body), sent)

    await asyncio.gather(*(work() for _ in range(n_connections)))
    seen.elapsed_s, seen.cpu_s = time.perf_counter() - started, cpu_s(pid) - cpu
    return seen


async def open_loop(port: int, *, size: int, rate: float, seconds: float, seed: int) -> Seen:
    """Requests come at random times, whether or not the earlier ones are answered; latency counts from when each should have been sent."""
    seen, started = Seen(), time.perf_counter()
    generator = np.random.default_rng(seed)
    arrivals = np.cumsum(generator.exponential(1 / rate, int(rate * seconds)))
    free: list[Connection] = []

    async def one(body: bytes, due: float) -> None:
        seen.n_sent += 1
        connection = free.pop() if free else Connection(port)
        seen.add(await connection.post(body), due)
        free.append(connection)

    tasks = []
    for arrival in arrivals:
        body, due = body_of(size, 1), started + float(arrival)
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(body, due)))
    # A connection that breaks is an answer that is missing: it is counted, and does not end the measurement.
    for broken in (item for item in await asyncio.gather(*tasks, return_exceptions=True) if item is not None):
        print(f"no answer: {broken!r}", file=sys.stderr)
    seen.elapsed_s = time.perf_counter() - started
    return seen


@contextmanager
def service(*options: str) -> Iterator[tuple[int, int]]:
    """Port and process id of a service of its own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    command = [sys.executable, "-c", "from classifier.cli import main; main()", "serve", str(BUNDLE), "--no-auth", "--port", str(port), *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGTERM)


def cpu_s(pid: int) -> float:
    """CPU time of a process so far."""
    parts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(parts[11]) + int(parts[12])) / os.sysconf("SC_CLK_TCK")


def rss_mb(pid: int) -> float:
    """Resident memory of a process now."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1_024  # type: ignore[index]


async def watch_rss(pid: int, samples: list[float]) -> None:
    """One sample a second, until cancelled."""
    while True:
        samples.append(rss_mb(pid))
        await asyncio.sleep(1)


def body_of(size: int, n_items: int) -> bytes:
    """A request of one text or of many."""
    texts = fresh_texts(size, n_items)
    return json.dumps({"text": texts[0]} if n_items == 1 else {"items": [{"text": text} for text in texts]}).encode()


@dataclass(frozen=True)
class Bare:
    """Figures without HTTP, the mean of before and after: other work on the machine changes them."""

    before: dict[str, float]
    after: dict[str, float]

    def __getitem__(self, name: str) -> float:
        return statistics.mean([self.before[name], self.after[name]])

    def shown(self, name: str) -> str:
        """Mean, and both."""
        return f"{self[name]:.0f} ({self.before[name]:.0f}, {self.after[name]:.0f})"


async def measure(port: int, pid: int, *, overload: bool) -> list[tuple[str, str]]:
    """All rows of the table."""
    before = bare_in_a_process()
    many = await closed_loop(port, pid, size=80, n_items=32, n_connections=4, seconds=SATURATION_S)
    one = await closed_loop(port, pid, size=80, n_items=1, n_connections=32, seconds=SATURATION_S)
    short = await closed_loop(port, pid, size=40, n_items=1, n_connections=32, seconds=SATURATION_S)
    plain = Bare(before, bare_in_a_process())
    rate = short.statuses[200] / short.elapsed_s
    half = await open_loop(port, size=40, rate=rate / 2, seconds=HALF_S, seed=1)
    bare_row = ("40 characters without HTTP, p50 / p99, ms", f"{plain['one p50']:.1f} / {plain['one p99']:.1f}")
    memory = ("memory of the service, MB", f"{rss_mb(pid):.0f}")
    rows = [*throughput_rows(plain, many, one, short), memory, bare_row, *half_load_rows(plain, half, rate / 2)]
    with service("--low-latency") as (quick, _):
        sooner = await open_loop(quick, size=40, rate=rate / 2, seconds=HALF_S, seed=1)
    rows += half_load_rows(plain, sooner, rate / 2, ", --low-latency")
    return rows + (await overload_rows(port, pid, rate) if overload else [])


def throughput_rows(plain: Bare, many: Seen, one: Seen, short: Seen) -> list[tuple[str, str]]:
    """Saturation next to ``classify_many``, by the clock and by the CPU time of the service alone."""
    by_32, by_one, by_short = 32 * many.statuses[200] / many.elapsed_s, one.statuses[200] / one.elapsed_s, short.statuses[200] / short.elapsed_s
    cpu_32, cpu_one, cpu_short = (
        1e3 * seen.cpu_s / (n * seen.statuses[200]) for seen, n in ((many, 32), (one, 1), (short, 1))
    )
    return [
        ("80 characters: classify_many, texts/s (before, after)", plain.shown("many 80")),
        ("80 characters: HTTP, 32 texts a request, texts/s", f"{by_32:.0f} = {by_32 / plain['many 80']:.0%}"),
        ("80 characters: HTTP, one text a request, texts/s", f"{by_one:.0f} = {by_one / plain['many 80']:.0%}"),
        ("40 characters: classify_many, texts/s (before, after)", plain.shown("many 40")),
        ("40 characters: HTTP, one text a request, texts/s", f"{by_short:.0f} = {by_short / plain['many 40']:.0%}"),
        ("80 characters: CPU ms a text, classify_many / by 32 / by one", f"{plain['cpu 80']:.2f} / {cpu_32:.2f} / {cpu_one:.2f}"),
        ("40 characters: CPU ms a text, classify_many / by one", f"{plain['cpu 40']:.2f} / {cpu_short:.2f}"),
    ]


def half_load_rows(plain: Bare, half: Seen, rate: float, options: str = "") -> list[tuple[str, str]]:
    """Latency of short single texts at half of the saturation."""
    p50, p95, p99 = (half.quantile(q) for q in (0.5, 0.95, 0.99))
    return [
        (f"40 characters over HTTP at half load ({rate:.0f}/s){options}, p50 / p95 / p99, ms", f"{p50:.1f} / {p95:.1f} / {p99:.1f}"),
        (f"p99 at half load{options} over p50 / over p99 without HTTP", f"{p99 / plain['one p50']:.1f} / {p99 / plain['one p99']:.1f}"),
    ]


async def overload_rows(port: int, pid: int, rate: float) -> list[tuple[str, str]]:
    """One and a half times what the service can do."""
    samples: list[float] = []
    watching = asyncio.create_task(watch_rss(pid, samples))
    over = await open_loop(port, size=40, rate=1.5 * rate, seconds=OVERLOAD_S, seed=2)
    watching.cancel()
    statuses = ", ".join(f"{status}: {count:,}" for status, count in sorted(over.statuses.items()))
    n_missing, n_others = over.n_sent - over.statuses.total(), sum(n for status, n in over.statuses.items() if status not in ALLOWED)
    if n_missing or n_others:
        FAULTS.append(f"{n_missing} requests without an answer, {n_others} answers other than {ALLOWED}")
    memory = " ".join(f"{value:.0f}" for value in samples[::5])
    answered = over.statuses[200] / over.elapsed_s
    return [
        (f"overload, {1.5 * rate:.0f}/s for {OVERLOAD_S:.0f} s: answers by status", statuses),
        ("overload: sent / without an answer / neither 200, 429 nor 503", f"{over.n_sent:,} / {n_missing} / {n_others}"),
        ("overload: texts/s, p50 / p99 of the answered, ms", f"{answered:.0f}, {over.quantile(0.5):.0f} / {over.quantile(0.99):.0f}"),
        ("overload: memory every 5 s, MB", memory),
        ("overload: highest memory, and growth in the last half, MB", f"{max(samples):.0f}, {samples[-1] - samples[len(samples) // 2]:+.0f}"),
    ]


def main() -> None:
    """Measure, print, write."""
    if "--bare" in sys.argv:
        print(json.dumps(bare()))
        return
    busy = os.getloadavg()[0]
    with service() as (port, pid):
        rows = asyncio.run(measure(port, pid, overload="--short" not in sys.argv))
    lines = ["| measure | value |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]
    print("\n".join(lines))
    cores = len(os.sched_getaffinity(0))
    text = (
        "# Load on the HTTP service\n\nWritten by `scripts/load`: the default bundle, one process with default settings, the load generator on the "
        f"same {cores} cores ({platform.machine()}, Python {platform.python_version()}). Latency counts from when a request was due. "
        f"Load average of the machine before and after: {busy:.1f}, {os.getloadavg()[0]:.1f}; alone on the machine it is near 0 before.\n\n"
    )
    if "--short" not in sys.argv:
        (ROOT / "docs/benchmarks/serving.md").write_text(text + "\n".join(lines) + "\n", encoding="utf-8")
    if FAULTS:
        raise SystemExit("\n".join(FAULTS))


if __name__ == "__main__":
    main()
