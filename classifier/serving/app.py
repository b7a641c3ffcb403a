"""The FastAPI application around one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from classifier.serving.examples import TEXTS_ANSWER
from classifier.serving.middleware import Access, BodyBounds, Door, RequestLog
from classifier.serving.problems import MEDIA_TYPE, ProblemError, answer_crash, answer_http_error, answer_invalid, answer_problem
from classifier.serving.routes import routes_of
from classifier.serving.schema import ProblemOut
from classifier.serving.service import Service

PROBLEM_STATUSES = {
    "/v1/classify": (400, 401, 408, 413, 422, 429, 503, 504),
    "/v1/accounts/classify": (400, 401, 408, 409, 413, 422, 429, 503, 504),
    "/v1/policy": (401, 503),
    "/v1/model": (401, 503),
    "/v1/admin/reload": (401, 403, 409, 503),
    "/readyz": (503,),
    "/metrics": (401, 503),
}
"""Problems that each path may answer with, beside 500."""


def create_app(service: Service) -> FastAPI:
    """The application. Closing it answers and records what was accepted."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.close()

    app = FastAPI(
        title="tiaowen",
        version=_version(),
        description="Decides whether Chinese posts and account bios break a platform policy, how severely, and how surely.",
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        middleware=[Middleware(layer, service) for layer in (RequestLog, Door, Access, BodyBounds)],
        exception_handlers={
            ProblemError: answer_problem,
            HTTPException: answer_http_error,
            RequestValidationError: answer_invalid,
            Exception: answer_crash,
        },
    )
    app.include_router(routes_of(service))
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # the documented way to change the schema
    return app


def _version() -> str:
    try:
        return version("tiaowen")
    except PackageNotFoundError:
        return "0"


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The schema with every problem that a path may answer, and with the key."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = schema.setdefault("components", {})
        models = components.setdefault("schemas", {})
        for name in ("HTTPValidationError", "ValidationError"):
            models.pop(name, None)
        problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
        models |= {**problem.pop("$defs"), "Problem": problem}
        models["ClassifyAnswer"]["examples"] = [TEXTS_ANSWER]  # again: the framework drops every null from examples
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                _add_problems(operation, (*PROBLEM_STATUSES.get(path, ()), 500))
        app.openapi_schema = schema
    return app.openapi_schema


def _add_problems(operation: dict[str, Any], statuses: tuple[int, ...]) -> None:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    operation["responses"].pop("422", None)
    operation["responses"] |= {str(status): {"description": "Problem details (RFC 9457)", "content": content} for status in statuses}
    if 401 in statuses:
        operation["security"] = [{"key": []}]
