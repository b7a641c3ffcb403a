"""Bounds of a service: bodies, time, the queue, and clients that dawdle or leave."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from classifier.serving.connections import room_for_refusals

from .serving_process import USER, running, until, work


@pytest.fixture(scope="module")
def service(tiny_bundle, tmp_path_factory):
    bounds = ("--max-body", 1_300_000, "--max-queue", 400_000, "--timeout", 1.0, "--body-timeout", 1.5)
    with running(tiny_bundle.folder, tmp_path_factory.mktemp("limits"), "--threads", 1, "--workers", 1, *bounds) as service:
        yield service


def _queue(service):
    return next(float(line.split()[1]) for line in service.get("/metrics").text.splitlines() if line.startswith("classifier_queue_texts "))


def test_a_large_body_is_refused(service):
    for content in (b"x" * 1_300_001, iter([b"x" * 100_000] * 14)):
        response = service.post(content=content, headers={"content-type": "application/json"})
        assert (response.status_code, response.headers["content-type"]) == (413, "application/problem+json")


def test_a_request_that_takes_too_long_ends_with_504_and_leaves_the_queue(service):
    response = service.post(json=work(100, 390, evidence=True))
    assert (response.status_code, response.json()["type"]) == (504, "urn:tiaowen:problem:timeout")
    assert until(lambda: _queue(service) == 0)


@pytest.fixture(scope="module")
def patient(tiny_bundle, tmp_path_factory):
    """A service with a short queue that lets a request take its time."""
    bounds = ("--max-queue", 40_000, "--timeout", 300)
    with running(tiny_bundle.folder, tmp_path_factory.mktemp("patient"), "--threads", 1, "--workers", 1, *bounds) as service:
        yield service


def test_a_full_queue_answers_429_with_retry_after(patient):
    with ThreadPoolExecutor(12) as pool:
        responses = list(pool.map(lambda _: patient.post(json=work(60, 100)), range(12)))
    refused = [response for response in responses if response.status_code == 429]
    assert {response.status_code for response in responses} == {200, 429}
    assert all(int(response.headers["retry-after"]) >= 1 and response.json()["type"] == "urn:tiaowen:problem:queue-full" for response in refused)


def _send(service, *parts, pause_s=0.0):
    """Raw bytes on a connection; what comes back until the service closes or says enough."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause_s)
        return connection.recv(65_536)


def _head(n_bytes):
    lines = ["POST /v1/classify HTTP/1.1", "Host: x", f"Authorization: Bearer {USER.secret}", "Content-Type: application/json"]
    return "\r\n".join([*lines, f"Content-Length: {n_bytes}", "", ""]).encode()


def test_a_slow_but_steady_client_is_served(service):
    body = json.dumps({"text": "收U"}).encode()
    answer = _send(service, _head(len(body)), *(bytes([byte]) for byte in body), pause_s=0.005)
    assert answer.startswith(b"HTTP/1.1 200")


def test_a_client_that_stops_in_the_middle_is_told_408_and_others_are_served_meanwhile(service):
    with ThreadPoolExecutor(1) as pool:
        stuck = pool.submit(_send, service, _head(100), b'{"text":')
        assert service.post(json={"text": "收U"}).status_code == 200
        assert stuck.result().startswith(b"HTTP/1.1 408")


def test_a_client_that_never_ends_its_head_is_hung_up_on(service):
    with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
        connection.sendall(b"POST /v1/classify HTTP/1.1\r\nHost:")
        assert connection.recv(100) == b""


def test_a_client_that_leaves_takes_its_texts_with_it(patient):
    body = json.dumps(work(30, 200, evidence=True)).encode()
    with socket.create_connection(("127.0.0.1", patient.port)) as connection:
        connection.sendall(_head(len(body)).replace(b"Host", b"X-Request-ID: gone\r\nHost") + body)
        assert until(lambda: _queue(patient) > 0)
    assert until(lambda: any(line.get("request_id") == "gone" and line["status"] == 408 for line in patient.log()))
    assert until(lambda: _queue(patient) == 0)


@contextmanager
def _held(service, n_connections):
    """So many connections that were answered once and stay open."""
    with ExitStack() as stack:
        for _ in range(n_connections):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=60))
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(65_536)
        yield


def test_a_connection_too_many_is_told_503_with_its_problem_and_health_is_still_answered(tiny_bundle, tmp_path):
    with running(tiny_bundle.folder, tmp_path, "--threads", 1, "--max-connections", 16) as service:
        with _held(service, 16):
            response = service.post(json={"text": "收U"})
            assert (response.status_code, response.json()["type"]) == (503, "urn:tiaowen:problem:too-many-connections")
            assert (response.headers["retry-after"], response.headers["connection"]) == ("1", "close")
            assert response.headers["x-request-id"] in response.json()["instance"]
            assert service.get("/healthz").status_code == 200
        assert until(lambda: service.post(json={"text": "收U"}).status_code == 200)


def test_connections_beyond_all_room_are_closed_at_once(tiny_bundle, tmp_path):
    with running(tiny_bundle.folder, tmp_path, "--threads", 1, "--max-connections", 4) as service:
        with _held(service, 4 + room_for_refusals(4)), pytest.raises(httpx.TransportError):
            service.get("/healthz")
        assert until(lambda: _answers(service))


def _answers(service):
    try:
        return service.post(json={"text": "收U"}).status_code == 200
    except httpx.TransportError:
        return False


def test_garbage_on_the_wire_does_not_harm(service):
    for garbage in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x00" * 1_000):
        _send(service, garbage)
    assert service.get("/healthz").status_code == 200
