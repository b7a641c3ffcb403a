"""How far two independent readers of the same texts agree, question by question. Needs scikit-learn (extra ``train``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.errors import DataError, Problem, require
from classifier.policy import Policy

READINGS = ("first", "second", "settled")


@dataclass(frozen=True)
class Reading:
    """What one reader, or the desk that settles, said of one text: categories with the main act first, and a severity."""

    categories: tuple[str, ...]
    severity: int


@dataclass(frozen=True)
class ReadTwice:
    """One text with two independent readings and the settled one."""

    id: str
    first: Reading
    second: Reading
    settled: Reading


@dataclass(frozen=True)
class Kappa:
    """Agreement on one question: Cohen's kappa with an interval at 95%, and who alone said yes. ``kappa`` is nan where nobody or everybody did."""

    question: str
    kappa: float
    low: float
    high: float
    n_first_only: int
    n_second_only: int
    n_both: int


@dataclass(frozen=True)
class Agreement:
    """Agreement of two readers over ``n_texts``.

    ``severity_kappa`` has quadratic weights; ``confusion`` has a row for each severity of the first reader. ``n_equal`` texts got the same set of
    categories and the same severity; ``n_first_kept`` and ``n_second_kept`` of the others were settled as one reader said.
    """

    n_texts: int
    n_equal: int
    n_first_kept: int
    n_second_kept: int
    violation: Kappa
    categories: tuple[Kappa, ...]
    severity_kappa: float
    severity_low: float
    severity_high: float
    confusion: tuple[tuple[int, ...], ...]

    @property
    def words(self) -> str:
        """The result in lines to read."""
        lines = [f"{self.n_texts:,} texts read twice; {self.n_equal:,} got the same categories and severity from both readers"]
        n_other = self.n_texts - self.n_equal
        neither = n_other - self.n_first_kept - self.n_second_kept
        lines.append(
            f"of the {n_other:,} others {self.n_first_kept:,} were settled as the first reader said, {self.n_second_kept:,} as the second, "
            f"{neither:,} otherwise"
        )
        for item in (self.violation, *self.categories):
            lines.append(
                f"{item.question}: kappa {item.kappa:.3f} [{item.low:.3f}, {item.high:.3f}]; both {item.n_both:,}, "
                f"first alone {item.n_first_only:,}, second alone {item.n_second_only:,}"
            )
        lines.append(f"severity: quadratic kappa {self.severity_kappa:.3f} [{self.severity_low:.3f}, {self.severity_high:.3f}]")
        lines += [f"first said {severity}: second said 0-{len(row) - 1} for {list(row)}" for severity, row in enumerate(self.confusion)]
        return "\n".join(lines)


def agreement(texts: Sequence[ReadTwice], policy: Policy, *, seed: int, n_resamples: int = 1000) -> Agreement:
    """Cohen's kappa (1960) for each category and for *any violation*, quadratically weighted (1968) for severity.

    Intervals are percentiles of ``n_resamples`` bootstrap draws of texts.

    :raises DataError: when there is no text.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    if not texts:
        raise DataError((Problem("readings", 0, "texts", "expected at least one text that was read twice, but got none"),))
    resamples = np.random.default_rng(seed).integers(0, len(texts), (n_resamples, len(texts)))
    first, second = (_answers([getattr(text, who) for text in texts], policy) for who in ("first", "second"))
    one, two = (np.array([getattr(text, who).severity for text in texts]) for who in ("first", "second"))
    value, low, high = _kappa(one, two, resamples, n_classes=policy.max_severity + 1)
    confusion = np.zeros((policy.max_severity + 1,) * 2, dtype=np.int64)
    np.add.at(confusion, (one, two), 1)
    others = [text for text in texts if _as_set(text.first) != _as_set(text.second)]
    return Agreement(
        n_texts=len(texts),
        n_equal=len(texts) - len(others),
        n_first_kept=sum(_as_set(text.settled) == _as_set(text.first) for text in others),
        n_second_kept=sum(_as_set(text.settled) == _as_set(text.second) for text in others),
        violation=_question("any violation", one > 0, two > 0, resamples),
        categories=tuple(_question(name, first[:, j], second[:, j], resamples) for j, name in enumerate(policy.category_ids)),
        severity_kappa=value,
        severity_low=low,
        severity_high=high,
        confusion=tuple(tuple(map(int, row)) for row in confusion),
    )


def read_readings(path: Path, policy: Policy) -> tuple[ReadTwice, ...]:
    """Read a JSONL file of texts that were read twice: ``id`` and, under ``first``, ``second`` and ``settled``, ``categories`` and ``severity``.

    :raises DataError: with every line that is no such record.
    """
    problems: list[Problem] = []
    texts = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError((Problem(str(path), 0, "file", f"expected a readable JSONL file, but got: {error}"),)) from error
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            texts.append(ReadTwice(str(record["id"]), *(_reading(record[who], policy) for who in READINGS)))
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            message = f'expected {{"id", "first", "second", "settled"}} with known categories and severities, but got: {error}'
            problems.append(Problem(str(path), number, "record", message))
    if problems:
        raise DataError(tuple(problems))
    return tuple(texts)


def _reading(content: dict[str, Any], policy: Policy) -> Reading:
    reading = Reading(tuple(content["categories"]), int(content["severity"]))
    unknown = set(reading.categories) - set(policy.category_ids)
    if unknown or not 0 <= reading.severity <= policy.max_severity or bool(reading.severity) != bool(reading.categories):
        raise ValueError(f"categories {list(reading.categories)} with severity {reading.severity}")
    return reading


def _as_set(reading: Reading) -> tuple[frozenset[str], int]:
    return frozenset(reading.categories), reading.severity


def _answers(readings: Sequence[Reading], policy: Policy) -> npt.NDArray[np.bool_]:
    return np.array([[name in reading.categories for name in policy.category_ids] for reading in readings])


def _question(name: str, first: npt.NDArray[np.bool_], second: npt.NDArray[np.bool_], resamples: npt.NDArray[np.int64]) -> Kappa:
    value, low, high = _kappa(first.astype(int), second.astype(int), resamples, n_classes=2)
    return Kappa(name, value, low, high, int((first & ~second).sum()), int((second & ~first).sum()), int((first & second).sum()))


def _kappa(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], resamples: npt.NDArray[np.int64], *, n_classes: int
) -> tuple[float, float, float]:
    """Kappa with quadratic weights (with two classes they change nothing) and its percentile interval."""
    metrics = require("sklearn.metrics", extra="train")

    def value(rows: npt.NDArray[np.int64] | slice) -> float:
        one, two = first[rows], second[rows]
        if len(np.unique(one)) == 1 and len(np.unique(two)) == 1:
            return float("nan")
        return float(metrics.cohen_kappa_score(one, two, weights="quadratic", labels=list(range(n_classes))))

    draws = np.array([value(rows) for rows in resamples])
    known = draws[~np.isnan(draws)]
    low, high = np.percentile(known, [2.5, 97.5]) if known.size else (np.nan, np.nan)
    return value(slice(None)), float(low), float(high)
