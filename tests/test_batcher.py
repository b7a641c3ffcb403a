"""Batches in one event loop with a real classifier: the same decisions as alone, in order, whatever comes together."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classifier.inference import Classifier
from classifier.serving.batcher import Batcher, QueueFullError, TextItem, cost_of
from classifier.serving.metrics import Metrics
from classifier.serving.settings import Limits

PIECES = st.sampled_from(["收U", "出币", "今天看见一只猫", "加微信群大家", "投资日息", "\u200b", "\ud800", "", "🅱️", "a1"])
TEXTS = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(max_size=30), st.none(), st.integers())
ITEMS = st.builds(TextItem, TEXTS, st.sampled_from(["post", "bio", "sms"]), st.none() | st.text(max_size=3))
REQUESTS = st.lists(st.lists(ITEMS, min_size=1, max_size=7), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


def together(classifier, requests, **limits):
    """Decisions of requests that come at once, and the sizes of their batches: (number, sum)."""

    async def run():
        metrics = Metrics()
        batcher = Batcher(Limits(**limits), metrics, n_workers=2, n_cores=1)
        decided = await asyncio.gather(*(batcher.decide(classifier, items) for items in requests))
        await batcher.close()
        samples = {sample.name: sample.value for family in metrics.batch_texts.collect() for sample in family.samples}
        return decided, (samples["classifier_batch_texts_count"], samples["classifier_batch_texts_sum"])

    return asyncio.run(run())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=REQUESTS, max_batch_texts=st.integers(1, 9), max_batch_chars=st.integers(1, 400))
def test_together_is_as_alone_and_keeps_the_order(classifier, requests, max_batch_texts, max_batch_chars):
    decided, _ = together(classifier, requests, max_batch_texts=max_batch_texts, max_batch_chars=max_batch_chars)
    for items, decisions in zip(requests, decided, strict=True):
        alone = [classifier.classify_many([item.text], source=item.source, ids=[item.id])[0] for item in items]
        assert decisions == alone


def test_concurrent_requests_share_batches(classifier):
    requests = [[TextItem(f"收U{number}")] for number in range(60)]
    _, (n_batches, n_texts) = together(classifier, requests, max_batch_texts=16)
    assert n_texts == 60
    assert n_batches < 20


def test_a_batch_keeps_its_budget(classifier):
    requests = [[TextItem("收U" * 50)] * 8]
    _, (n_batches, n_texts) = together(classifier, requests, max_batch_chars=2 * cost_of(requests[0][0]))
    assert (n_batches, n_texts) == (4, 8)


def test_a_large_request_does_not_hold_up_a_small_one(classifier):
    async def run():
        batcher = Batcher(Limits(max_batch_texts=8), Metrics(), n_workers=1, n_cores=1)
        large = asyncio.ensure_future(batcher.decide(classifier, [TextItem("收U" * 100)] * 200))
        await asyncio.sleep(0)
        await batcher.decide(classifier, [TextItem("收U")])
        early = not large.done()
        await large
        await batcher.close()
        return early

    assert asyncio.run(run())


def test_a_full_queue_refuses_and_says_when_to_come_again(classifier):
    async def run():
        batcher = Batcher(Limits(max_queue_chars=500, max_batch_texts=1), Metrics(), n_workers=1, n_cores=1)
        done = await asyncio.gather(*(batcher.decide(classifier, [TextItem("收U" * 40)]) for _ in range(20)), return_exceptions=True)
        await batcher.close()
        return done

    done = asyncio.run(run())
    refused = [item for item in done if isinstance(item, QueueFullError)]
    # One runs; of the rest, 104 characters each, four fit into 500.
    assert len(refused) == 15
    assert all(1 <= item.retry_after_s <= 30 for item in refused)


def test_a_cancelled_request_leaves_the_queue(classifier):
    async def run():
        batcher = Batcher(Limits(max_queue_chars=300, max_batch_texts=1), Metrics(), n_workers=1, n_cores=1)
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
        batcher = Batcher(Limits(), Metrics(), n_workers=1, n_cores=1)
        fault = (await asyncio.gather(batcher.decide(broken, [TextItem("收U")]), return_exceptions=True))[0]
        decisions = await batcher.decide(classifier, [TextItem("收U")])
        await batcher.close()
        return fault, decisions

    fault, decisions = asyncio.run(run())
    assert isinstance(fault, AttributeError)
    assert decisions[0].error is None
