"""The client against a real service, and against a server of a few lines that refuses on purpose."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from classifier.client import AsyncClient, Client, Retry, ServiceError
from classifier.decisions.accounts import Post
from classifier.errors import TextError
from classifier.inference import Classifier

from .conftest import make_examples
from .serving_process import USER, free_port, running

QUICK = Retry(n_retries=3, first_s=0.001, seed=0)


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


@pytest.fixture(scope="module")
def service(tiny_bundle, tmp_path_factory):
    with running(tiny_bundle.folder, tmp_path_factory.mktemp("client"), "--threads", 1) as service:
        yield service


@pytest.fixture(scope="module")
def client(service):
    with Client(service.url, key=USER.secret) as client:
        yield client


def test_it_gives_the_very_decisions_of_the_classifier(client, classifier):
    texts = [example.text for example in make_examples(300, seed=8)] + ["", "收\ud800U", "今天" * 9_000] * 2
    sources = ["bio" if number % 3 else "post" for number in range(len(texts))]
    ids = [None if number % 5 else f"t{number}" for number in range(len(texts))]
    assert client.classify_many(texts, source=sources, ids=ids) == classifier.classify_many(texts, source=sources, ids=ids)
    assert client.classify(texts[1]) == classifier.classify(texts[1])
    assert client.classify_many([]) == []


def test_an_account(client, classifier):
    posts = [Post("收U加微信", "2026-01-02", "p"), Post("今天看见一只猫", None, None)]
    assert client.classify_account("出U收U", posts, account_id="a") == classifier.classify_account("出U收U", posts, account_id="a")


def test_the_policy_explains_a_decision(client, classifier):
    decision = client.classify("收U出U加微信群大家")
    assert decision.explain(client.policy()) == decision.explain(classifier.policy)
    assert client.model()["model_fingerprint"] == decision.model_fingerprint


def test_a_text_that_cannot_be_classified_raises_as_the_classifier_does(client):
    with pytest.raises(TextError, match="visible character"):
        client.classify("\u200b")


def test_a_wrong_key_is_refused_without_a_retry(service):
    with Client(service.url, key="tw_wrong") as client, pytest.raises(ServiceError, match="401") as raised:
        client.policy()
    assert (raised.value.status, raised.value.problem["title"]) == (401, "Unauthorized")


def test_the_asyncio_client_gives_the_same(service, classifier):
    texts = [example.text for example in make_examples(20, seed=9)]

    async def ask():
        async with AsyncClient(service.url, key=USER.secret) as client:
            asked = [client.classify(text, evidence=False) for text in texts]
            return await asyncio.gather(*asked, client.policy(), client.classify_account(None, []))

    *decisions, policy, account = asyncio.run(ask())
    assert decisions == [classifier.classify(text, evidence=False) for text in texts]
    assert policy == classifier.policy
    assert account == classifier.classify_account(None, [])


@contextmanager
def refusing(*answers):
    """A server that gives the answers (status, headers) in turn, then the last one again; the times at which it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            status, headers = answers[min(len(asked), len(answers) - 1)]
            asked.append(time.monotonic())
            body = json.dumps({"detail": "not now"}).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_it_tries_again_when_the_service_is_busy(status):
    with refusing((status, {}), (status, {}), (200, {})) as (url, asked), Client(url, retry=QUICK) as client:
        assert client.model() == {"detail": "not now"}
    assert len(asked) == 3


def test_it_gives_up_after_its_retries_and_says_why():
    with refusing((503, {})) as (url, asked), Client(url, retry=QUICK) as client, pytest.raises(ServiceError, match="503: not now"):
        client.model()
    assert len(asked) == 4


@pytest.mark.parametrize("status", [400, 422, 500])
def test_it_does_not_try_again_what_will_not_change(status):
    with refusing((status, {})) as (url, asked), Client(url, retry=QUICK) as client, pytest.raises(ServiceError):
        client.model()
    assert len(asked) == 1


def test_it_waits_as_long_as_the_service_asks_for():
    with refusing((429, {"Retry-After": "1"}), (200, {})) as (url, asked), Client(url, retry=QUICK) as client:
        client.model()
    assert asked[1] - asked[0] >= 1.0


def test_the_asyncio_client_tries_again_too():
    async def ask(url):
        async with AsyncClient(url, retry=QUICK) as client:
            return await client.model()

    with refusing((503, {}), (200, {})) as (url, asked):
        assert asyncio.run(ask(url)) == {"detail": "not now"}
    assert len(asked) == 2


def test_nobody_there_is_an_error_of_ours():
    with Client(f"http://127.0.0.1:{free_port()}", retry=QUICK) as client, pytest.raises(ServiceError, match="is it running"):
        client.model()


def test_delays_are_jittered_and_honour_retry_after():
    delays = Retry(n_retries=9, first_s=1.0, max_s=4.0, seed=1).delays()
    first = np.array([delays.next_s(0, status=None, retry_after_s=None) for _ in range(2_000)])
    late = np.array([delays.next_s(8, status=503, retry_after_s=None) for _ in range(2_000)])
    told = np.array([delays.next_s(0, status=429, retry_after_s=2.0) for _ in range(2_000)])
    # Full jitter: uniform up to 1 s, up to the cap of 4 s; what the service asks for, and up to a quarter more.
    for values, low, high in ((first, 0.0, 1.0), (late, 0.0, 4.0), (told, 2.0, 2.5)):
        assert low <= values.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < values.max() <= high
        assert values.mean() == pytest.approx((low + high) / 2, rel=0.05)
    assert delays.next_s(0, status=429, retry_after_s=5.0) is None


def test_one_text_is_not_taken_for_many(client):
    with pytest.raises(ValueError, match="list of texts"):
        client.classify_many("收U")
    with pytest.raises(ValueError, match="one source and id for each"):
        client.classify_many(["收U"], ids=["a", "b"])
