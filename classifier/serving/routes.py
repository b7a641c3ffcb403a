"""The paths of the service."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from classifier.decisions import Decision
from classifier.decisions.accounts import AccountDecision, Post
from classifier.errors import ClassifierError
from classifier.policy import Policy
from classifier.serving.problems import ProblemError
from classifier.serving.schema import SCHEMA_VERSION, AccountAnswer, AccountRequest, ClassifyAnswer, ClassifyRequest
from classifier.serving.service import Service
from classifier.serving.wire import json_bytes

T = TypeVar("T")


def routes_of(service: Service) -> APIRouter:
    """All paths, bound to one service."""
    router = APIRouter()
    _add_decisions(router, service)
    _add_facts(router, service)
    _add_health(router, service)
    return router


def _add_decisions(router: APIRouter, service: Service) -> None:
    @router.post("/v1/classify", response_model=ClassifyAnswer, summary="Decide about one text or up to 256", tags=["decisions"])
    async def classify(body: ClassifyRequest, request: Request) -> Response:
        now, items, request_id = service.live.now, body.text_items(), request.state.request_id
        made = await _in_time(request, service, service.decide_texts(now, items, request_id=request_id))
        _note(request, service, made.decisions, [item.text for item in items], recorded=made.recorded)
        decisions = [_shown(decision, now.classifier.policy, explain=body.explain) for decision in made.decisions]
        return _answer(request_id, made.recorded, decisions=decisions)

    @router.post("/v1/accounts/classify", response_model=AccountAnswer, summary="Decide about one account", tags=["decisions"])
    async def classify_account(body: AccountRequest, request: Request) -> Response:
        now, request_id = service.live.now, request.state.request_id
        posts = [Post(post.text, post.published_at, post.id) for post in body.posts]
        deciding = service.decide_account(now, body.account_id, body.bio, posts, as_of=body.as_of, request_id=request_id)
        made = await _in_time(request, service, deciding)
        _note(request, service, made.decision.decisions, [body.bio, *(post.text for post in posts)], recorded=made.recorded)
        return _answer(request_id, made.recorded, decision=_shown(made.decision, now.classifier.policy, explain=body.explain))


def _add_facts(router: APIRouter, service: Service) -> None:
    @router.get("/v1/policy", summary="The policy in force", tags=["facts"])
    async def policy() -> dict[str, Any]:
        current = service.live.now.classifier.policy
        content: dict[str, Any] = json.loads(current.to_json())
        return {"schema_version": SCHEMA_VERSION, "fingerprint": current.fingerprint, "questions": list(current.questions), "policy": content}

    @router.get("/v1/model", summary="The bundle in force and its thresholds", tags=["facts"])
    async def model() -> dict[str, Any]:
        return {"schema_version": SCHEMA_VERSION, **service.live.describe()}

    @router.post("/v1/admin/reload", summary="Verify the bundle's folder again and put it in force", tags=["admin"])
    async def reload() -> dict[str, Any]:
        try:
            made = await service.live.reload()
        except ClassifierError as error:
            raise ProblemError(409, "bundle-refused", str(error)) from error
        made_by = {"model_fingerprint": made.model, "policy_fingerprint": made.policy, "ladder_fingerprint": made.ladder}
        return {"schema_version": SCHEMA_VERSION, **made_by}


def _add_health(router: APIRouter, service: Service) -> None:
    @router.get("/healthz", summary="The process lives", tags=["health"])
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz", summary="The service takes requests", tags=["health"])
    async def readyz() -> dict[str, str]:
        if service.draining:
            raise ProblemError(503, "stopping", "The service is stopping.", retry_after_s=5)
        return {"status": "ready"}

    @router.get("/metrics", summary="Prometheus metrics", tags=["health"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        service.metrics.show_cache(service.live.now.classifier.cache_counts)
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _in_time(request: Request, service: Service, deciding: Coroutine[Any, Any, T]) -> T:
    """The result, unless time is up or the client has gone: then what still waits of it leaves the queue."""
    limit = service.settings.limits.request_timeout_s
    work, gone = asyncio.ensure_future(deciding), asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({work, gone}, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if work.done():
            return work.result()
        if gone.done():
            raise ProblemError(408, "client-gone", "The client closed the connection before its answer was ready.")
        raise ProblemError(504, "timeout", f"Expected an answer within {limit:g} s, but there is more work than that; send fewer texts at once.")
    finally:
        work.cancel()
        gone.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _note(request: Request, service: Service, decisions: Sequence[Decision], texts: Sequence[Any], *, recorded: bool) -> None:
    """What the log says about the decisions; the texts only where the one who runs the service wants them there."""
    levels = Counter(decision.level for decision in decisions)
    told = {"n_texts": len(decisions), "n_errors": sum(decision.error is not None for decision in decisions), "levels": dict(levels)}
    told |= {"n_reviews": sum(decision.review for decision in decisions), "recorded": recorded}
    request.state.told.update(told | ({"texts": [text if isinstance(text, str) else None for text in texts]} if service.settings.log_texts else {}))


def _shown(decision: Decision | AccountDecision, policy: Policy, *, explain: bool) -> dict[str, Any]:
    content = decision.to_dict()
    if explain:
        words = decision.explain(policy)
        content["explanation"] = {"zh": words.zh, "en": words.en}
    return content


def _answer(request_id: str, recorded: bool, **content: Any) -> Response:
    head = {"schema_version": SCHEMA_VERSION, "request_id": request_id, "recorded": recorded}
    return Response(json_bytes(head | content), media_type="application/json")
