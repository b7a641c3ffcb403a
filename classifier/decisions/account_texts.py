"""The texts of an account in one order, and from the decisions about them to what the account rules look at."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from classifier.decisions.accounts import AccountDecision, DecidedText, Post, account_rules, decide_account, speaks_of_evasion
from classifier.decisions.decision import Decision
from classifier.decisions.ladder import Ladder
from classifier.policy import Policy


@dataclass(frozen=True)
class AccountText:
    """One text of an account; ``text`` may be anything, the classifier says what is wrong with it."""

    text: Any
    source: str
    id: str
    published_at: str | None = None


def account_texts(bio: Any, posts: Sequence[Post]) -> tuple[AccountText, ...]:
    """The texts of an account, the bio first where there is one that is not blank; a post without an id is called by its place.

    >>> [text.id for text in account_texts("收U", [Post("今天吃面"), Post("收U", id="p2")])], account_texts("  ", [])
    (['bio', 'post-1', 'p2'], ())
    """
    has_bio = bio is not None and not (isinstance(bio, str) and not bio.strip())
    bios = (AccountText(bio, "bio", "bio"),) if has_bio else ()
    names = (f"post-{number}" if post.id is None else post.id for number, post in enumerate(posts, 1))
    return bios + tuple(AccountText(post.text, "post", name, post.published_at) for post, name in zip(posts, names, strict=True))


def account_decision(
    policy: Policy,
    texts: Sequence[AccountText],
    decisions: Sequence[Decision],
    *,
    account_id: str | None = None,
    as_of: datetime.date | None = None,
    ladder: Ladder | None = None,
) -> AccountDecision:
    """Decide about an account from one decision for each of ``account_texts``; the rest as in ``decide_account``.

    :raises PolicyError: when the policy has no account rules.
    """
    rules = account_rules(policy)
    decided = [
        DecidedText(text.id, decision, text.published_at, isinstance(text.text, str) and speaks_of_evasion(text.text, rules))
        for text, decision in zip(texts, decisions, strict=True)
    ]
    has_bio = bool(texts) and texts[0].source == "bio"
    return decide_account(policy, decided[0] if has_bio else None, decided[has_bio:], account_id=account_id, as_of=as_of, ladder=ladder)
