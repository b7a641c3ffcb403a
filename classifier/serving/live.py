"""The bundle in force, and how another one takes its place."""

from __future__ import annotations

import asyncio
import datetime
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from classifier.errors import ClassifierError
from classifier.inference import Classifier
from classifier.serving.fingerprints import Fingerprints
from classifier.serving.metrics import Metrics

_log = logging.getLogger(__name__)
_WARM_UP = "今天吃面"


def load_warm(folder: Path, *, n_threads: int | None, low_latency: bool = False) -> Classifier:
    """A verified classifier that has decided once, so that the first request does not pay for it.

    :raises ClassifierError: when the folder is no bundle, or its model does not run.
    """
    classifier = Classifier.load(folder, n_threads=n_threads, low_latency=low_latency)
    classifier.classify(_WARM_UP, evidence=False)
    return classifier


@dataclass(frozen=True)
class InForce:
    """A classifier with what its decisions depend on, and since when it decides."""

    classifier: Classifier
    fingerprints: Fingerprints
    loaded_at: str


class LiveBundle:
    """Holds what is in force. Whoever starts a request takes ``now`` once and keeps it to the end of the request."""

    def __init__(self, folder: Path, metrics: Metrics, *, n_threads: int | None, low_latency: bool = False) -> None:
        self._folder, self._metrics = folder, metrics
        self._load = partial(load_warm, n_threads=n_threads, low_latency=low_latency)
        self._lock = asyncio.Lock()
        self._put(self._load(folder))

    def _put(self, classifier: Classifier) -> None:
        loaded_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self.now = InForce(classifier, Fingerprints.of(classifier.bundle), loaded_at)
        self._metrics.show_bundle(classifier.bundle)

    async def reload(self) -> Fingerprints:
        """Read the folder again and, when all of it is in order, put it in force; requests under way end with the one they began with.

        :raises ClassifierError: when it is not in order; the old one stays in force.
        """
        async with self._lock:
            try:
                fresh = await asyncio.to_thread(self._load, self._folder)
            except (ClassifierError, OSError) as error:
                self._metrics.reloads.labels("refused").inc()
                _log.error("reload_refused", extra={"reason": str(error)})
                raise ClassifierError(f"The bundle was refused, and the old one stays in force: {error}") from error
            self._put(fresh)
            made = self.now.fingerprints
        self._metrics.reloads.labels("done").inc()
        _log.info("reloaded", extra={"model": made.model, "policy": made.policy, "ladder": made.ladder})
        return made

    def describe(self) -> dict[str, Any]:
        """What ``/v1/model`` answers."""
        bundle = self.now.classifier.bundle
        return {
            "model_fingerprint": bundle.model_fingerprint,
            "encoder_fingerprint": bundle.encoder_fingerprint,
            "policy_fingerprint": bundle.policy.fingerprint,
            "ladder_fingerprint": bundle.ladder.fingerprint,
            "loaded_at": self.now.loaded_at,
            "void": bundle.void is not None,
            "questions": list(bundle.policy.questions),
            "ladder": bundle.ladder.to_dict(),
        }
