"""Requests drawn from the OpenAPI schema itself, right and wrong ones: no answer outside of what the schema says."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from .serving_process import ADMIN, running

schemathesis = pytest.importorskip("schemathesis")
pytestmark = pytest.mark.slow
# Not "negative data is refused": whatever stands in a `text` gets a decision, with an `error` where it is none.
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")
PATHS = ["/v1/classify", "/v1/accounts/classify", "/v1/policy", "/v1/model", "/v1/admin/reload", "/healthz", "/readyz", "/metrics"]


@pytest.fixture(scope="module")
def service(tiny_bundle, tmp_path_factory):
    with running(tiny_bundle.folder, tmp_path_factory.mktemp("schemathesis"), "--threads", 1) as service:
        yield service


@pytest.fixture(scope="module")
def operations(service):
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json", headers={"Authorization": f"Bearer {ADMIN.secret}"})
    found = [result.ok() for result in schema.get_all_operations()]
    return {operation.path: operation for operation in found}


@pytest.mark.parametrize(("path", "mode"), [(path, "POSITIVE") for path in PATHS] + [(path, "NEGATIVE") for path in PATHS[:2]])
def test_answers_are_as_the_schema_says(operations, path, mode):
    assert set(operations) == set(PATHS)
    checks = [schemathesis.checks.CHECKS.get_one(name) for name in CHECKS]

    @settings(max_examples=100 if path in PATHS[:2] else 3, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operations[path].as_strategy(generation_mode=schemathesis.GenerationMode[mode]))
    def send(case):
        response = case.call(headers={"Authorization": f"Bearer {ADMIN.secret}"})
        case.validate_response(response, checks=checks)

    send()
