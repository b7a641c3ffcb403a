"""The awaited inference function with a real, tiny bundle: as alone, in order, batched, and nobody disturbs anybody."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classifier.async_inference import AsyncClassifier
from classifier.batching import BatchLimits
from classifier.errors import BundleError, QueueFullError, TextError
from classifier.inference import Classifier

PIECES = st.sampled_from(["收U", "出币", "今天看见一只猫", "加微信群大家", "投资日息", "\u200b", "\ud800", "", "🅱️", "a1"])
TEXTS = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(max_size=30), st.none(), st.integers())
CALLS = st.lists(st.lists(st.tuples(TEXTS, st.sampled_from(["post", "bio", "sms"])), max_size=7), min_size=1, max_size=8)
LIMITS = st.builds(BatchLimits, max_batch_texts=st.integers(1, 9), max_batch_chars=st.integers(1, 400))


class Watcher:
    """Remembers what it was told."""

    def __init__(self):
        self.batches, self.queue, self.n_refused = [], [0], 0

    def on_queue(self, n_texts):
        self.queue.append(n_texts)

    def on_refused(self):
        self.n_refused += 1

    def on_batch(self, n_texts, elapsed_s):
        self.batches.append(n_texts)


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


def run(classifier, use, **options):
    """What ``use`` gives, called with an ``AsyncClassifier``."""

    async def inside():
        async with AsyncClassifier(classifier, **options) as ours:
            return await use(ours)

    return asyncio.run(inside())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=CALLS, limits=LIMITS, n_workers=st.integers(1, 2))
def test_together_is_as_alone_and_in_order(classifier, calls, limits, n_workers):
    def options(call):
        return {"source": [source for _, source in call], "ids": [str(row) for row in range(len(call))]}

    async def use(ours):
        return await asyncio.gather(*(ours.classify_many([text for text, _ in call], **options(call)) for call in calls))

    decided = run(classifier, use, limits=limits, n_workers=n_workers)
    assert decided == [classifier.classify_many([text for text, _ in call], **options(call)) for call in calls]


def test_one_text_has_its_evidence(classifier):
    text = "今天我们在小区门口看见一只猫。收U出U加微信群大家!"
    assert run(classifier, lambda ours: ours.classify(text, source="bio")) == classifier.classify(text, source="bio")


def test_calls_that_come_together_share_batches(classifier):
    watcher = Watcher()

    async def use(ours):
        await asyncio.gather(*(ours.classify(f"收U{number}", evidence=False) for number in range(60)))

    run(classifier, use, limits=BatchLimits(max_batch_texts=16), watcher=watcher)
    assert sum(watcher.batches) == 60
    assert len(watcher.batches) < 20
    assert watcher.queue[-1] == 0


def test_a_bad_text_fails_alone(classifier):
    async def use(ours):
        return await asyncio.gather(*(ours.classify(text, evidence=False) for text in ("收U", "", "今天")), return_exceptions=True)

    first, bad, last = run(classifier, use)
    assert isinstance(bad, TextError)
    assert [first, last] == [classifier.classify(text, evidence=False) for text in ("收U", "今天")]


def test_a_cancelled_call_leaves_the_others_alone(classifier):
    async def use(ours):
        calls = [asyncio.ensure_future(ours.classify_many([f"收U{n}"] * 3)) for n in range(20)]
        await asyncio.sleep(0)
        for call in calls[::2]:
            call.cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    done = run(classifier, use, limits=BatchLimits(max_batch_texts=1))
    assert all(isinstance(item, asyncio.CancelledError) for item in done[::2])
    assert done[1::2] == [classifier.classify_many([f"收U{n}"] * 3) for n in range(1, 20, 2)]


def test_what_was_cancelled_is_not_decided(classifier):
    watcher = Watcher()

    async def use(ours):
        large = asyncio.ensure_future(ours.classify_many(["收U"] * 200))
        await asyncio.sleep(0)
        large.cancel()
        await asyncio.gather(large, return_exceptions=True)

    run(classifier, use, limits=BatchLimits(max_batch_texts=1), watcher=watcher)
    assert sum(watcher.batches) == 1  # the one that was under way


def test_a_full_queue_refuses_and_says_when_to_come_again(classifier):
    async def use(ours):
        calls = (ours.classify("收U" * 40, evidence=False) for _ in range(20))
        return await asyncio.gather(*calls, return_exceptions=True)

    refused = [item for item in run(classifier, use, limits=BatchLimits(max_queue_chars=500, max_batch_texts=1)) if isinstance(item, QueueFullError)]
    # One runs; of the rest, 104 characters each, four fit into 500.
    assert len(refused) == 15
    assert all(1 <= item.retry_after_s <= 30 for item in refused)


def test_a_fault_reaches_its_call_and_the_next_one_runs(tiny_bundle):
    broken = Classifier.load(tiny_bundle.folder, n_threads=1)
    encoder, broken._encoder = broken._encoder, None

    async def use(ours):
        fault = (await asyncio.gather(ours.classify("收U"), return_exceptions=True))[0]
        broken._encoder = encoder
        return fault, await ours.classify("收U")

    fault, decision = run(broken, use)
    assert isinstance(fault, AttributeError)
    assert decision.error is None


def test_loading_refuses_what_is_no_bundle(tmp_path):
    with pytest.raises(BundleError):
        asyncio.run(AsyncClassifier.load(tmp_path))


def test_loading_gives_a_classifier_that_decides(tiny_bundle, classifier):
    async def inside():
        async with await AsyncClassifier.load(tiny_bundle.folder, n_threads=1) as ours:
            return await ours.classify("收U出U")

    assert asyncio.run(inside()) == classifier.classify("收U出U")


@pytest.mark.parametrize(
    ("texts", "options", "told"),
    [("收U", {}, "list of texts"), (["收U"], {"source": ["post", "bio"]}, "got 2 and 1"), (["收U"], {"ids": []}, "got 1 and 0")],
)
def test_a_malformed_call_is_told(classifier, texts, options, told):
    with pytest.raises(ValueError, match=told):
        run(classifier, lambda ours: ours.classify_many(texts, **options))


@pytest.mark.parametrize("name", ["max_batch_chars", "max_batch_texts", "max_queue_chars"])
def test_limits_of_nothing_are_refused(name):
    with pytest.raises(ValueError, match=f"Expected {name} of at least 1, but got 0"):
        BatchLimits(**{name: 0})
