"""Records of decisions: what is kept of each, written in groups, on disk before the answer says so.

One record holds when and for which request, the decision with all fingerprints and the hash of the text, and the text itself only when asked for
(and only where it is one: what came in place of a text is not kept).
"""

from __future__ import annotations

import asyncio
import datetime
import fcntl
import logging
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from classifier.decisions import Decision
from classifier.decisions.accounts import AccountDecision, Post
from classifier.errors import RecordsError
from classifier.serving.fingerprints import Fingerprints
from classifier.serving.wire import json_bytes

RECORD_VERSION = 1
_log = logging.getLogger(__name__)
Record = Mapping[str, Any]


def text_record(decision: Decision, made_by: Fingerprints, *, request_id: str, text: Any, evidence: bool, keep_text: bool) -> dict[str, Any]:
    """The record of a decision about a text. Without ``keep_text`` the spans of the evidence keep their place only."""
    record = _head("text", request_id, made_by) | {"evidence": evidence, "decision": _kept(decision.to_dict(), keep_text=keep_text)}
    return record | ({"text": text} if keep_text and isinstance(text, str) else {})


def account_record(
    decision: AccountDecision,
    made_by: Fingerprints,
    *,
    request_id: str,
    bio: Any,
    posts: Sequence[Post],
    as_of: datetime.date | None,
    keep_text: bool,
) -> dict[str, Any]:
    """The record of a decision about an account; ``as_of`` as it was asked for."""
    asked = None if as_of is None else as_of.isoformat()
    record = _head("account", request_id, made_by) | {"as_of": asked, "decision": decision.to_dict()}
    if keep_text and all(isinstance(text, str) for text in ("" if bio is None else bio, *(post.text for post in posts))):
        record |= {"bio": bio, "posts": [{"text": post.text, "published_at": post.published_at, "id": post.id} for post in posts]}
    return record


def _head(kind: str, request_id: str, made_by: Fingerprints) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
    return {"record_version": RECORD_VERSION, "kind": kind, "recorded_at": now, "request_id": request_id, "bundle": asdict(made_by)}


def _kept(content: dict[str, Any], *, keep_text: bool) -> dict[str, Any]:
    if not keep_text:
        content["evidence"] = [span | {"text": ""} for span in content["evidence"]]
    return content


class Sink(Protocol):
    """Where records go; ``write`` returns when they are safe."""

    def write(self, records: Sequence[Record]) -> None:
        """Write all of them, safe on return.

        :raises RecordsError: when they may not be.
        """

    def close(self) -> None:
        """Let go of file or connection."""


class JsonlSink:
    """Appends to a JSONL file and syncs it to the disk. A last line that a crash tore is closed, not taken away. One process holds it at a time."""

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            size = os.fstat(self._file).st_size
            self._torn = size > 0 and os.pread(self._file, 1, size - 1) != b"\n"
        except OSError as error:
            raise RecordsError(f"{path}: expected a file to append to that no other process holds, but got: {error}") from error
        if self._torn:
            _log.warning("torn_record", extra={"reason": f"{path}: the last line was cut off; it is closed and counts for nothing"})
        self._path = path

    def write(self, records: Sequence[Record]) -> None:
        """Append and sync.

        :raises RecordsError: when the disk refuses.
        """
        content = memoryview((b"\n" if self._torn else b"") + b"".join(json_bytes(record) + b"\n" for record in records))
        self._torn = True  # until the whole of it is safe
        try:
            while content:
                content = content[os.write(self._file, content) :]
            os.fsync(self._file)
        except OSError as error:
            raise RecordsError(f"{self._path}: expected to append records, but got: {error}") from error
        self._torn = False

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class RecordWriter:
    """One thread that writes what came in meanwhile as one group, so that many requests share one sync."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._queue: queue.SimpleQueue[tuple[Sequence[Record], asyncio.Future[bool]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="records", daemon=True)
        self._thread.start()

    async def write(self, records: Sequence[Record]) -> bool:
        """Whether the records are safe; when not, the log says why."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queue.put((records, done))
        return await done

    def close(self) -> None:
        """Write what waits, and stop."""
        self._queue.put(None)
        self._thread.join()
        self._sink.close()

    def _work(self) -> None:
        last = False
        while not last:
            taken = [self._queue.get()]
            while not self._queue.empty():
                taken.append(self._queue.get())
            last = None in taken
            group = [item for item in taken if item is not None]
            if group:
                self._write_group(group)

    def _write_group(self, group: list[tuple[Sequence[Record], asyncio.Future[bool]]]) -> None:
        try:
            self._sink.write([record for records, _ in group for record in records])
            safe = True
        except RecordsError as error:
            _log.error("records_failed", extra={"reason": str(error)})
            safe = False
        for _, done in group:
            done.get_loop().call_soon_threadsafe(_tell, done, safe)


def _tell(done: asyncio.Future[bool], safe: bool) -> None:
    if not done.done():
        done.set_result(safe)
