"""From the decisions about a bio and dated posts to one decision about the account, by the rules of the policy's ``[accounts]`` table."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

from classifier.account_rules import AccountRules
from classifier.decisions.arrays import check_policy
from classifier.decisions.decision import Decision, Explanation
from classifier.decisions.ladder import Ladder
from classifier.errors import DataError, PolicyError, Problem
from classifier.policy import Policy
from classifier.text import normalise


@dataclass(frozen=True)
class Post:
    """One post of an account; ``published_at`` is an ISO date or time, None where it is not known."""

    text: str
    published_at: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class DecidedText:
    """A bio or a post with what was decided about it; ``evading`` says that it speaks of an earlier account (``speaks_of_evasion``)."""

    id: str
    decision: Decision
    published_at: str | None = None
    evading: bool = False

    @property
    def severity(self) -> int:
        """Of the decision."""
        return self.decision.severity

    @property
    def day(self) -> datetime.date | None:
        """The day as it is written, in its own time zone; None where it is missing or cannot be read."""
        return day_of(self.published_at)


@dataclass(frozen=True)
class RuleFired:
    """A rule that counted towards the decision, and how, in Chinese and in English."""

    name: str
    zh: str
    en: str


@dataclass(frozen=True)
class AccountDecision:
    """The decision about one account.

    ``texts`` are the ids of the texts that led to the severity: the gravest ones and those that made a rule fire. ``n_recent`` posts of
    ``n_posts`` lie in the window that ends with ``as_of``, ``n_violating`` of them break the rule. ``decisions`` holds the decision about every
    text, the bio first where there is one. ``prob`` is the highest calibrated prob of *severity >= 1* among ``texts``, 0 where nothing was found.
    ``certified`` says that the level is certified on whole accounts and ``prob`` reaches its threshold (``certify_accounts``): the promises about
    texts say nothing about accounts, so that without it a person looks whenever something was found.
    """

    account_id: str | None
    severity: int
    level: str
    action: str
    review: bool
    certified: bool
    prob: float
    rules: tuple[RuleFired, ...]
    texts: tuple[str, ...]
    n_posts: int
    n_recent: int
    n_violating: int
    as_of: str | None
    decisions: tuple[Decision, ...]
    policy_fingerprint: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; the keys keep the order of the fields."""
        return {
            **{name: getattr(self, name) for name in ("account_id", "severity", "level", "action", "review", "certified", "prob")},
            "rules": [asdict(rule) for rule in self.rules],
            "texts": list(self.texts),
            **{name: getattr(self, name) for name in ("n_posts", "n_recent", "n_violating", "as_of")},
            "decisions": [decision.to_dict() for decision in self.decisions],
            "policy_fingerprint": self.policy_fingerprint,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> AccountDecision:
        """Read what ``to_dict`` wrote; keys that are no fields are left out.

        :raises DataError: when a field is missing or of the wrong kind.
        """
        try:
            given = {field.name: content[field.name] for field in fields(cls)}
            given["rules"] = tuple(RuleFired(**rule) for rule in given["rules"])
            given["texts"] = tuple(given["texts"])
            given["decisions"] = tuple(Decision.from_dict(item) for item in given["decisions"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"expected the content of an account decision, but got a malformed one: {error!r}; read what `to_dict` wrote"
            raise DataError((Problem("account decision", 0, "content", message),)) from error
        return cls(**given)

    def explain(self, policy: Policy) -> Explanation:
        """Say in a few sentences what counted, which rules fired, what follows, and who must look.

        :raises ValueError: when the decision was made under another policy.
        """
        if policy.fingerprint != self.policy_fingerprint:
            raise ValueError(f"Expected the policy of the decision ({self.policy_fingerprint}), but got {policy.fingerprint}; load that one.")
        level = policy.levels[self.severity]
        zh = f"近期 {self.n_recent} 篇内容中有 {self.n_violating} 篇违规。{''.join(rule.zh for rule in self.rules)}账号处理等级:{level.name_zh}。"
        en = [f"{self.n_violating} of {self.n_recent} recent posts violate.", *(rule.en for rule in self.rules)]
        en.append(f"Level of the account: {level.name_en}.")
        if self.texts:
            zh += f"依据:{'、'.join(self.texts)}。"
            en.append(f"Because of: {', '.join(self.texts)}.")
        if self.review:
            zh += "须人工复核。"
            en.append("A person must look.")
        return Explanation(zh, " ".join(en))


def account_rules(policy: Policy) -> AccountRules:
    """The account rules of a policy.

    :raises PolicyError: when it has none.
    """
    if policy.accounts is None:
        raise PolicyError(f"policy `{policy.id}`: expected a table [accounts], but there is none; without it only texts can be decided about")
    return policy.accounts


def speaks_of_evasion(text: str, rules: AccountRules) -> bool:
    """Whether a text holds one of the words that speak of an earlier, sanctioned account; both sides are normalised first.

    >>> from classifier.policy import Policy
    >>> rules = account_rules(Policy.load())
    >>> speaks_of_evasion("備\u200b用号加这个", rules), speaks_of_evasion("今天看见一只猫", rules)
    (True, False)
    """
    plain = normalise(text).text
    return any(cue in plain for cue in _normalised(rules.evasion_cues))


def day_of(published_at: str | None) -> datetime.date | None:
    """The day of an ISO date or time, as it is written; None where it is missing or cannot be read.

    >>> day_of("2026-03-24T23:30:00+08:00"), day_of("yesterday")
    (datetime.date(2026, 3, 24), None)
    """
    if not isinstance(published_at, str):
        return None
    try:
        return datetime.datetime.fromisoformat(published_at).date()
    except ValueError:
        return None


def decide_account(
    policy: Policy,
    bio: DecidedText | None,
    posts: Sequence[DecidedText],
    *,
    account_id: str | None = None,
    as_of: datetime.date | None = None,
    ladder: Ladder | None = None,
) -> AccountDecision:
    """Decide about one account.

    The gravest severity among the bio and the recent posts, raised for a standing solicitation, for repetition and for evasion, lowered for a clean
    period, by the numbers of ``policy.accounts``. A post without a readable date counts as recent. Nothing is raised where nothing violates.

    :param as_of: the day of the decision, from which days are counted back; None for the day of the newest post.
    :param ladder: thresholds of ``AccountDecision.prob``, certified on whole accounts; None where there is none.
    :raises PolicyError: when the policy has no account rules.
    :raises CalibrationError: when the ladder belongs to another policy.
    """
    rules = account_rules(policy)
    as_of = max((post.day for post in posts if post.day is not None), default=None) if as_of is None else as_of
    facts = _Facts.of(bio, posts, rules, as_of)
    raising, lowering = _raising(facts, rules), _lowering(facts, rules)
    severity = _severity(facts, rules, n_raising=len(raising), lowered=bool(lowering), max_severity=policy.max_severity)
    level = policy.levels[severity]
    leading = facts.leading(rules)
    question = policy.questions[policy.severity_column(1)]
    prob = max((text.decision.probs.get(question, 0.0) for text in leading if text.severity > 0), default=0.0)
    certified = ladder is not None and _is_certified(severity, prob, ladder, policy)
    reviewing = _reviewing(facts, leading, certified=certified)
    return AccountDecision(
        account_id=account_id,
        severity=severity,
        level=level.id,
        action=level.action,
        review=bool(reviewing),
        certified=certified,
        prob=prob,
        rules=(*raising, *lowering, *reviewing),
        texts=tuple(text.id for text in leading) if facts.gravest else (),
        n_posts=len(posts),
        n_recent=len(facts.recent),
        n_violating=len(facts.violating),
        as_of=None if as_of is None else as_of.isoformat(),
        decisions=tuple(text.decision for text in (*_given(bio), *posts)),
        policy_fingerprint=policy.fingerprint,
    )


def _is_certified(severity: int, prob: float, ladder: Ladder, policy: Policy) -> bool:
    """Whether the decided level itself is certified on accounts like this one."""
    check_policy(ladder.policy_fingerprint, policy, "account ladder")
    if not severity:
        return False
    level = ladder.levels[severity - 1]
    return level.certified and level.threshold is not None and prob >= level.threshold


@dataclass(frozen=True)
class _Facts:
    """What the rules look at. ``days_clean`` counts from the last violating post to the day of the decision, None where that is not known."""

    bio: DecidedText | None
    recent: tuple[DecidedText, ...]
    violating: tuple[DecidedText, ...]
    n_undated: int
    days_clean: int | None

    @classmethod
    def of(cls, bio: DecidedText | None, posts: Sequence[DecidedText], rules: AccountRules, as_of: datetime.date | None) -> _Facts:
        recent = tuple(post for post in posts if post.day is None or as_of is None or (as_of - post.day).days <= rules.recent_days)
        violating = tuple(post for post in recent if post.severity > 0)
        days = [post.day for post in violating if post.day is not None]
        known = as_of is not None and len(days) == len(violating) > 0
        days_clean = (as_of - max(days)).days if as_of is not None and known else None
        return cls(bio, recent, violating, sum(post.day is None for post in posts), days_clean)

    @property
    def texts(self) -> tuple[DecidedText, ...]:
        return (*_given(self.bio), *self.recent)

    @property
    def gravest(self) -> int:
        return max((text.severity for text in self.texts), default=0)

    @property
    def solicits(self) -> bool:
        return self.bio is not None and self.bio.severity > 0 and bool(self.violating)

    def leading(self, rules: AccountRules) -> tuple[DecidedText, ...]:
        """The gravest texts, and those that made a raising rule fire."""
        repeated = len(self.violating) >= rules.repeat_count
        solicits = rules.standing_solicitation and self.solicits

        def leads(text: DecidedText) -> bool:
            counted = text.severity > 0 and (solicits or (repeated and text is not self.bio))
            return text.severity == self.gravest or counted or (self.gravest > 0 and text.evading)

        return tuple(text for text in self.texts if leads(text))


def _raising(facts: _Facts, rules: AccountRules) -> tuple[RuleFired, ...]:
    if not facts.gravest:
        return ()
    fired = []
    if rules.standing_solicitation and facts.solicits:
        fired.append(
            RuleFired("standing_solicitation", "简介长期招揽且有内容违规,从重。", "The bio solicits standingly and posts violate: raised.")
        )
    n = len(facts.violating)
    if n >= rules.repeat_count:
        zh = f"{rules.recent_days} 天内 {n} 篇违规(满 {rules.repeat_count} 篇),从重。"
        fired.append(RuleFired("repetition", zh, f"{n} violating posts within {rules.recent_days} days ({rules.repeat_count} suffice): raised."))
    if any(text.evading for text in facts.texts):
        zh = "提及此前账号或备用账号,疑似规避处理,从重。"
        fired.append(RuleFired("evasion", zh, "Speaks of an earlier or spare account, as if to evade a sanction: raised."))
    return tuple(fired)


def _lowering(facts: _Facts, rules: AccountRules) -> tuple[RuleFired, ...]:
    unclean_bio = facts.bio is not None and (facts.bio.severity > 0 or facts.bio.decision.error is not None)
    unread = any(post.decision.error is not None for post in facts.recent)
    if facts.days_clean is None or facts.days_clean < rules.clean_days or unclean_bio or unread:
        return ()
    zh = f"最后一次违规后已 {facts.days_clean} 天无违规且简介无违规,从轻。"
    return (RuleFired("clean_period", zh, f"{facts.days_clean} days without a violation since the last one, and a clean bio: lowered."),)


def _severity(facts: _Facts, rules: AccountRules, *, n_raising: int, lowered: bool, max_severity: int) -> int:
    raised = min(facts.gravest + min(n_raising * rules.raise_steps, rules.max_raise_steps), max_severity)
    if not lowered:
        return raised
    floor = rules.grave_floor_severity if facts.gravest >= rules.grave_severity else 0
    return max(raised - rules.lower_steps, floor)


def _reviewing(facts: _Facts, leading: Sequence[DecidedText], *, certified: bool) -> tuple[RuleFired, ...]:
    fired = []
    if any(text.decision.review for text in leading):
        fired.append(RuleFired("text_in_review", "决定性文本本身须人工复核。", "A text that decided must itself be looked at."))
    if any(text.decision.error is not None for text in facts.texts):
        fired.append(RuleFired("text_unread", "有文本无法自动判定。", "A text could not be classified."))
    if facts.gravest and facts.n_undated:
        zh = f"{facts.n_undated} 篇内容缺少可用日期,按近期计。"
        fired.append(RuleFired("missing_dates", zh, f"{facts.n_undated} post(s) have no usable date and count as recent."))
    if facts.gravest and not certified:
        zh = "账号层面的等级未经认证,不保证准确率。"
        fired.append(RuleFired("not_certified", zh, "The level is not certified for accounts; no precision is promised."))
    return tuple(fired)


def _given(bio: DecidedText | None) -> tuple[DecidedText, ...]:
    return () if bio is None else (bio,)


@lru_cache(maxsize=64)
def _normalised(cues: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(normalise(cue).text for cue in cues)
