"""What the service answers, held against the classifier itself and against its own schema."""

from __future__ import annotations

import datetime
import re

import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from classifier.decisions import Decision
from classifier.decisions.accounts import AccountDecision, Post
from classifier.inference import Classifier
from classifier.policy import Policy
from classifier.serving.middleware import KNOWN_PATHS

from .conftest import make_examples
from .serving_process import ADMIN, running

TEXTS = ["今天看见一只猫", "收U出U加微信群大家", "发行新币加微信", "投资日息" * 40, "收出藏品", "🅱️圈收Ｕ", "\u202e收U\x00出U"]


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


@pytest.fixture(scope="module")
def service(tiny_bundle, tmp_path_factory):
    with running(tiny_bundle.folder, tmp_path_factory.mktemp("service"), "--threads", 1) as service:
        yield service


@pytest.fixture(scope="module")
def schema(service):
    return service.get("/openapi.json").json()


def _check(schema, name, content):
    jsonschema.validate(content, {"$ref": f"#/components/schemas/{name}", "components": schema["components"]})


@pytest.mark.parametrize("evidence", [False, True])
def test_many_texts_are_decided_as_the_classifier_decides_them(service, classifier, schema, evidence):
    items = [{"text": text, "source": "bio", "id": str(i)} for i, text in enumerate(TEXTS)]
    answer = service.post(json={"items": items, "evidence": evidence}).json()
    _check(schema, "ClassifyAnswer", answer)
    expected = classifier.classify_many(TEXTS, source="bio", ids=[str(i) for i in range(len(TEXTS))], evidence=evidence)
    assert answer["decisions"] == [decision.to_dict() for decision in expected]
    assert [Decision.from_dict(item) for item in answer["decisions"]] == expected


def test_one_text_has_the_shape_of_many(service, classifier):
    answer = service.post(json={"text": TEXTS[1], "source": "bio", "explain": True}).json()
    (item,) = answer["decisions"]
    words = item.pop("explanation")
    decision = classifier.classify(TEXTS[1], source="bio", evidence=False)
    assert item == decision.to_dict()
    assert words == {"zh": decision.explain(classifier.policy).zh, "en": decision.explain(classifier.policy).en}


def test_a_bad_text_carries_its_error_and_the_rest_goes_on(service, schema):
    texts = ["收U", None, 5, "", "\u200b", ["收U"], "收" * 20_001, "今天"]
    answer = service.post(json={"items": [{"text": text} for text in texts] + [{"text": "收U", "source": "sms"}]}).json()
    _check(schema, "ClassifyAnswer", answer)
    assert [item["error"] is None for item in answer["decisions"]] == [True, *[False] * 6, True, False]


def test_half_a_surrogate_pair_goes_through_and_comes_back(service, classifier):
    body = rb'{"text": "\ud800\u6536U\u51faU\u52a0\u5fae\u4fe1\u7fa4", "evidence": true}'
    answer = service.post(content=body, headers={"content-type": "application/json"}).json()
    assert answer["decisions"] == [classifier.classify("\ud800收U出U加微信群").to_dict()]


def test_an_account_is_decided_as_the_classifier_decides_it(service, classifier, schema):
    examples = make_examples(12, seed=5)
    posts = [Post(example.text, f"2026-01-{day:02}", None) for day, example in enumerate(examples, 1)] + [Post("", None, "empty")]
    for bio in (None, "  ", "收U出U加微信群大家"):
        body = {"account_id": "a", "bio": bio, "posts": [post.__dict__ for post in posts], "as_of": "2026-02-01"}
        answer = service.post("/v1/accounts/classify", json=body).json()
        _check(schema, "AccountAnswer", answer)
        expected = classifier.classify_account(bio, posts, account_id="a", as_of=datetime.date(2026, 2, 1))
        assert AccountDecision.from_dict(answer["decision"]) == expected


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"items": []}, "/items"),
        ({"text": "a", "items": [{"text": "a"}]}, ""),
        ({"items": [{"text": "a"}], "source": "bio"}, ""),
        ({"items": [{"text": "a"}] * 257}, "/items"),
        ({"items": [{"text": "a", "colour": 1}]}, "/items/0/colour"),
        ({"text": "a", "id": 5}, "/id"),
        ([], ""),
    ],
)
def test_a_frame_that_does_not_fit_is_told_with_its_place(service, schema, body, pointer):
    response = service.post(json=body)
    _check(schema, "Problem", response.json())
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert pointer in [fault["pointer"] for fault in response.json()["errors"]]


def test_what_was_sent_is_not_repeated_in_a_problem(service):
    assert "秘密" not in service.post(json={"text": "a", "id": ["秘密"], "source": {"秘密": 1}}).text


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/v1/nothing", 404), ("GET", "/v1/classify", 405), ("POST", "/metrics", 405), ("GET", "/docs", 404)]
)
def test_unknown_paths_and_methods_are_problems(service, schema, method, path, status):
    with service.client() as client:
        response = client.request(method, path)
    _check(schema, "Problem", response.json())
    assert (response.status_code, response.json()["status"]) == (status, status)


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 5_000, b"\xff\xfe", b'{"text": "\x01"}', b"9" * 5_000])
def test_a_body_that_is_no_json_is_a_problem(service, schema, body):
    response = service.post(content=body, headers={"content-type": "application/json"})
    _check(schema, "Problem", response.json())
    assert response.status_code in (400, 422)


def test_a_request_id_is_kept_when_it_is_fit_and_made_when_not(service):
    kept = service.post(json={"text": "收U"}, headers={"X-Request-ID": "shop-17:a"})
    assert kept.headers["x-request-id"] == kept.json()["request_id"] == "shop-17:a"
    made = service.post(json={"text": "收U"}, headers={"X-Request-ID": "a b\\n{}"})
    assert re.fullmatch(r"[0-9a-f]{32}", made.headers["x-request-id"])


def test_policy_and_model_are_those_of_the_bundle(service, tiny_bundle):
    policy = service.get("/v1/policy").json()
    assert policy["fingerprint"] == Policy.from_json(str(tiny_bundle.policy.to_json())).fingerprint
    model = service.get("/v1/model").json()
    assert model["model_fingerprint"] == tiny_bundle.model_fingerprint
    assert model["ladder"] == tiny_bundle.ladder.to_dict()


def _metrics(service):
    families = text_string_to_metric_families(service.get("/metrics").text)
    return {(sample.name, *sorted(sample.labels.values())): sample.value for family in families for sample in family.samples}


def test_metrics_count_what_was_decided(service, tiny_bundle):
    before = _metrics(service)
    answer = service.post(json={"items": [{"text": text} for text in [*TEXTS, ""]]}).json()
    after = _metrics(service)

    def grown(*key):
        return after.get(key, 0) - before.get(key, 0)

    decisions = answer["decisions"]
    assert grown("classifier_texts_total", "ok", "post") == len(TEXTS)
    assert grown("classifier_texts_total", "error", "post") == 1
    assert grown("classifier_requests_total", "/v1/classify", "200", "POST") == 1
    assert grown("classifier_reviews_total") == sum(item["review"] for item in decisions)
    for level in tiny_bundle.policy.levels:
        assert grown("classifier_decisions_total", level.id) == sum(item["level"] == level.id and item["error"] is None for item in decisions)
    for category in tiny_bundle.policy.category_ids:
        assert grown("classifier_categories_total", category) == sum(c["category"] == category for item in decisions for c in item["categories"])
    assert grown("classifier_batch_texts_sum") == len(decisions)
    info = next(key for key in after if key[0] == "classifier_info")
    assert {tiny_bundle.model_fingerprint, tiny_bundle.policy.fingerprint} <= set(info)
    assert after["classifier_queue_texts",] == 0


def test_metrics_show_the_memory_of_texts_the_latency_and_the_share_of_reviews(service):
    body = {"items": [{"text": f"记住{number}收U"} for number in range(5)]}
    service.post(json=body)
    before = _metrics(service)
    decisions = service.post(json=body).json()["decisions"]
    after = _metrics(service)
    assert after["classifier_cache_hits",] - before["classifier_cache_hits",] == len(decisions)
    assert after["classifier_cache_misses",] == before["classifier_cache_misses",]
    assert after["classifier_request_seconds_count", "/v1/classify"] - before["classifier_request_seconds_count", "/v1/classify"] == 1
    assert after["classifier_review_share",] == pytest.approx(after["classifier_reviews_total",] / sum(_texts(after)))


def _texts(metrics):
    return [value for key, value in metrics.items() if key[0] == "classifier_texts_total"]


def test_every_example_of_the_schema_fits_it(schema):
    for name in ("ClassifyRequest", "AccountRequest", "ClassifyAnswer"):
        examples = schema["components"]["schemas"][name]["examples"]
        assert examples
        for example in examples:
            _check(schema, name, example)


def test_the_paths_of_the_schema_are_those_that_are_counted(schema):
    assert {*schema["paths"], "/openapi.json"} == KNOWN_PATHS


def test_every_path_says_which_problems_it_answers(schema):
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            assert "500" in operation["responses"], path
            for status, response in operation["responses"].items():
                assert (status < "400") or list(response["content"]) == ["application/problem+json"]


def test_the_log_says_what_happened_without_the_texts(service):
    service.post(json={"text": "秘密收U"}, headers={"X-Request-ID": "logged"}, key=ADMIN.secret)
    (line,) = [line for line in service.log() if line.get("request_id") == "logged"]
    assert (line["status"], line["key"], line["n_texts"]) == (200, "boss", 1)
    assert not any("秘密" in str(line) for line in service.log())
    assert ADMIN.secret not in service.log_path.read_text()
