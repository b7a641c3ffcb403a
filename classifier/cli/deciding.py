"""From records to the bytes of their decisions, in this process or in several, in the order of the records."""

from __future__ import annotations

import json
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from classifier.bundle import Bundle, load_bundle
from classifier.cli.reading import Incoming
from classifier.decisions import Decision
from classifier.errors import ClassifierError
from classifier.inference import Classifier


@dataclass(frozen=True)
class Recipe:
    """How decisions are made; small enough to be sent to another process. Threads and copies of texts in memory change no decision."""

    bundle: Path
    n_threads: int | None = None
    cascade: bool = False
    evidence: bool = True

    def load(self) -> Classifier:
        """The classifier, made where it is used."""
        return Classifier.load(self.bundle, n_threads=self.n_threads, cascade=self.cascade)


@dataclass(frozen=True)
class Decided:
    """The decisions about some records: one JSON line each, how many they are, and how many carry an error."""

    lines: bytes
    n_texts: int
    n_failed: int


@dataclass(frozen=True)
class Engine:
    """``decide`` gives the records back, chunk by chunk, each with its decisions."""

    bundle: Bundle
    decide: Callable[[Iterable[list[Incoming]]], Iterator[tuple[list[Incoming], Decided]]]


def engine_of(recipe: Recipe, n_jobs: int) -> Engine:
    """An engine in this process, or one over ``n_jobs`` processes that each load the bundle once.

    :raises BundleError: when the bundle cannot be loaded.
    """
    if n_jobs > 1:
        return Engine(load_bundle(recipe.bundle), lambda chunks: _decided_elsewhere(chunks, recipe, n_jobs))
    classifier = recipe.load()
    return Engine(classifier.bundle, lambda chunks: ((chunk, decide(classifier, chunk, evidence=recipe.evidence)) for chunk in chunks))


def decide(classifier: Classifier, chunk: list[Incoming], *, evidence: bool) -> Decided:
    """Decide about a chunk of records."""
    texts, sources, ids = [record.text for record in chunk], [record.source for record in chunk], [record.id for record in chunk]
    decisions = classifier.classify_many(texts, source=sources, ids=ids, evidence=evidence)
    return Decided(b"".join(map(_line, decisions)), len(decisions), sum(decision.error is not None for decision in decisions))


def _line(decision: Decision) -> bytes:
    content = decision.to_dict()
    try:
        return f"{json.dumps(content, ensure_ascii=False)}\n".encode()
    except UnicodeEncodeError:  # half surrogates have no UTF-8, but an escape
        return f"{json.dumps(content)}\n".encode()


_Task = tuple[list[Incoming], "Future[Decided]"]


def _decided_elsewhere(chunks: Iterable[list[Incoming]], recipe: Recipe, n_jobs: int) -> Iterator[tuple[list[Incoming], Decided]]:
    """A thread reads, one thread a process passes chunks on, and the caller gets the results in order.

    The queue of what is under way is bounded: when the caller stops asking, the reading stops. All threads are daemons, since the reader may
    be waiting for a pipe that never ends.
    """
    tasks: queue.SimpleQueue[_Task] = queue.SimpleQueue()
    ordered: queue.Queue[_Task | None] = queue.Queue(maxsize=2 * n_jobs)
    for connection in _start_processes(recipe, n_jobs):
        threading.Thread(target=_pass_on, args=(tasks, connection), daemon=True).start()
    threading.Thread(target=_read, args=(chunks, tasks, ordered), daemon=True).start()
    while (task := ordered.get()) is not None:
        chunk, future = task
        yield chunk, future.result()


def _read(chunks: Iterable[list[Incoming]], tasks: queue.SimpleQueue[_Task], ordered: queue.Queue[_Task | None]) -> None:
    try:
        for chunk in chunks:
            task: _Task = (chunk, Future())
            ordered.put(task)
            tasks.put(task)
    except Exception as error:  # whatever it is, it is raised where the results are taken
        failed: Future[Decided] = Future()
        failed.set_exception(error)
        ordered.put(([], failed))
    ordered.put(None)


def _pass_on(tasks: queue.SimpleQueue[_Task], connection: Connection) -> None:
    while True:
        chunk, future = tasks.get()
        try:
            connection.send(chunk)
            answer: Decided | str = connection.recv()
        except (EOFError, OSError):
            answer = "a process of --jobs ended too early, perhaps for want of memory; try fewer"
        if isinstance(answer, Decided):
            future.set_result(answer)
        else:
            future.set_exception(ClassifierError(answer))


def _start_processes(recipe: Recipe, n_jobs: int) -> list[Connection]:
    """Connections to fresh processes, which end when their connection does: even when this process is killed, none stays behind."""
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks in whatever state they are
    connections = []
    kept = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # inherited: an interrupt is for this process alone
    try:
        for _ in range(n_jobs):
            ours, theirs = context.Pipe()
            context.Process(target=serve_chunks, args=(theirs, recipe), daemon=True).start()
            theirs.close()
            connections.append(ours)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)
    return connections


def serve_chunks(connection: Connection, recipe: Recipe) -> None:
    """The life of one process: load once, then answer every chunk with its decisions, or with what went wrong."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    failure, classifier = "", None
    try:
        classifier = recipe.load()
    except ClassifierError as error:
        failure = str(error)
    with suppress(EOFError, OSError):  # nobody is there any more
        while True:
            chunk = connection.recv()
            connection.send(failure if classifier is None else decide(classifier, chunk, evidence=recipe.evidence))
