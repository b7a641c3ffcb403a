"""Around every request, as plain ASGI: its id, its line in the log, the bound on connections, its key, and the bounds of its body."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from classifier.serving.keys import ApiKey
from classifier.serving.problems import problem_response
from classifier.serving.service import Service

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
KNOWN_PATHS = OPEN_PATHS | {"/v1/classify", "/v1/accounts/classify", "/v1/policy", "/v1/model", "/v1/admin/reload", "/metrics", "/openapi.json"}
ADMIN_PREFIX = "/v1/admin/"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_log = logging.getLogger(__name__)


class RequestLog:
    """Gives a request its id, sends it back, counts the request, and writes one line about it."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"], state["told"] = request_id, {}
        started, status = time.perf_counter(), 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, elapsed_s: float) -> None:
        route = scope["path"] if scope["path"] in KNOWN_PATHS else "other"
        method = scope["method"] if scope["method"] in ("GET", "HEAD", "POST") else "other"
        self._service.metrics.requests.labels(route, method, str(status)).inc()
        self._service.metrics.request_s.labels(route).observe(elapsed_s)
        if route in OPEN_PATHS and status == 200:
            return
        told = {"route": route, "method": method, "status": status, "elapsed_ms": round(1e3 * elapsed_s, 2)}
        _log.info("request", extra=told | {"request_id": scope["state"]["request_id"]} | scope["state"]["told"])


class Door:
    """Sends away (503) what comes over a connection too many, and closes it. The health paths are answered all the same."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        most = self._service.settings.limits.max_connections
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and len(self._service.connections) > most:
            detail = f"Expected at most {most:,} open connections, but there are more; come again in 1 s, or keep fewer open."
            headers = {"Retry-After": "1", "Connection": "close"}
            refusal = problem_response(503, "too-many-connections", detail, request_id=scope["state"]["request_id"], headers=headers)
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)


class Access:
    """Lets a request in by its key: ``Authorization: Bearer …``. Only the two health paths are open."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and self._service.keys is not None:
            key = self._service.keys.find(_secret(scope))
            refusal = _refusal(key, scope)
            if refusal is not None:
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


class BodyBounds:
    """Refuses a body that is too large (413) or comes too slowly (408), before it is all in memory."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._limits = app, service.settings.limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if announced.isdecimal() and int(announced[:20]) > self._limits.max_body_bytes:
            await self._too_large(scope)(scope, receive, send)
            return
        deadline = asyncio.get_running_loop().time() + self._limits.body_timeout_s
        n_bytes, whole = 0, False

        async def receive_bounded() -> Message:
            nonlocal n_bytes, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"Expected the body within {self._limits.body_timeout_s:g} s.", {"Connection": "close"}) from None
            n_bytes += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if n_bytes > self._limits.max_body_bytes:
                raise HTTPException(413, self._detail, {"Connection": "close"})
            return message

        await self._app(scope, receive_bounded, send)

    @property
    def _detail(self) -> str:
        return f"Expected a body of at most {self._limits.max_body_bytes:,} bytes; send the texts in several requests."

    def _too_large(self, scope: Scope) -> Response:
        return problem_response(413, "blank", self._detail, request_id=scope["state"]["request_id"], headers={"Connection": "close"})


def _secret(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, secret = bytes(value).partition(b" ")
            return secret.strip() if scheme.lower() == b"bearer" else b""
    return b""


def _refusal(key: ApiKey | None, scope: Scope) -> Response | None:
    """Why this key may not do this; None when it may."""
    request_id = scope["state"]["request_id"]
    if key is None:
        detail = "Expected a valid key in `Authorization: Bearer …`; the one who runs the service makes them with: classifier serve-key"
        return problem_response(401, "blank", detail, request_id=request_id, headers={"WWW-Authenticate": "Bearer"})
    scope["state"]["told"]["key"] = key.name
    if scope["path"].startswith(ADMIN_PREFIX) and key.role != "admin":
        return problem_response(403, "blank", "Expected the key of an admin.", request_id=request_id)
    return None
