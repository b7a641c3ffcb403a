"""The JSON of the service, version 1: what a request must look like, and what an answer looks like.

The frame of a request is checked as a whole (422); what stands in ``text`` is judged text by text, so that one bad text does not spoil the rest.
Answers are built from ``to_dict`` of the decisions; the models here describe them for OpenAPI, and the tests hold both together.
"""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema, model_validator

from classifier.batching import TextItem
from classifier.examples import MAX_TEXT_CHARS
from classifier.serving.examples import ACCOUNT_REQUEST, TEXTS_ANSWER, TEXTS_REQUESTS
from classifier.serving.settings import MAX_ITEMS

SCHEMA_VERSION = "1"

_TEXT_SCHEMA = {"type": "string", "maxLength": MAX_TEXT_CHARS, "description": "The text as it stands; whatever cannot be classified gets an `error`."}
Text = Annotated[Any, WithJsonSchema(_TEXT_SCHEMA)]
Name = Annotated[str, Field(max_length=256)]
Source = Annotated[str, Field(max_length=16, description="`post` or `bio`; anything else gives the text an `error`.")]


def _examples(*examples: JsonValue) -> dict[str, JsonValue]:
    return {"examples": list(examples)}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Item(_Strict):
    """One text of a request."""

    text: Text
    source: Source = "post"
    id: Name | None = None


class ClassifyRequest(_Strict):
    """One ``text``, or up to 256 ``items``; never both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_examples(*TEXTS_REQUESTS))

    text: Text = None
    source: Source = "post"
    id: Name | None = None
    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_ITEMS)] | None = None
    evidence: bool = Field(False, description="Find the deciding spans: where something was found, its parts are encoded once more.")
    explain: bool = Field(False, description="Add each decision in words, Chinese and English.")

    @model_validator(mode="after")
    def _one_or_many(self) -> ClassifyRequest:
        given = self.model_fields_set
        if ("text" in given) is (self.items is not None):
            raise ValueError("expected either `text` or `items`")
        if self.items is not None and given & {"source", "id"}:
            raise ValueError("expected `source` and `id` inside each of the `items`")
        return self

    def text_items(self) -> list[TextItem]:
        """The texts for the batcher."""
        if self.items is None:
            return [TextItem(self.text, self.source, self.id, self.evidence)]
        return [TextItem(item.text, item.source, item.id, self.evidence) for item in self.items]


class PostIn(_Strict):
    """One post of an account."""

    text: Text
    published_at: Annotated[str, Field(max_length=64, description="ISO date or time.")] | None = None
    id: Name | None = None


class AccountRequest(_Strict):
    """An account: its bio and its dated posts."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=_examples(ACCOUNT_REQUEST))

    account_id: Name | None = None
    bio: Text = None
    posts: Annotated[list[PostIn], Field(max_length=MAX_ITEMS)] = []
    as_of: datetime.date | None = Field(None, description="The day of the decision; by default that of the newest post.")
    explain: bool = False


class CategoryOut(BaseModel):
    """A category and its calibrated probability."""

    category: str
    prob: float


class SpanOut(BaseModel):
    """A stretch ``text[start:end]`` of the original text, in characters, and its weight."""

    start: int
    end: int
    text: str
    weight: float


class PromiseOut(BaseModel):
    """What the level acted on promises."""

    level_id: str
    target_precision: float
    confidence_level: float


class ExplanationOut(BaseModel):
    """A decision in words."""

    zh: str
    en: str


class DecisionOut(BaseModel):
    """The decision about one text. With an ``error`` nothing was decided: severity 0, no probs, and a person must look."""

    id: str | None
    text_sha256: str | None
    source: str
    categories: list[CategoryOut]
    severity: int
    level: str
    action: str
    review: bool
    certified: bool
    promise: PromiseOut | None
    probs: dict[str, float]
    evidence: list[SpanOut]
    n_windows: int
    model_fingerprint: str
    policy_fingerprint: str
    ladder_fingerprint: str
    error: str | None
    stage: str = "full"
    explanation: ExplanationOut | None = None


class _Answer(BaseModel):
    schema_version: Literal["1"]
    request_id: str
    recorded: bool = Field(description="The decisions are on disk; false where no records are kept.")


class ClassifyAnswer(_Answer):
    """One decision for each text, in the order of the request."""

    model_config = ConfigDict(json_schema_extra=_examples(TEXTS_ANSWER))

    decisions: list[DecisionOut]


class RuleOut(BaseModel):
    """An account rule that counted."""

    name: str
    zh: str
    en: str


class AccountDecisionOut(BaseModel):
    """The decision about one account, with the decisions about its texts, the bio first."""

    account_id: str | None
    severity: int
    level: str
    action: str
    review: bool
    certified: bool
    prob: float
    rules: list[RuleOut]
    texts: list[str]
    n_posts: int
    n_recent: int
    n_violating: int
    as_of: str | None
    decisions: list[DecisionOut]
    policy_fingerprint: str
    explanation: ExplanationOut | None = None


class AccountAnswer(_Answer):
    """The decision about the account."""

    decision: AccountDecisionOut


class FaultOut(BaseModel):
    """One fault of a body: JSON pointer (RFC 6901) and what was expected."""

    pointer: str
    detail: str


class ProblemOut(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str | None = None
    errors: list[FaultOut] = []
