"""What Prometheus may scrape. Every label has few values: no ids, no texts, no raw paths."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from classifier.bundle import Bundle
from classifier.decisions import Decision
from classifier.encoder.cache import CacheCounts

REVIEW_WINDOW = 1_000
_SECONDS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one service, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("classifier_requests", "Requests answered.", ["route", "method", "status"], registry=registry)
        self.request_s = Histogram("classifier_request_seconds", "From the request to its answer.", ["route"], buckets=_SECONDS, registry=registry)
        self.texts = Counter("classifier_texts", "Texts decided about, or failed.", ["source", "outcome"], registry=registry)
        self.levels = Counter("classifier_decisions", "Decisions by level.", ["level"], registry=registry)
        self.categories = Counter("classifier_categories", "Decisions that name a category.", ["category"], registry=registry)
        self.reviews = Counter("classifier_reviews", "Decisions that a person must look at.", registry=registry)
        self.review_share = Gauge("classifier_review_share", f"Share of reviews among the last {REVIEW_WINDOW:,} texts.", registry=registry)
        self.accounts = Counter("classifier_accounts", "Accounts decided about, by level.", ["level"], registry=registry)
        self.queue_texts = Gauge("classifier_queue_texts", "Texts that wait for a batch.", registry=registry)
        self.queue_refused = Counter("classifier_queue_refused", "Requests refused because the queue was full.", registry=registry)
        self.batch_texts = Histogram("classifier_batch_texts", "Texts of a batch.", buckets=_SIZES, registry=registry)
        self.batch_s = Histogram("classifier_batch_seconds", "CPU work of a batch.", buckets=_SECONDS, registry=registry)
        self.records = Counter("classifier_records", "Decisions written to the records, or not.", ["outcome"], registry=registry)
        self.reloads = Counter("classifier_reloads", "Reloads of the bundle.", ["outcome"], registry=registry)
        self.void = Gauge("classifier_void", "1 when the promises of the bundle are suspended.", registry=registry)
        self.info = Gauge(
            "classifier_info", "The bundle in force.", ["model", "policy", "ladder", "policy_id", "policy_version"], registry=registry
        )
        self._cache = {
            name: Gauge(f"classifier_cache_{name}", told, registry=registry)
            for name, told in (("hits", "Texts answered from memory."), ("misses", "Texts encoded."), ("entries", "Texts remembered."))
        }
        self._recent: deque[bool] = deque(maxlen=REVIEW_WINDOW)

    def show_bundle(self, bundle: Bundle) -> None:
        """Name the bundle in force; the one before is no longer shown."""
        policy = bundle.policy
        self.info.clear()
        self.info.labels(bundle.model_fingerprint, policy.fingerprint, bundle.ladder.fingerprint, policy.id, policy.version).set(1)
        self.void.set(bundle.void is not None)
        for level in policy.levels:
            self.levels.labels(level.id)
        for category_id in policy.category_ids:
            self.categories.labels(category_id)

    def count(self, decisions: Iterable[Decision]) -> None:
        """Count decisions about texts."""
        for decision in decisions:
            known = decision.source if decision.source in ("post", "bio") else "other"
            self.texts.labels(known, "ok" if decision.error is None else "error").inc()
            self._recent.append(decision.review)
            if decision.review:
                self.reviews.inc()
            if decision.error is None:
                self.levels.labels(decision.level).inc()
            for category in decision.categories:
                self.categories.labels(category.category).inc()
        if self._recent:
            self.review_share.set(sum(self._recent) / len(self._recent))

    def on_queue(self, n_texts: int) -> None:
        """So many texts wait now."""
        self.queue_texts.set(n_texts)

    def on_refused(self) -> None:
        """A request was refused, for the queue is full."""
        self.queue_refused.inc()

    def on_batch(self, n_texts: int, elapsed_s: float) -> None:
        """A batch has run."""
        self.batch_texts.observe(n_texts)
        self.batch_s.observe(elapsed_s)

    def show_cache(self, counts: CacheCounts) -> None:
        """Copy the counts of the encoder's memory; they begin again with another bundle."""
        for name, value in (("hits", counts.n_hits), ("misses", counts.n_misses), ("entries", counts.n_entries)):
            self._cache[name].set(value)

    def text(self) -> bytes:
        """The exposition."""
        return generate_latest(self.registry)
