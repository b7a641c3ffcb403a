"""The policy: what is forbidden, by which levels it is answered, and what each level promises. Read from a TOML file.

Nothing else in the package knows a category or a level by name; the order of the questions comes from here.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import tomllib
from collections.abc import Mapping, Set
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from classifier.account_rules import ACCOUNT_FIELDS, AccountRules, account_rules_of
from classifier.errors import PolicyError

POLICIES_DIR = Path(__file__).parent / "policies"
DEFAULT_POLICY = "wechat-3-24"


@dataclass(frozen=True)
class Category:
    """One forbidden act: ``clause`` is the rule's own numbering."""

    id: str
    name_zh: str
    name_en: str
    clause: str
    definition: str


@dataclass(frozen=True)
class Level:
    """One step of the ladder.

    ``severity`` counts from 0 (nothing is done). ``target_precision`` is the least share of texts acted on at this level or above
    whose true severity is at least this one; ``confidence_level`` is how surely it must hold. Both are None at severity 0 only.
    """

    id: str
    severity: int
    name_zh: str
    name_en: str
    action: str
    target_precision: float | None = None
    confidence_level: float | None = None


@dataclass(frozen=True)
class Policy:
    """One platform's rule, frozen. ``levels`` are ordered by severity, the first is severity 0; ``accounts`` is None where it has no such rules."""

    id: str
    version: str
    date: str
    title: str
    source: str
    note: str
    categories: tuple[Category, ...]
    levels: tuple[Level, ...]
    accounts: AccountRules | None = None

    @property
    def category_ids(self) -> tuple[str, ...]:
        """Ids of the categories, in the order of their columns."""
        return tuple(category.id for category in self.categories)

    @property
    def n_categories(self) -> int:
        """Number of categories: the first columns of every array of questions."""
        return len(self.categories)

    @property
    def max_severity(self) -> int:
        """The highest severity; severities are 0..max_severity."""
        return self.levels[-1].severity

    @property
    def acting_levels(self) -> tuple[Level, ...]:
        """The levels at which something is done (severity 1 and above), ascending; one severity question each."""
        return self.levels[1:]

    @property
    def questions(self) -> tuple[str, ...]:
        """The yes/no questions in column order: the categories, then ``severity>=1`` … ``severity>=max``."""
        return self.category_ids + tuple(f"severity>={level.severity}" for level in self.acting_levels)

    def severity_column(self, severity: int) -> int:
        """Column of the question ``severity>=severity``."""
        if not 1 <= severity <= self.max_severity:
            raise ValueError(f"Expected a severity from 1 to {self.max_severity}, but got {severity}.")
        return self.n_categories + severity - 1

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of the SHA-256 of the policy's content; comments and layout of the file do not count."""
        return hashlib.sha256(self.to_json().encode("utf-8")).hexdigest()[:16]

    def to_json(self) -> str:
        """The whole content as canonical JSON (sorted keys); ``from_json`` reads it back."""
        content = asdict(self)
        if self.accounts is None:
            del content["accounts"]
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, *, where: str = "policy") -> Policy:
        """Read what ``to_json`` wrote.

        :raises PolicyError: when a key is missing, unknown, or of the wrong kind.
        """
        try:
            content = json.loads(text)
        except json.JSONDecodeError as error:
            raise PolicyError(f"{where}: expected JSON, but got: {error}") from error
        return _policy(content, where)

    @classmethod
    def load(cls, name_or_path: str | Path = DEFAULT_POLICY) -> Policy:
        """Read a policy: a shipped name (``wechat-3-24``) or the path of a TOML file.

        :raises PolicyError: when the file is missing or malformed; names file, key, expected and got.
        """
        path = Path(name_or_path)
        if path.suffix != ".toml":
            path = POLICIES_DIR / f"{name_or_path}.toml"
        if not path.is_file():
            shipped = ", ".join(sorted(p.stem for p in POLICIES_DIR.glob("*.toml")))
            raise PolicyError(f"{path}: expected a policy file, but there is none; shipped policies: {shipped}")
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise PolicyError(f"{path}: expected TOML in UTF-8, but got: {error}") from error
        return _policy(content, str(path))


def _policy(content: Mapping[str, Any], where: str) -> Policy:
    """Check and freeze the content of a policy file."""
    required = {"id", "version", "date", "title", "source", "categories", "levels"}
    fields = _fields(content, where, required=required, optional={"note", "accounts"})
    date = fields["date"]
    date = date.isoformat() if isinstance(date, datetime.date) else date
    texts = {key: _text(fields.get(key, ""), f"{where}: {key}") for key in ("id", "version", "title", "source", "note")}
    categories = tuple(_category(item, f"{where}: categories[{i}]") for i, item in enumerate(_tables(fields, "categories", where)))
    levels = tuple(_level(item, f"{where}: levels[{i}]") for i, item in enumerate(_tables(fields, "levels", where)))
    _check_unique([c.id for c in categories], f"{where}: categories")
    _check_unique([level.id for level in levels], f"{where}: levels")
    _check_levels(levels, where)
    accounts = _accounts(fields["accounts"], f"{where}: accounts", levels[-1].severity) if "accounts" in fields else None
    return Policy(**texts, date=_text(date, f"{where}: date"), categories=categories, levels=levels, accounts=accounts)


def _category(item: Any, where: str) -> Category:
    fields = _fields(item, where, required={"id", "name_zh", "name_en", "clause", "definition"})
    return Category(**{key: _text(value, f"{where}.{key}", empty=False) for key, value in fields.items()})


def _level(item: Any, where: str) -> Level:
    promises = {"target_precision", "confidence_level"}
    fields = _fields(item, where, required={"id", "severity", "name_zh", "name_en", "action"}, optional=promises)
    severity = fields.pop("severity")
    if not isinstance(severity, int) or isinstance(severity, bool) or severity < 0:
        raise PolicyError(f"{where}.severity: expected an integer of at least 0, but got {severity!r}")
    given: dict[str, float] = {key: fields.pop(key) for key in sorted(promises) if fields.get(key) is not None}
    for key, value in given.items():
        if not isinstance(value, float) or not 0 < value < 1:
            raise PolicyError(f"{where}.{key}: expected a number between 0 and 1, but got {value!r}")
    missing = sorted(promises - set(given))
    if severity > 0 and missing:
        raise PolicyError(f"{where}.{missing[0]}: expected a number between 0 and 1, but it is missing; every acting level promises something")
    if severity == 0 and given:
        raise PolicyError(f"{where}: expected no {next(iter(given))} at severity 0, where nothing is done, but got {next(iter(given.values()))!r}")
    texts = {key: _text(fields[key], f"{where}.{key}", empty=False) for key in ("id", "name_zh", "name_en", "action")}
    return Level(severity=severity, **texts, **given)  # type: ignore[arg-type]  # two mappings: mypy cannot tell their keys apart


def _accounts(item: Any, where: str, max_severity: int) -> AccountRules:
    return account_rules_of(_fields(item, where, required=ACCOUNT_FIELDS), where, max_severity=max_severity)


def _check_levels(levels: tuple[Level, ...], where: str) -> None:
    got = [level.severity for level in levels]
    if got != list(range(len(levels))) or len(levels) < 2:
        raise PolicyError(f"{where}: levels: expected the severities 0, 1, … in this order and at least two of them, but got {got}")


def _check_unique(ids: list[str], where: str) -> None:
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice or not ids:
        raise PolicyError(f"{where}: expected at least one entry and every id once, but got {twice or 'none'}")


def _tables(content: Mapping[str, Any], key: str, where: str) -> list[Any]:
    tables = content[key]
    if not isinstance(tables, list):
        raise PolicyError(f"{where}: {key}: expected a list of tables ([[{key}]]), but got {type(tables).__name__}")
    return tables


def _fields(item: Any, where: str, *, required: Set[str], optional: Set[str] = frozenset()) -> dict[str, Any]:
    if not isinstance(item, Mapping):
        raise PolicyError(f"{where}: expected a table, but got {type(item).__name__}")
    missing, unknown = sorted(required - set(item)), sorted(set(item) - required - optional)
    if missing:
        raise PolicyError(f"{where}: expected the key `{missing[0]}`, but it is missing")
    if unknown:
        raise PolicyError(f"{where}: unknown key `{unknown[0]}`; expected only {', '.join(sorted(required | optional))}")
    return dict(item)


def _text(value: Any, where: str, *, empty: bool = True) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise PolicyError(f"{where}: expected a text, but got {value!r}")
    return value
