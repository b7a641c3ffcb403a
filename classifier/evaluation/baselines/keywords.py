"""A keyword list: no training, what a platform begins with."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.errors import CalibrationError
from classifier.evaluation.baselines.texts import plain_texts
from classifier.examples import Example
from classifier.policy import Policy

_FILE = Path(__file__).parent / "keywords.toml"
_SURE, _AMBIGUOUS = 1.0, 0.5
SOLICITING = "soliciting"


@dataclass(frozen=True)
class Keywords:
    """The weight of each word: 1, or 0.5 where it has an ordinary meaning too."""

    weights: Mapping[str, float]
    pattern: re.Pattern[str]

    def total(self, text: str) -> float:
        """Sum of the weights of the different words found in a text; Latin letters in either case."""
        return sum(self.weights[word] for word in {match.group().upper() for match in self.pattern.finditer(text)})


def keyword_baseline(examples: Sequence[Example], policy: Policy) -> npt.NDArray[np.float32]:
    """Probs of a keyword list. They order texts by what was found, and are not calibrated.

    With a total weight ``n`` of the words of a category its prob is ``n / (n + 1)``: 0.5 at one sure word or two ambiguous ones. A severity
    question of step ``k`` has ``n / (n + k)`` of the words of the best category, words of soliciting added where there is any.

    :return: float32, *Shape:* (n_texts, n_questions).
    :raises CalibrationError: when the policy has a category that the list does not know.
    """
    lists = keyword_lists()
    unknown = sorted(set(policy.category_ids) - set(lists))
    if unknown:
        raise CalibrationError(f"Expected a policy of the categories {', '.join(sorted(set(lists) - {SOLICITING}))}, but got {unknown[0]!r} too.")
    texts = plain_texts(examples)
    totals = np.array([[lists[category].total(text) for category in policy.category_ids] for text in texts]).reshape(len(texts), policy.n_categories)
    soliciting = np.array([lists[SOLICITING].total(text) for text in texts])
    best = totals.max(axis=1, initial=0.0)
    best = np.where(best > 0, best + soliciting, 0.0)
    steps = np.arange(1, policy.max_severity + 1)
    return np.hstack([totals / (totals + 1), best[:, None] / (best[:, None] + steps)]).astype(np.float32)


@lru_cache(maxsize=1)
def keyword_lists() -> Mapping[str, Keywords]:
    """The words of each category, and those of soliciting."""
    content = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {name: _keywords(lists) for name, lists in content.items()}


def _keywords(lists: Mapping[str, str]) -> Keywords:
    weights = {word.upper(): _AMBIGUOUS for word in lists["ambiguous"].split()} | {word.upper(): _SURE for word in lists["sure"].split()}
    longest_first = sorted(weights, key=lambda word: (-len(word), word))
    return Keywords(weights, re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE))
