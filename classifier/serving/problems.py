"""Errors as RFC 9457 problem details: one shape for every answer that is not a decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from classifier.serving.wire import json_bytes

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS_SHOWN = 20


class ProblemError(Exception):
    """Ends a request with a problem; raised inside the service, answered by its handler."""

    def __init__(self, status: int, kind: str, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.retry_after_s = status, kind, detail, retry_after_s


def problem_response(
    status: int,
    kind: str,
    detail: str,
    *,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
) -> Response:
    """A problem as a response.

    :param kind: last part of the ``type`` URN; ``blank`` for what the status alone says.
    :param errors: for a body that does not fit the schema: pointer and detail of each fault.
    """
    content: dict[str, Any] = {
        "type": "about:blank" if kind == "blank" else f"urn:tiaowen:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if request_id is not None:
        content["instance"] = f"urn:tiaowen:request:{request_id}"
    if errors:
        content["errors"] = list(errors)
    return Response(json_bytes(content), status, media_type=MEDIA_TYPE, headers=dict(headers or {}))


async def answer_problem(request: Request, error: Exception) -> Response:
    """Answer a ``ProblemError``."""
    if not isinstance(error, ProblemError):
        raise TypeError(f"Expected a ProblemError, but got {type(error).__name__}.")
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    return problem_response(error.status, error.kind, error.detail, request_id=_id_of(request), headers=headers)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: unknown path, wrong method, a body that is no JSON."""
    if not isinstance(error, HTTPException):
        raise TypeError(f"Expected an HTTPException, but got {type(error).__name__}.")
    kind = "not-json" if error.status_code == 400 else "blank"
    detail = "Expected a body in JSON (UTF-8, not too deep), but got something else." if kind == "not-json" else str(error.detail)
    return problem_response(error.status_code, kind, detail, request_id=_id_of(request), headers=error.headers)


async def answer_invalid(request: Request, error: Exception) -> Response:
    """Answer a body that does not fit the schema. What was sent is never repeated: it may be a text."""
    if not isinstance(error, RequestValidationError):
        raise TypeError(f"Expected a RequestValidationError, but got {type(error).__name__}.")
    found = error.errors()
    request_id = _id_of(request)
    if any(item["type"] == "json_invalid" for item in found):
        return problem_response(400, "not-json", "Expected a body in JSON, but it cannot be read as such.", request_id=request_id)
    errors = [{"pointer": _pointer(item["loc"]), "detail": item["msg"]} for item in found[:MAX_ERRORS_SHOWN]]
    detail = f"Expected a body that fits the schema in /openapi.json, but found {len(found)} fault(s)."
    return problem_response(422, "invalid", detail, request_id=request_id, errors=errors)


async def answer_crash(request: Request, _: Exception) -> Response:
    """Answer a fault of ours; the log has the traceback."""
    request_id = _id_of(request)
    headers = {} if request_id is None else {"X-Request-ID": request_id}
    return problem_response(500, "internal", "The service failed; the log has the reason.", request_id=request_id, headers=headers)


def _id_of(request: Request) -> str | None:
    value = getattr(request.state, "request_id", None)
    return value if isinstance(value, str) else None


def _pointer(location: Sequence[int | str]) -> str:
    """JSON pointer (RFC 6901) of a fault, shortened: an unknown key may be as long as its sender likes."""
    parts = [str(part)[:64].replace("~", "~0").replace("/", "~1") for part in location if part != "body"]
    return "".join(f"/{part}" for part in parts)
