"""Requests and answers, the same for both clients."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from classifier.decisions import Decision
from classifier.decisions.accounts import AccountDecision, Post
from classifier.errors import ClassifierError, TextError
from classifier.policy import Policy

MAX_ITEMS = 256
MAX_REQUEST_CHARS = 100_000
"""Characters of one request: at four bytes each they stay well below the service's bound on a body."""


class ServiceError(ClassifierError):
    """The service refused or could not be reached; ``status`` is None then. ``problem`` is the RFC 9457 content where there is one."""

    def __init__(self, message: str, *, status: int | None = None, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.problem = status, problem or {}


def headers_of(key: str | None) -> dict[str, str]:
    """Headers of every request."""
    return {"Content-Type": "application/json"} | ({} if key is None else {"Authorization": f"Bearer {key}"})


def texts_bodies(
    texts: Sequence[str], source: str | Sequence[str], ids: Sequence[str | None] | None, *, evidence: bool
) -> Iterator[bytes]:
    """Bodies of as few requests as hold all texts, in their order.

    :raises ValueError: when there is not one source or id for each text.
    """
    if isinstance(texts, str):
        raise ValueError("Expected a list of texts, but got one text; call classify for one.")
    sources = [source] * len(texts) if isinstance(source, str) else list(source)
    names = [None] * len(texts) if ids is None else list(ids)
    if not len(texts) == len(sources) == len(names):
        raise ValueError(f"Expected one source and id for each of {len(texts)} texts, but got {len(sources)} and {len(names)}.")
    items: list[dict[str, Any]] = []
    n_chars = 0
    for text, kind, name in zip(texts, sources, names, strict=True):
        if items and (len(items) == MAX_ITEMS or n_chars + len(text) > MAX_REQUEST_CHARS):
            yield _body({"items": items, "evidence": evidence})
            items, n_chars = [], 0
        items.append({"text": text, "source": kind} | ({} if name is None else {"id": name}))
        n_chars += len(text)
    if items:
        yield _body({"items": items, "evidence": evidence})


def account_body(bio: str | None, posts: Sequence[Post], account_id: str | None, as_of: datetime.date | None) -> bytes:
    """Body of a request about an account."""
    given = [{"text": post.text, "published_at": post.published_at, "id": post.id} for post in posts]
    return _body({"account_id": account_id, "bio": bio, "posts": given, "as_of": None if as_of is None else as_of.isoformat()})


def decisions_of_answer(answer: Any) -> list[Decision]:
    """The decisions of an answer, as the type that the classifier gives."""
    return [Decision.from_dict(item) for item in answer["decisions"]]


def account_of_answer(answer: Any) -> AccountDecision:
    """The decision of an answer about an account."""
    return AccountDecision.from_dict(answer["decision"])


def policy_of_answer(answer: Any) -> Policy:
    """The policy of an answer."""
    return Policy.from_json(json.dumps(answer["policy"]), where="/v1/policy")


def one_decision(decisions: Sequence[Decision]) -> Decision:
    """The one decision.

    :raises TextError: when the text could not be classified.
    """
    if decisions[0].error is not None:
        raise TextError(decisions[0].error)
    return decisions[0]


def content_of(response: httpx.Response) -> Any:
    """The JSON of an answer.

    :raises ServiceError: when it is a problem.
    """
    content = _json(response)
    if response.is_success and isinstance(content, dict):
        return content
    problem = content if isinstance(content, dict) else {}
    detail = problem.get("detail") or response.reason_phrase
    raise ServiceError(f"The service answered {response.status_code}: {detail}", status=response.status_code, problem=problem)


def retry_after_s(response: httpx.Response) -> float | None:
    """Seconds of ``Retry-After``; None where there is none, or a date."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdecimal() else None


def _body(content: Any) -> bytes:
    # Escaped to ASCII: half a surrogate pair travels, too.
    return json.dumps(content, separators=(",", ":")).encode("ascii")


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None
