"""Hundreds of malformed bodies: the service never fails with 500, and never dies."""

from __future__ import annotations

import json

import numpy as np
import pytest

from .serving_process import running

JSON_TYPE = {"content-type": "application/json"}
# As they stand in JSON: halves of surrogate pairs, NUL, bidi marks, a byte order mark, invisible and stacked characters.
NASTY = ["\\ud800", "\\udc00\\ud800", "\\u0000", "\\u202e\\u2066", "\\ufeff", "\\u200b" * 50]
NASTY += ["\\uffff", "e\\u0301" * 200, "\\ud83d\\udd25", "\\n\\t\\r", ""]
VALUES = ["null", "true", "1e999", "-0", "NaN", "Infinity", "[]", "{}", '""', "1" * 400, '"x"', "[[[[1]]]]", '{"text":{"text":1}}']
FIELDS = ["text", "items", "source", "id", "evidence", "explain", "bio", "posts", "as_of", "account_id", "__proto__", ""]
TYPES = ["text/plain", "application/xml", "multipart/form-data", "application/json; charset=utf-16", "application/x-www-form-urlencoded", ";;;", ""]
PATHS = ["/v1/classify", "/v1/accounts/classify"]


@pytest.fixture(scope="module")
def service(tiny_bundle, tmp_path_factory):
    options = ("--threads", 1, "--body-timeout", 2)
    with running(tiny_bundle.folder, tmp_path_factory.mktemp("fuzz"), *options, "--records", tmp_path_factory.mktemp("r") / "r.jsonl") as service:
        yield service


def _value(generator, depth=0):
    """JSON text, rarely what anyone would send."""
    kind = generator.integers(6 if depth < 3 else 2)
    if kind == 0:
        return VALUES[generator.integers(len(VALUES))]
    if kind == 1:
        return '"' + "".join(NASTY[generator.integers(len(NASTY))] for _ in range(generator.integers(1, 4))) + '收U"'
    if kind in (2, 3):
        return "[" + ",".join(_value(generator, depth + 1) for _ in range(generator.integers(4))) + "]"
    return "{" + ",".join(f'"{FIELDS[generator.integers(len(FIELDS))]}":{_value(generator, depth + 1)}' for _ in range(generator.integers(5))) + "}"


def _broken(generator, text):
    """The same, cut or with a byte changed, in one case out of three."""
    body = bytearray(text.encode("utf-8"))
    choice = generator.integers(6)
    if choice == 0:
        return bytes(body[: generator.integers(len(body) + 1)])
    if choice == 1 and body:
        body[generator.integers(len(body))] = generator.integers(256)
    return bytes(body)


def test_five_hundred_malformed_bodies(service):
    generator = np.random.default_rng(17)
    statuses = set()
    with service.client() as client:
        for number in range(500):
            body = _broken(generator, _value(generator))
            kind = TYPES[generator.integers(len(TYPES))] if number % 10 == 0 else "application/json"
            response = client.post(PATHS[number % 2], content=body, headers={"content-type": kind})
            statuses.add(response.status_code)
            assert response.status_code in (200, 400, 413, 422), (body, response.text)
            assert "request_id" in response.json() or response.json()["status"] == response.status_code
    assert {200, 422, 400} <= statuses
    assert service.get("/healthz").status_code == 200


NASTY_TEXTS = [*NASTY, "收" * 300_000, "a" * 20_000, "\\u202e" * 20_000, "[" * 900, "𠀀" * 3_000, "0" * 20_000]


@pytest.mark.parametrize("number", range(len(NASTY_TEXTS)))
def test_nasty_texts_get_a_decision_or_an_error(service, number):
    evidence = "true" if len(NASTY_TEXTS[number]) < 5_000 else "false"
    body = f'{{"items":[{{"text":"{NASTY_TEXTS[number]}"}},{{"text":"收U"}}],"evidence":{evidence}}}'.encode()
    response = service.post(content=body, headers=JSON_TYPE)
    assert response.status_code == 200
    assert [item["error"] is None for item in response.json()["decisions"]][1:] == [True]


@pytest.mark.parametrize("depth", [500, 20_000, 200_000])
def test_deep_json_is_refused_or_borne(service, depth):
    for body in ("[" * depth + "]" * depth, '{"text":' + "[" * depth + "]" * depth + "}", '{"a":' * depth + "1" + "}" * depth):
        assert service.post(content=body.encode(), headers=JSON_TYPE).status_code in (200, 400, 413, 422)


@pytest.mark.parametrize("header", ["Bearer", "Bearer tw_", "Basic abc", "Bearer \xff\xfe", "bearer tw_" + "x" * 5_000, ""])
def test_odd_credentials_are_refused(service, header):
    response = service.post(key=None, json={"text": "收U"}, headers={"Authorization": header.encode("latin-1")})
    assert response.status_code == 401


def test_the_records_of_it_all_can_be_read(service, tmp_path):
    service.post(content=rb'{"items":[{"text":"\ud800\u6536U"},{"text":"\u0000\u6536","id":"\u2028"},{"text":[[1]]}]}', headers=JSON_TYPE)
    path = next(option for option in service.process.args if option.endswith("r.jsonl"))
    with open(path, encoding="utf-8", newline="\n") as handle:
        records = [json.loads(line) for line in handle]
    assert len(records) > 3
    assert all("text" not in record for record in records)
