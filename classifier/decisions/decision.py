"""What was decided about one text, and why, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from classifier.decisions.ladder import Promise
from classifier.errors import DataError, Problem
from classifier.policy import Policy

MAX_SPANS_SHOWN = 3


@dataclass(frozen=True)
class CategoryScore:
    """A category and its calibrated probability."""

    category: str
    prob: float


@dataclass(frozen=True)
class Span:
    """A stretch of the ORIGINAL text that counted towards the decision, ``text[start:end]``, and how much."""

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True)
class Explanation:
    """The same short explanation in Chinese and in English."""

    zh: str
    en: str


@dataclass(frozen=True)
class Decision:
    """The decision about one text.

    ``categories`` are those at or above their threshold, highest prob first; when something is done and none reaches its threshold, the
    best one. ``promise`` is the certified promise of the level acted on, ``certified`` says whether there is one; where nothing is
    done, nothing is promised. ``review`` says that a person must look. ``probs`` holds every question. A text that could not be
    classified carries ``error``, no probs, severity 0, and goes to a person. ``stage`` says how far it went: ``full``, or ``first`` when the
    first stage of a cascade let it pass and the encoder never saw it; then there are no probs and no windows.
    """

    id: str | None
    text_sha256: str | None
    source: str
    categories: tuple[CategoryScore, ...]
    severity: int
    level: str
    action: str
    review: bool
    certified: bool
    promise: Promise | None
    probs: Mapping[str, float]
    evidence: tuple[Span, ...]
    n_windows: int
    model_fingerprint: str
    policy_fingerprint: str
    ladder_fingerprint: str
    error: str | None = None
    stage: str = "full"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content; the keys keep the order of the fields."""
        return {
            "id": self.id,
            "text_sha256": self.text_sha256,
            "source": self.source,
            "categories": [asdict(category) for category in self.categories],
            "severity": self.severity,
            "level": self.level,
            "action": self.action,
            "review": self.review,
            "certified": self.certified,
            "promise": None if self.promise is None else asdict(self.promise),
            "probs": dict(self.probs),
            "evidence": [asdict(span) for span in self.evidence],
            "n_windows": self.n_windows,
            "model_fingerprint": self.model_fingerprint,
            "policy_fingerprint": self.policy_fingerprint,
            "ladder_fingerprint": self.ladder_fingerprint,
            "error": self.error,
            "stage": self.stage,
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Decision:
        """Read what ``to_dict`` wrote, for instance out of a service's answer; keys that are no fields are left out.

        :raises DataError: when a field is missing or of the wrong kind.
        """
        try:
            given = {field.name: content[field.name] for field in fields(cls) if field.name != "stage"}
            given["stage"] = str(content.get("stage", "full"))  # decisions made before there was a first stage do not name one
            given["categories"] = tuple(CategoryScore(**item) for item in given["categories"])
            given["evidence"] = tuple(Span(**item) for item in given["evidence"])
            given["promise"] = None if given["promise"] is None else Promise(**given["promise"])
            given["probs"] = dict(given["probs"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"expected the content of a decision, but got a malformed one: {error!r}; read what `to_dict` wrote"
            raise DataError((Problem("decision", 0, "content", message),)) from error
        return cls(**given)

    def explain(self, policy: Policy) -> Explanation:
        """Say in a few sentences what was found, where, what follows, and how sure it is.

        :raises ValueError: when the decision was made under another policy.
        """
        if policy.fingerprint != self.policy_fingerprint:
            raise ValueError(f"Expected the policy of the decision ({self.policy_fingerprint}), but got {policy.fingerprint}; load that one.")
        if self.error is not None:
            return Explanation(f"无法自动判定({self.error}),须人工查看。", f"Could not be classified ({self.error}); a person must look.")
        parts = (_found(self, policy), _spans(self), _level(self, policy), _promise(self), _review(self))
        return Explanation(zh="".join(part.zh for part in parts), en=" ".join(part.en for part in parts if part.en))


_NOTHING = Explanation("", "")


def _found(decision: Decision, policy: Policy) -> Explanation:
    if decision.stage == "first":
        return Explanation("初筛放行:未见条款所列行为的迹象。", "Passed by the first stage: no sign of the policy's acts.")
    if not decision.categories:
        return Explanation("未发现条款所列行为。", "None of the policy's acts was found.")
    by_id = {category.id: category for category in policy.categories}
    zh = "、".join(f"{by_id[c.category].name_zh}(条款 {by_id[c.category].clause},概率 {c.prob:.2f})" for c in decision.categories)
    en = ", ".join(f"{by_id[c.category].name_en} (clause {by_id[c.category].clause}, probability {c.prob:.2f})" for c in decision.categories)
    return Explanation(f"涉及:{zh}。", f"Found: {en}.")


def _spans(decision: Decision) -> Explanation:
    if not decision.evidence:
        return _NOTHING
    shown = sorted(decision.evidence, key=lambda span: -span.weight)[:MAX_SPANS_SHOWN]
    return Explanation(
        f"依据:{'、'.join(f'「{span.text}」' for span in shown)}。", f"Decided by: {', '.join(f'“{span.text}”' for span in shown)}."
    )


def _level(decision: Decision, policy: Policy) -> Explanation:
    level = policy.levels[decision.severity]
    return Explanation(f"处理等级:{level.name_zh}。", f"Level: {level.name_en}.")


def _promise(decision: Decision) -> Explanation:
    promise = decision.promise
    if promise is not None:
        target, confidence = f"{promise.target_precision:.0%}", f"{promise.confidence_level:.0%}"
        return Explanation(
            f"该等级已认证:在 {confidence} 置信度下,判为此级及以上者至少 {target} 确属此级及以上。",
            f"The level is certified: with {confidence} confidence at least {target} of the texts acted on at it or above are truly that severe.",
        )
    if decision.severity > 0:
        return Explanation("该等级未经认证,不保证准确率。", "The level is not certified; no precision is promised.")
    return _NOTHING


def _review(decision: Decision) -> Explanation:
    return Explanation("须人工复核。", "A person must look.") if decision.review else _NOTHING
