"""Starting, reloading, draining and stopping a real service."""

from __future__ import annotations

import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from classifier import Classifier

from .serving_process import ADMIN, copy_of, running, strict_variant, until, work


def test_what_was_accepted_is_answered_before_the_end(tiny_bundle, tmp_path):
    def ask(_):
        try:
            return service.post(json=work(40, 60)).status_code
        except httpx.ConnectError:
            return "not accepted"

    def n_waiting():
        return next(float(line.split()[1]) for line in service.get("/metrics").text.splitlines() if line.startswith("classifier_queue_texts "))

    options = ("--threads", 1, "--max-queue", 10**7, "--timeout", 300)
    with running(tiny_bundle.folder, tmp_path, *options) as service, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(ask, number) for number in range(4)]
        assert until(lambda: n_waiting() > 0)
        time.sleep(0.2)
        service.process.send_signal(signal.SIGTERM)
        statuses = [future.result() for future in waiting]
        service.process.wait(60)
    # A request that a starved client sent after the signal may be turned away; one that was accepted is never cut off.
    assert 200 in statuses
    assert set(statuses) <= {200, 503, "not accepted"}
    assert service.process.returncode == 0
    with pytest.raises(httpx.ConnectError):
        service.get("/healthz")


def test_while_draining_readyz_and_new_requests_answer_503(tiny_bundle, tmp_path):
    with running(tiny_bundle.folder, tmp_path, "--threads", 1, "--drain", 300) as service:
        assert service.get("/readyz", key=None).status_code == 200
        service.process.send_signal(signal.SIGTERM)
        assert until(lambda: service.get("/readyz", key=None).status_code == 503)
        response = service.post(json={"text": "收U"})
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")
        assert service.get("/healthz", key=None).status_code == 200
        service.process.send_signal(signal.SIGTERM)  # a second one goes straight to closing
        assert service.process.wait(60) == 0


def test_texts_reach_the_log_only_when_asked_for(tiny_bundle, tmp_path):
    with running(tiny_bundle.folder, tmp_path, "--threads", 1, "--log-texts") as service:
        service.post(json={"text": "收U出U"})
        assert until(lambda: any(line.get("texts") == ["收U出U"] for line in service.log()))


@pytest.fixture
def reloadable(tiny_bundle, tmp_path):
    """A service on a copy of the bundle, and a variant that may take the copy's place."""
    copy = copy_of(tiny_bundle, tmp_path / "bundle")
    variant = strict_variant(tiny_bundle, tmp_path / "variant")
    with running(copy.folder, tmp_path / "service", "--threads", 1) as service:
        yield service, copy, variant


def _replace(copy, variant):
    for path in variant.folder.iterdir():
        shutil.copyfile(path, copy.folder / path.name)


def _reviews(service):
    return [item["review"] for item in service.post(json={"items": [{"text": "今天看见一只猫"}] * 3}).json()["decisions"]]


def test_reload_swaps_to_a_good_bundle_and_refuses_a_bad_one(reloadable):
    service, copy, variant = reloadable
    before = service.get("/v1/model").json()
    weights = (copy.folder / "model.onnx").read_bytes()
    (copy.folder / "model.onnx").write_bytes(weights[:-1] + b"x")
    response = service.post("/v1/admin/reload", key=ADMIN.secret)
    assert (response.status_code, response.json()["type"]) == (409, "urn:tiaowen:problem:bundle-refused")
    assert "SHA-256" in response.json()["detail"]
    assert service.get("/v1/model").json() == before
    assert service.post(json={"text": "收U"}).status_code == 200
    _replace(copy, variant)
    assert service.post("/v1/admin/reload", key=ADMIN.secret).status_code == 200
    after = service.get("/v1/model").json()
    assert after["ladder_fingerprint"] == variant.ladder.fingerprint != before["ladder_fingerprint"]
    assert _reviews(service) == [True] * 3
    assert f'ladder="{variant.ladder.fingerprint}"' in service.get("/metrics").text


def test_sighup_reloads_under_load_and_no_answer_mixes_two_bundles(reloadable):
    service, copy, variant = reloadable
    def ask(_):
        response = service.post(json=work(40, 5))
        return response.status_code, {item["ladder_fingerprint"] for item in response.json()["decisions"]}

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(ask, range(40))
        _replace(copy, variant)
        service.process.send_signal(signal.SIGHUP)
        answers = list(answers)
    assert until(lambda: service.get("/v1/model").json()["ladder_fingerprint"] == variant.ladder.fingerprint)
    assert all(status == 200 and len(fingerprints) == 1 for status, fingerprints in answers)
    assert ask(0) == (200, {variant.ladder.fingerprint})


def test_low_latency_changes_no_decision(tiny_bundle, tmp_path):
    body = {"items": [{"text": text} for text in ("收U出U 加微信", "今天吃面", "出币 私聊")] * 3}
    expected = Classifier.load(tiny_bundle.folder, n_threads=1).classify_many([item["text"] for item in body["items"]])
    with running(tiny_bundle.folder, tmp_path, "--threads", 2, "--low-latency") as service:
        decisions = service.post(json=body).json()["decisions"]
    assert [decision["probs"] for decision in decisions] == [decision.to_dict()["probs"] for decision in expected]
