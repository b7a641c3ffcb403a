"""How the decisions about an account's texts become one decision about the account: the numbers, as the policy file states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from classifier.errors import PolicyError


@dataclass(frozen=True)
class AccountRules:
    """The ``[accounts]`` table of a policy file.

    ``recent_days``: how far back posts count. ``clean_days``: how long after the last violation a clean account is answered more mildly.
    ``repeat_count``: from how many violating posts on it is repetition. ``standing_solicitation``: whether a violating bio beside violating
    posts weighs more. ``evasion_cues``: words that speak of an earlier account. ``raise_steps`` and ``lower_steps``: levels up for each rule
    that fires, down for a clean period; ``max_raise_steps``: the most that all of them together may raise. ``grave_severity``: while a
    violation this grave is recent, no clean period lowers the account below ``grave_floor_severity``.
    """

    recent_days: int
    clean_days: int
    repeat_count: int
    standing_solicitation: bool
    evasion_cues: tuple[str, ...]
    raise_steps: int
    max_raise_steps: int
    lower_steps: int
    grave_severity: int
    grave_floor_severity: int


ACCOUNT_FIELDS = frozenset(item.name for item in fields(AccountRules))
_LEAST = {"raise_steps": 0, "max_raise_steps": 0, "lower_steps": 0}


def account_rules_of(content: Mapping[str, Any], where: str, *, max_severity: int) -> AccountRules:
    """Check and freeze an ``[accounts]`` table whose keys are those of ``ACCOUNT_FIELDS``.

    :param where: file and key, named in every error.
    :param max_severity: of the policy; no rule may speak of a graver one.
    :raises PolicyError: when a value is of the wrong kind or cannot be meant.
    """
    values = dict(content)
    numbers = sorted(set(values) - {"standing_solicitation", "evasion_cues"})
    for key in numbers:
        _check_integer(values[key], f"{where}.{key}", least=_LEAST.get(key, 1))
    if not isinstance(values["standing_solicitation"], bool):
        raise PolicyError(f"{where}.standing_solicitation: expected true or false, but got {values['standing_solicitation']!r}")
    values["evasion_cues"] = _cues(values["evasion_cues"], f"{where}.evasion_cues")
    if values["clean_days"] > values["recent_days"]:
        raise PolicyError(
            f"{where}.clean_days: expected at most recent_days, {values['recent_days']}, but got {values['clean_days']}; "
            "a violation that is no longer recent needs no clean period"
        )
    if not values["grave_floor_severity"] <= values["grave_severity"] <= max_severity:
        raise PolicyError(
            f"{where}.grave_severity: expected a severity from grave_floor_severity, {values['grave_floor_severity']}, to {max_severity}, "
            f"but got {values['grave_severity']}"
        )
    return AccountRules(**values)


def _check_integer(value: Any, where: str, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise PolicyError(f"{where}: expected an integer of at least {least}, but got {value!r}")


def _cues(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(cue, str) and cue.strip() for cue in value):
        raise PolicyError(f"{where}: expected a list of words, but got {value!r}")
    if len(set(value)) != len(value):
        raise PolicyError(f"{where}: expected every word once, but got {sorted({cue for cue in value if value.count(cue) > 1})} again")
    return tuple(value)
