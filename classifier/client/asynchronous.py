"""The client for asyncio."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from typing import Any

import httpx

from classifier.client.retrying import Retry
from classifier.client.wire import (
    ServiceError,
    account_body,
    account_of_answer,
    content_of,
    decisions_of_answer,
    headers_of,
    one_decision,
    policy_of_answer,
    retry_after_s,
    texts_bodies,
)
from classifier.decisions import Decision
from classifier.decisions.accounts import AccountDecision, Post
from classifier.policy import Policy

DEFAULT_RETRY = Retry()


class AsyncClient:
    """Asks one service; keeps its connections, the tasks of one event loop may share it. Deciding changes nothing: a request may be sent again."""

    def __init__(self, url: str, *, key: str | None = None, timeout_s: float = 40.0, retry: Retry = DEFAULT_RETRY) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=headers_of(key), timeout=timeout_s)
        self._delays = retry.delays()

    async def classify(self, text: str, *, source: str = "post", evidence: bool = True) -> Decision:
        """Decide about one text, as ``Classifier.classify`` does.

        :raises TextError: when the text cannot be classified.
        :raises ServiceError: when the service refuses or cannot be reached.
        """
        return one_decision(await self.classify_many([text], source=source, evidence=evidence))

    async def classify_many(
        self, texts: Sequence[str], *, source: str | Sequence[str] = "post", ids: Sequence[str | None] | None = None, evidence: bool = False
    ) -> list[Decision]:
        """Decide about any number of texts, in their order; a text that cannot be classified gets a decision with ``error``.

        :raises ServiceError: when the service refuses or cannot be reached.
        """
        decisions: list[Decision] = []
        for body in texts_bodies(texts, source, ids, evidence=evidence):
            decisions.extend(decisions_of_answer(await self._send("POST", "/v1/classify", body)))
        return decisions

    async def classify_account(
        self, bio: str | None, posts: Sequence[Post], *, account_id: str | None = None, as_of: datetime.date | None = None
    ) -> AccountDecision:
        """Decide about an account, as ``Classifier.classify_account`` does.

        :raises ServiceError: when the service refuses or cannot be reached.
        """
        return account_of_answer(await self._send("POST", "/v1/accounts/classify", account_body(bio, posts, account_id, as_of)))

    async def policy(self) -> Policy:
        """The policy in force, which ``Decision.explain`` takes."""
        return policy_of_answer(await self._send("GET", "/v1/policy"))

    async def model(self) -> dict[str, Any]:
        """Fingerprints and thresholds of the bundle in force."""
        answer: dict[str, Any] = await self._send("GET", "/v1/model")
        return answer

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, method: str, path: str, body: bytes | None = None) -> Any:
        attempt = 0
        while True:
            response, failure = None, None
            try:
                response = await self._http.request(method, path, content=body)
            except httpx.TransportError as error:
                failure = error
            status = None if response is None else response.status_code
            after = None if response is None else retry_after_s(response)
            delay = self._delays.next_s(attempt, status=status, retry_after_s=after)
            if response is not None and (response.is_success or delay is None):
                return content_of(response)
            if delay is None:
                raise ServiceError(f"Expected an answer of the service, but got: {failure!r}; is it running?") from failure
            attempt += 1
            await asyncio.sleep(delay)
