"""Micro-batches: calls that come at once share batches; the CPU work runs on threads, so that the event loop stays free.

Texts are taken from the waiting calls in turn, one of each, so that a call with 256 texts does not hold up a call with one. A batch ends at its
budget of texts and characters, and takes no more than its share of what waits. It starts at once while a core has nothing to do; else one that is
not full waits some milliseconds for company.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Protocol

from classifier.decisions import Decision
from classifier.errors import QueueFullError
from classifier.inference import Classifier

TEXT_OVERHEAD_CHARS = 24
EVIDENCE_FACTOR = 10
_FIRST_CHARS_PER_S = 10_000.0
_MAX_RETRY_AFTER_S = 30


@dataclass(frozen=True)
class TextItem:
    """One text as it came: ``text`` may be anything, the classifier says what is wrong with it."""

    text: Any
    source: str = "post"
    id: str | None = None
    evidence: bool = False


def cost_of(item: TextItem) -> int:
    """What a text costs, in characters: its own, and an overhead for its special tokens and its decision; evidence runs the encoder again.

    >>> cost_of(TextItem("收U出U")), cost_of(TextItem(None))
    (28, 24)
    """
    n_chars = len(item.text) if isinstance(item.text, str) else 0
    return (n_chars + TEXT_OVERHEAD_CHARS) * (EVIDENCE_FACTOR if item.evidence else 1)


def share_of(n_waiting: int, *, n_workers: int, most: int) -> int:
    """Texts of the next batch: half of an even share for each worker, at least one (guided self-scheduling, Polychronopoulos and Kuck 1987).

    The encoder runs every text alone, so that a large batch spares little, but its first text is answered with its last: few that wait are taken one
    by one, many in large batches, and no worker is left with nothing while another one has a long batch.

    >>> [share_of(n, n_workers=2, most=32) for n in (1, 4, 5, 60, 1_000)]
    [1, 1, 2, 15, 32]
    """
    return min(max(1, math.ceil(n_waiting / (2 * n_workers))), most)


@dataclass(frozen=True)
class BatchLimits:
    """Bounds of batches and of the queue. Characters are those of texts, each counted with an overhead (``cost_of``).

    ``max_batch_chars`` and ``max_batch_texts`` bound one batch. A batch that is not full waits at most ``batch_wait_s`` for company, and only while
    every core has a text to work on. What comes on top of ``max_queue_chars`` is refused; None to let everything wait.
    """

    max_batch_chars: int = 4_096
    max_batch_texts: int = 32
    batch_wait_s: float = 0.002
    max_queue_chars: int | None = None

    def __post_init__(self) -> None:
        for item in fields(self):
            value, least = getattr(self, item.name), 0 if item.name == "batch_wait_s" else 1
            if value is not None and value < least:
                raise ValueError(f"Expected {item.name} of at least {least}, but got {value!r}.")


class BatchWatcher(Protocol):
    """Is told in the event loop what goes on, for instance to keep the metrics of a service."""

    def on_queue(self, n_texts: int) -> None:
        """So many texts wait now."""

    def on_refused(self) -> None:
        """A call was refused, for the queue is full."""

    def on_batch(self, n_texts: int, elapsed_s: float) -> None:
        """A batch has run."""


class _Job:
    """The texts of a call on their way through the batches."""

    def __init__(self, classifier: Classifier, items: Sequence[TextItem], done: asyncio.Future[list[Decision]]) -> None:
        self.classifier, self.items, self.done = classifier, items, done
        self.next_index = 0
        self.cost = sum(map(cost_of, items))
        self.n_open = len(items)
        self.decisions: list[Decision | None] = [None] * len(items)

    @property
    def n_waiting(self) -> int:
        return len(self.items) - self.next_index

    def take(self) -> _Entry:
        entry = _Entry(self, self.next_index, self.items[self.next_index])
        self.next_index += 1
        self.cost -= cost_of(entry.item)
        return entry

    def put(self, index: int, decision: Decision) -> None:
        self.decisions[index] = decision
        self.n_open -= 1
        if self.n_open == 0 and not self.done.done():
            self.done.set_result([decision for decision in self.decisions if decision is not None])


@dataclass(frozen=True)
class _Entry:
    job: _Job
    index: int
    item: TextItem


class Batcher:
    """Decides about the texts of many calls at once. All methods are called in one event loop."""

    def __init__(self, limits: BatchLimits, *, n_workers: int = 1, n_cores: int = 1, watcher: BatchWatcher | None = None) -> None:
        """:param n_workers: batches under way at once: with two, one is normalised while the other is in the encoder.

        :param n_cores: cores of the encoder; while fewer texts than that are under way, a batch does not wait for company.
        """
        self._limits, self._n_workers, self._n_cores, self._watcher = limits, n_workers, n_cores, watcher
        self._pool = ThreadPoolExecutor(n_workers, thread_name_prefix="batch")
        self._jobs: deque[_Job] = deque()
        self._held = self._n_texts = self._n_running = self._n_texts_running = 0
        self._due = False
        self._timer: asyncio.TimerHandle | None = None
        self._chars_per_s = _FIRST_CHARS_PER_S

    async def decide(self, classifier: Classifier, items: Sequence[TextItem]) -> list[Decision]:
        """Decisions about the texts, in their order, all by the one ``classifier``. Cancelling it takes what still waits out of the queue.

        :raises QueueFullError: when too much waits already.
        """
        if not items:
            return []
        job = _Job(classifier, items, asyncio.get_running_loop().create_future())
        most = self._limits.max_queue_chars
        if most is not None and self._held and self._held + self._share(job) > most:
            if self._watcher is not None:
                self._watcher.on_refused()
            raise QueueFullError(self._retry_after_s())
        self._enter(job)
        try:
            return await job.done
        finally:
            self._leave(job)

    @property
    def n_running(self) -> int:
        """Batches under way."""
        return self._n_running

    async def close(self) -> None:
        """Wait until all that was accepted is answered."""
        while self._jobs or self._n_running:
            await asyncio.sleep(0.01)
        self._pool.shutdown()

    def _share(self, job: _Job) -> int:
        # One huge call must not shut the door for all others: it counts as half a queue at most.
        most = self._limits.max_queue_chars
        return job.cost if most is None else min(job.cost, most // 2)

    def _retry_after_s(self) -> int:
        return min(max(1, math.ceil(self._held / self._chars_per_s)), _MAX_RETRY_AFTER_S)

    def _enter(self, job: _Job) -> None:
        self._jobs.append(job)
        self._held += self._share(job)
        self._count(len(job.items))
        self._pump()

    def _leave(self, job: _Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
            self._held -= self._share(job)
            self._count(-job.n_waiting)

    def _count(self, n_texts: int) -> None:
        self._n_texts += n_texts
        if self._watcher is not None:
            self._watcher.on_queue(self._n_texts)

    def _pump(self) -> None:
        """Start batches while there is a free worker and a reason to start."""
        while self._jobs and self._n_running < self._n_workers:
            full = self._n_texts >= self._limits.max_batch_texts or self._held >= self._limits.max_batch_chars
            if self._n_texts_running >= self._n_cores and not (full or self._due):
                if self._timer is None:
                    self._timer = asyncio.get_running_loop().call_later(self._limits.batch_wait_s, self._on_due)
                return
            self._start(self._take())

    def _on_due(self) -> None:
        self._timer, self._due = None, True
        self._pump()

    def _take(self) -> list[_Entry]:
        """The texts of the next batch: one of each call in turn, at least one."""
        entries: list[_Entry] = []
        n_chars, most = 0, share_of(self._n_texts, n_workers=self._n_workers, most=self._limits.max_batch_texts)
        while self._jobs and len(entries) < most and n_chars < self._limits.max_batch_chars:
            job = self._jobs.popleft()
            before = self._share(job)
            entries.append(job.take())
            n_chars += cost_of(entries[-1].item)
            self._held -= before
            if job.n_waiting:
                self._jobs.append(job)
                self._held += self._share(job)
        self._count(-len(entries))
        return entries

    def _start(self, entries: list[_Entry]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._due = None, False
        self._n_running += 1
        self._n_texts_running += len(entries)
        running = asyncio.get_running_loop().run_in_executor(self._pool, _run, entries)
        running.add_done_callback(partial(self._finish, entries, time.perf_counter()))

    def _finish(self, entries: list[_Entry], started: float, running: asyncio.Future[list[Decision]]) -> None:
        self._n_running -= 1
        self._n_texts_running -= len(entries)
        elapsed = time.perf_counter() - started
        if self._watcher is not None:
            self._watcher.on_batch(len(entries), elapsed)
        pace = sum(cost_of(entry.item) for entry in entries) * (self._n_running + 1) / max(elapsed, 1e-6)
        self._chars_per_s += 0.1 * (pace - self._chars_per_s)
        for entry, put in zip(entries, _putters(entries, running), strict=True):
            if not entry.job.done.done():
                put()
        self._pump()


def _putters(entries: list[_Entry], running: asyncio.Future[list[Decision]]) -> list[Callable[[], None]]:
    error = running.exception()
    if error is not None:
        return [partial(entry.job.done.set_exception, error) for entry in entries]
    return [partial(entry.job.put, entry.index, decision) for entry, decision in zip(entries, running.result(), strict=True)]


def _run(entries: list[_Entry]) -> list[Decision]:
    """The CPU work of a batch, on a worker thread; a batch may hold texts for two bundles while one gives way to the other."""
    groups: dict[tuple[int, bool], list[int]] = {}
    for row, entry in enumerate(entries):
        groups.setdefault((id(entry.job.classifier), entry.item.evidence), []).append(row)
    decided: dict[int, Decision] = {}
    for (_, evidence), rows in groups.items():
        items = [entries[row].item for row in rows]
        decisions = entries[rows[0]].job.classifier.classify_many(
            [item.text for item in items], source=[item.source for item in items], ids=[item.id for item in items], evidence=evidence
        )
        decided.update(zip(rows, decisions, strict=True))
    return [decided[row] for row in range(len(entries))]
