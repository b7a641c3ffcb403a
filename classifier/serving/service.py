"""All parts of a running service in one place, and the way from a request's texts to recorded decisions."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from classifier.batching import Batcher, TextItem
from classifier.decisions import Decision
from classifier.decisions.account_texts import account_texts
from classifier.decisions.accounts import AccountDecision, Post, account_rules
from classifier.encoder.runtime import available_cores
from classifier.errors import PolicyError, QueueFullError
from classifier.inference import Classifier
from classifier.serving.keys import KeyFile
from classifier.serving.live import InForce, LiveBundle
from classifier.serving.metrics import Metrics
from classifier.serving.problems import ProblemError
from classifier.serving.records import JsonlSink, Record, RecordWriter, account_record, text_record
from classifier.serving.records_sql import SqlSink
from classifier.serving.settings import ServeSettings


@dataclass(frozen=True)
class Recorded:
    """Decisions about the texts of a request, and whether they are on disk."""

    decisions: tuple[Decision, ...]
    recorded: bool


@dataclass(frozen=True)
class RecordedAccount:
    """The decision about an account, and whether it is on disk."""

    decision: AccountDecision
    recorded: bool


class Service:
    """Bundle, batcher, keys, metrics and records of one process.

    ``draining`` says that no new work is taken; ``connections`` are those that are open, as the server counts them.
    """

    def __init__(self, settings: ServeSettings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.keys = None if settings.key_path is None else KeyFile(settings.key_path)
        self.live = LiveBundle(settings.bundle, self.metrics, n_threads=settings.n_threads, low_latency=settings.low_latency)
        n_cores = settings.n_threads or available_cores()
        n_workers, n_cores = (1, 1) if settings.low_latency else (settings.n_workers, n_cores)
        self.batcher = Batcher(settings.batches, n_workers=n_workers, n_cores=n_cores, watcher=self.metrics)
        self._writer = None if settings.records is None else RecordWriter(_sink(settings.records))
        self.draining = False
        self.connections: Collection[object] = ()

    async def close(self) -> None:
        """Answer and record what was accepted."""
        await self.batcher.close()
        if self._writer is not None:
            self._writer.close()

    async def decide_texts(self, now: InForce, items: Sequence[TextItem], *, request_id: str) -> Recorded:
        """Decide about texts and record it.

        :raises ProblemError: when the queue is full or the service is stopping.
        """
        decisions = await self._decide(now.classifier, items)
        keep, made_by = self.settings.record_texts, now.fingerprints
        if self._writer is None:
            return Recorded(tuple(decisions), False)
        records = [
            text_record(decision, made_by, request_id=request_id, text=item.text, evidence=item.evidence, keep_text=keep)
            for item, decision in zip(items, decisions, strict=True)
        ]
        return Recorded(tuple(decisions), await self._record(records))

    async def decide_account(
        self, now: InForce, account_id: str | None, bio: Any, posts: Sequence[Post], *, as_of: datetime.date | None, request_id: str
    ) -> RecordedAccount:
        """Decide about an account and record it.

        :raises ProblemError: when the policy has no account rules, the queue is full, or the service is stopping.
        """
        try:
            account_rules(now.classifier.policy)
        except PolicyError as error:
            raise ProblemError(409, "no-account-rules", str(error)) from error
        texts = account_texts(bio, posts)
        decisions = await self._decide(now.classifier, [TextItem(text.text, text.source, text.id) for text in texts])
        decision = now.classifier.account_decision(texts, decisions, account_id=account_id, as_of=as_of)
        self.metrics.accounts.labels(decision.level).inc()
        keep, made_by = self.settings.record_texts, now.fingerprints
        record = account_record(decision, made_by, request_id=request_id, bio=bio, posts=posts, as_of=as_of, keep_text=keep)
        return RecordedAccount(decision, await self._record([record]))

    async def _decide(self, classifier: Classifier, items: Sequence[TextItem]) -> list[Decision]:
        if self.draining:
            raise ProblemError(503, "stopping", "The service is stopping; send the request to another.", retry_after_s=5)
        try:
            decisions = await self.batcher.decide(classifier, items)
        except QueueFullError as error:
            detail = f"Too much waits already; come again in {error.retry_after_s} s."
            raise ProblemError(429, "queue-full", detail, retry_after_s=error.retry_after_s) from error
        self.metrics.count(decisions)
        return decisions

    async def _record(self, records: Sequence[Record]) -> bool:
        if self._writer is None or not records:
            return False
        recorded = await self._writer.write(records)
        self.metrics.records.labels("written" if recorded else "failed").inc(len(records))
        return recorded


def _sink(target: str) -> JsonlSink | SqlSink:
    return SqlSink(target) if "://" in target else JsonlSink(Path(target))
