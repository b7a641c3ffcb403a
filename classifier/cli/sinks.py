"""Where decisions go: standard output, a file that is whole or not there, or one that a killed run goes on with."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

from classifier.cli.deciding import Decided
from classifier.cli.streams import packer_of
from classifier.errors import DataError, Problem
from classifier.files import atomic_path


@dataclass(frozen=True)
class Done:
    """What has been written so far."""

    n_bytes: int = 0
    n_texts: int = 0
    n_failed: int = 0


@dataclass
class Sink:
    """Takes decisions. After every chunk it is flushed; ``keep`` makes that lasting, where a run can go on."""

    handle: BinaryIO
    pack: Callable[[bytes], bytes] = bytes
    keep: Callable[[Done], None] = lambda done: None
    done: Done = field(default_factory=Done)

    def write(self, decided: Decided) -> None:
        """Add the decisions of one chunk."""
        packed = self.pack(decided.lines)
        self.handle.write(packed)
        self.handle.flush()
        self.done = Done(self.done.n_bytes + len(packed), self.done.n_texts + decided.n_texts, self.done.n_failed + decided.n_failed)
        self.keep(self.done)


@contextmanager
def sink_of(path: Path | None, *, made_from: Mapping[str, Any] | None = None) -> Iterator[Sink]:
    """Standard output, or a file packed by its suffix.

    :param made_from: for a file that can be gone on with: all that its content depends on. Then ``path.part`` grows by whole chunks, each
        made lasting before ``path.part.journal`` says so; when the block ends well, ``path.part`` takes the name ``path``.
    :raises DataError: when the journal was made from something else, or another process writes it.
    """
    if path is None:
        yield Sink(sys.stdout.buffer)
    elif made_from is None:
        with atomic_path(path) as temporary, temporary.open("wb") as handle:
            sink = Sink(handle, packer_of(path))
            yield sink
            _end(sink)
    else:
        yield from _resumed(path, made_from)


def _end(sink: Sink) -> None:
    if sink.done.n_bytes == 0:
        sink.handle.write(sink.pack(b""))  # a packed file of no content is not an empty file
    sink.handle.flush()
    os.fsync(sink.handle.fileno())


def _resumed(path: Path, made_from: Mapping[str, Any]) -> Iterator[Sink]:
    part, journal_path = path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.journal")
    pack = packer_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with journal_path.open("a+b") as journal:
        _lock(journal, journal_path)
        done = _done_before(journal, journal_path, made_from)
        _check_part(path, part, done)
        with part.open("ab") as handle:
            handle.truncate(done.n_bytes)  # what was written after the last lasting chunk is written again

            def keep(done: Done) -> None:
                os.fsync(handle.fileno())
                _add_line(journal, asdict(done))

            sink = Sink(handle, pack, keep, done)
            yield sink
            _end(sink)
        part.replace(path)
        _sync_folder(path.parent)
        journal_path.unlink()


def _lock(journal: BinaryIO, journal_path: Path) -> None:
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _refused(journal_path, "expected to be the only one that writes it, but another process does; wait for that one") from error


def _done_before(journal: BinaryIO, journal_path: Path, made_from: Mapping[str, Any]) -> Done:
    """What the journal says is lasting; a last line that a crash cut short says nothing."""
    journal.seek(0)
    content = journal.read()
    whole = content[: content.rfind(b"\n") + 1]
    journal.truncate(len(whole))
    if not whole:
        _add_line(journal, made_from)
        return Done()
    header, *lines = map(json.loads, whole.splitlines())
    changed = [name for name in sorted({*header, *made_from}) if header.get(name) != made_from.get(name)]
    if changed:
        got = f"got other: {', '.join(changed)}; delete this file to start anew"
        raise _refused(journal_path, f"expected a run from the same input with the same bundle and options, but {got}")
    return Done(**{item.name: int(lines[-1][item.name]) for item in fields(Done)}) if lines else Done()


def _check_part(path: Path, part: Path, done: Done) -> None:
    if done.n_bytes and not part.exists() and path.exists() and path.stat().st_size == done.n_bytes:
        path.replace(part)  # killed between the last two steps: everything is there but for the name and the journal
    n_bytes = part.stat().st_size if part.exists() else 0
    if n_bytes < done.n_bytes:
        raise _refused(part, f"expected at least {done.n_bytes:,} bytes, as its journal says, but got {n_bytes:,}; delete both to start anew")


def _add_line(journal: BinaryIO, content: Mapping[str, Any]) -> None:
    journal.write(f"{json.dumps(content)}\n".encode())
    journal.flush()
    os.fsync(journal.fileno())


def _refused(path: Path, message: str) -> DataError:
    return DataError((Problem(str(path), 0, "file", message),))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
