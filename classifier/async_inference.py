"""The inference function for programs with an event loop: the same decisions, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from classifier.batching import Batcher, BatchLimits, BatchWatcher, TextItem
from classifier.decisions import Decision
from classifier.errors import TextError
from classifier.inference import Classifier


class AsyncClassifier:
    """Decides in an event loop. Calls that come together share batches; a cancelled call leaves the queue and disturbs no other.

    ::

        async with await AsyncClassifier.load("models/default") as classifier:
            first, second = await asyncio.gather(classifier.classify("收U出U"), classifier.classify("今天吃面"))

    One object belongs to one event loop.
    """

    def __init__(
        self, classifier: Classifier, *, limits: BatchLimits | None = None, n_workers: int = 1, watcher: BatchWatcher | None = None
    ) -> None:
        """:param n_workers: batches under way at once: with two, one is normalised while the other is in the encoder.

        :param watcher: is told of queue and batches.
        """
        self.classifier = classifier
        self._batcher = Batcher(BatchLimits() if limits is None else limits, n_workers=n_workers, watcher=watcher)

    @classmethod
    async def load(cls, folder: str | Path, *, limits: BatchLimits | None = None, n_threads: int | None = None) -> AsyncClassifier:
        """Load a bundle without holding up the loop; every file is verified.

        :param n_threads: threads of the encoder; None for all cores of this process.
        :raises BundleError: when the folder is no bundle, or a file is missing or altered.
        """
        return cls(await asyncio.to_thread(Classifier.load, folder, n_threads=n_threads), limits=limits)

    async def __aenter__(self) -> AsyncClassifier:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Wait until all that was accepted is answered; nothing may be asked afterwards."""
        await self._batcher.close()

    async def classify(self, text: str, *, source: str = "post", evidence: bool = True) -> Decision:
        """Decide about one text, as ``Classifier.classify``.

        :raises TextError: when this text cannot be classified; those that share its batch are decided all the same.
        :raises QueueFullError: when more waits than the limits allow.
        """
        decision = (await self._batcher.decide(self.classifier, [TextItem(text, source, None, evidence)]))[0]
        if decision.error is not None:
            raise TextError(decision.error)
        return decision

    async def classify_many(
        self, texts: Sequence[str], *, source: str | Sequence[str] = "post", ids: Sequence[str | None] | None = None, evidence: bool = False
    ) -> list[Decision]:
        """Decide about many texts, as ``Classifier.classify_many``: same order, same length; a text that cannot be classified gets an ``error``.

        :raises QueueFullError: when more waits than the limits allow.
        """
        if isinstance(texts, str):
            raise ValueError("Expected a list of texts, but got one text; call classify for one.")
        sources = [source] * len(texts) if isinstance(source, str) else source
        names: Sequence[str | None] = [None] * len(texts) if ids is None else ids
        if not len(sources) == len(names) == len(texts):
            raise ValueError(f"Expected one source and one id for each of {len(texts)} texts, but got {len(sources)} and {len(names)}.")
        items = [TextItem(text, kind, name, evidence) for text, kind, name in zip(texts, sources, names, strict=True)]
        return await self._batcher.decide(self.classifier, items)
