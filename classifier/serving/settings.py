"""What a service is started with: one frozen object, checked on construction."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path

from classifier.batching import BatchLimits

MAX_ITEMS = 256
"""Texts of one request, and posts of one account."""
SERVED_BATCHES = BatchLimits(batch_wait_s=0.005, max_queue_chars=32_000)
"""Batches and queue of a service: some two seconds of work for two cores may wait."""


@dataclass(frozen=True)
class Limits:
    """Bounds that keep a service alive, beside those of the batches.

    Of more than ``max_connections`` open connections, the newest are answered with 503 and closed; one eighth more is not even answered.
    """

    max_body_bytes: int = 1 << 20
    body_timeout_s: float = 10.0
    request_timeout_s: float = 30.0
    max_connections: int = 800

    def __post_init__(self) -> None:
        for item in fields(self):
            if getattr(self, item.name) < 1e-3:
                raise ValueError(f"Expected {item.name} of at least 0.001, but got {getattr(self, item.name)!r}.")


@dataclass(frozen=True)
class ServeSettings:
    """All of a service.

    ``key_path`` names the file of key hashes; without it ``no_auth`` must be said. ``records`` is the path of a JSONL file or the URL of a
    database, None to keep no records. ``n_threads`` are those of the encoder, ``n_workers`` the batches that may be under way at once: with two,
    one batch is normalised while the other is in the encoder. With ``low_latency`` all threads work on one batch at a time, and one is under way:
    single texts are answered sooner, and fewer texts a second are possible. ``batches`` bounds them and their queue. ``drain_s`` is how long a
    stopping service still answers (``/readyz`` with 503) before it closes.
    """

    bundle: Path
    host: str = "127.0.0.1"
    port: int = 8000
    key_path: Path | None = None
    no_auth: bool = False
    records: str | None = None
    record_texts: bool = False
    log_texts: bool = False
    n_threads: int | None = None
    n_workers: int = 2
    low_latency: bool = False
    drain_s: float = 0.0
    limits: Limits = field(default_factory=Limits)
    batches: BatchLimits = SERVED_BATCHES

    def __post_init__(self) -> None:
        if (self.key_path is None) is not self.no_auth:
            raise ValueError("Expected either a file of keys (--keys) or --no-auth; make a key with: classifier serve-key --name me")
        if self.record_texts and self.records is None:
            raise ValueError("Expected --records with --record-texts, but got none; say where the records go.")
        if self.n_workers < 1 or self.drain_s < 0:
            raise ValueError(f"Expected n_workers of at least 1 and drain_s of at least 0, but got {self.n_workers} and {self.drain_s}.")
