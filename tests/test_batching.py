"""Batches in one event loop with a real classifier: the same decisions as alone, in order, whatever comes together."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classifier.batching import Batcher, BatchLimits, TextItem, cost_of
from classifier.errors import QueueFullError
from classifier.inference import Classifier

PIECES = st.sampled_from(["收U", "出币", "今天看见一只猫", "加微信群大家", "投资日息", "\u200b", "\ud800", "", "🅱️", "a1"])
TEXTS = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(max_size=30), st.none(), st.integers())
ITEMS = st.builds(TextItem, TEXTS, st.sampled_from(["post", "bio", "sms"]), st.none() | st.text(max_size=3))
REQUESTS = st.lists(st.lists(ITEMS, min_size=1, max_size=7), min_size=1, max_size=8)


class Watcher:
    """Remembers the sizes of the batches."""

    def __init__(self):
        self.batches, self.n_refused = [], 0

    def on_queue(self, n_texts):
        self.n_waiting = n_texts

    def on_refused(self):
        self.n_refused += 1

    def on_batch(self, n_texts, elapsed_s):
        self.batches.append(n_texts)


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


def together(classifier, requests, **limits):
    """Decisions of requests that come at once, and the sizes of their batches."""

    async def run():
        watcher = Watcher()
        batcher = Batcher(BatchLimits(**limits), n_workers=2, watcher=watcher)
        decided = await asyncio.gather(*(batcher.decide(classifier, items) for items in requests))
        await batcher.close()
        return decided, watcher.batches

    return asyncio.run(run())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=REQUESTS, max_batch_texts=st.integers(1, 9), max_batch_chars=st.integers(1, 400))
def test_together_is_as_alone_and_keeps_the_order(classifier, requests, max_batch_texts, max_batch_chars):
    decided, _ = together(classifier, requests, max_batch_texts=max_batch_texts, max_batch_chars=max_batch_chars)
    for items, decisions in zip(requests, decided, strict=True):
        alone = [classifier.classify_many([item.text], source=item.source, ids=[item.id])[0] for item in items]
        assert decisions == alone


def test_concurrent_requests_share_batches(classifier):
    requests = [[TextItem(f"收U{number}")] for number in range(60)]
    _, batches = together(classifier, requests, max_batch_texts=16)
    assert sum(batches) == 60
    assert len(batches) < 20


def test_a_batch_keeps_its_budget(classifier):
    requests = [[TextItem("收U" * 50)] * 8]
    _, batches = together(classifier, requests, max_batch_chars=2 * cost_of(requests[0][0]))
    assert (max(batches), sum(batches)) == (2, 8)


def test_few_that_wait_are_taken_one_by_one_and_many_together(classifier):
    _, few = together(classifier, [[TextItem(f"收U{number}")] for number in range(4)])
    _, many = together(classifier, [[TextItem(f"出U{number}") for number in range(200)]])
    assert few == [1, 1, 1, 1]
    assert max(many) == 32


@pytest.mark.parametrize(("n_cores", "n_at_once"), [(1, 1), (2, 2), (3, 2)])
def test_a_batch_starts_at_once_while_a_core_has_nothing_to_do(classifier, n_cores, n_at_once):
    async def run():
        # Longer than the test may take: whoever waits for company waits to the end.
        batcher = Batcher(BatchLimits(batch_wait_s=600, max_batch_chars=10**6), n_workers=2, n_cores=n_cores)
        waiting = [asyncio.ensure_future(batcher.decide(classifier, [TextItem("收U" * 2_000)])) for _ in range(3)]
        await asyncio.sleep(0)
        n_running = batcher.n_running
        await asyncio.gather(*waiting)
        await batcher.close()
        return n_running

    assert asyncio.run(run()) == n_at_once


def test_a_large_request_does_not_hold_up_a_small_one(classifier):
    async def run():
        batcher = Batcher(BatchLimits(max_batch_texts=8))
        large = asyncio.ensure_future(batcher.decide(classifier, [TextItem("收U" * 100)] * 200))
        await asyncio.sleep(0)
        await batcher.decide(classifier, [TextItem("收U")])
        early = not large.done()
        await large
        await batcher.close()
        return early

    assert asyncio.run(run())


def test_a_full_queue_refuses_and_says_when_to_come_again(classifier):
    watcher = Watcher()

    async def run():
        batcher = Batcher(BatchLimits(max_queue_chars=500, max_batch_texts=1), watcher=watcher)
        done = await asyncio.gather(*(batcher.decide(classifier, [TextItem("收U" * 40)]) for _ in range(20)), return_exceptions=True)
        await batcher.close()
        return done

    done = asyncio.run(run())
    refused = [item for item in done if isinstance(item, QueueFullError)]
    # One runs; of the rest, 104 characters each, four fit into 500.
    assert len(refused) == watcher.n_refused == 15
    assert all(1 <= item.retry_after_s <= 30 for item in refused)


def test_a_cancelled_request_leaves_the_queue(classifier):
    async def run():
        batcher = Batcher(BatchLimits(max_queue_chars=300, max_batch_texts=1))
        waiting = [asyncio.ensure_future(batcher.decide(classifier, [TextItem("收U" * 40)] * n)) for n in (1, 2)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        decisions = await batcher.decide(classifier, [TextItem("收U" * 40)] * 3)
        await batcher.close()
        return waiting, decisions

    waiting, decisions = asyncio.run(run())
    assert waiting[1].cancelled()
    assert len(decisions) == 3


def test_a_fault_of_one_batch_reaches_its_requests_and_the_next_batch_runs(classifier, tiny_bundle):
    broken = Classifier.load(tiny_bundle.folder, n_threads=1)
    broken._encoder = None

    async def run():
        batcher = Batcher(BatchLimits())
        fault = (await asyncio.gather(batcher.decide(broken, [TextItem("收U")]), return_exceptions=True))[0]
        decisions = await batcher.decide(classifier, [TextItem("收U")])
        await batcher.close()
        return fault, decisions

    fault, decisions = asyncio.run(run())
    assert isinstance(fault, AttributeError)
    assert decisions[0].error is None
