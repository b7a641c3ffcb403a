"""Accounts through the batcher: their texts wait and share batches like any others, then the account rules decide."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from classifier.decisions import Decision
from classifier.decisions.accounts import AccountDecision, DecidedText, Post, account_rules, decide_account, speaks_of_evasion
from classifier.inference import Classifier
from classifier.serving.batcher import TextItem


def account_items(bio: Any, posts: Sequence[Post]) -> list[TextItem]:
    """The texts of an account for the batcher, the bio first where there is one; a post without an id is called by its place."""
    items = [TextItem(bio, "bio", "bio")] if _has_bio(bio) else []
    return items + [TextItem(post.text, "post", f"post-{number}" if post.id is None else post.id) for number, post in enumerate(posts, 1)]


def account_decision(
    classifier: Classifier, bio: Any, posts: Sequence[Post], decisions: Sequence[Decision], *, account_id: str | None, as_of: datetime.date | None
) -> AccountDecision:
    """What ``Classifier.classify_account`` decides, from the decisions about ``account_items``.

    :raises PolicyError: when the policy has no account rules.
    """
    rules = account_rules(classifier.policy)
    items = account_items(bio, posts)
    days = [None] * (len(items) - len(posts)) + [post.published_at for post in posts]
    decided = [
        DecidedText(str(item.id), decision, day, isinstance(item.text, str) and speaks_of_evasion(item.text, rules))
        for item, decision, day in zip(items, decisions, days, strict=True)
    ]
    bios, others = decided[: len(items) - len(posts)], decided[len(items) - len(posts) :]
    ladder = None if classifier.bundle.void is not None else classifier.bundle.account_ladder
    return decide_account(classifier.policy, bios[0] if bios else None, others, account_id=account_id, as_of=as_of, ladder=ladder)


def _has_bio(bio: Any) -> bool:
    return bio is not None and not (isinstance(bio, str) and not bio.strip())
