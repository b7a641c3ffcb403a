"""Is a data set varied and hard enough to be worth training on? Each measure has a limit, and a report says which ones fall short."""

from __future__ import annotations

import logging
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.data.duplicates import exact_duplicates, near_duplicates
from classifier.data.similar import same_text, similar_texts
from classifier.errors import require
from classifier.examples import SOURCES, Example
from classifier.policy import Policy

_N_EDGE_CHARS = 5
_N_GRAM_CHARS = 4


@dataclass(frozen=True)
class StrictLimits:
    """The limits of the strict check, all inclusive.

    ``max_near_duplicates``: share of texts with a copy or near copy outside their group. ``max_common_edge``: share of texts with the most
    common opening, and ending; ``max_common_edge_texts`` of them are always allowed. ``min_distinct_grams``: distinct 4-grams over all
    4-grams. ``max_style_auc``: how well the look of a text alone may tell violating from benign. ``max_words_f1``: how well its words alone
    may tell the first category. Both are judged over ``n_folds`` folds that never divide a group.
    """

    max_near_duplicates: float = 0.01
    max_common_edge: float = 0.005
    max_common_edge_texts: int = 5
    min_distinct_grams: float = 0.55
    max_style_auc: float = 0.70
    max_words_f1: float = 0.85
    n_folds: int = 5


@dataclass(frozen=True)
class Measure:
    """One measure: what it is, its value (None where the data do not allow it), whether it holds, and why in words."""

    name: str
    value: float | None
    holds: bool
    words: str


@dataclass(frozen=True)
class StrictReport:
    """All measures and the limits by which they were judged."""

    measures: tuple[Measure, ...]
    limits: StrictLimits

    @property
    def holds(self) -> bool:
        """Whether no measure falls short."""
        return all(measure.holds for measure in self.measures)


def strict_check(examples: Sequence[Example], policy: Policy, *, seed: int, limits: StrictLimits | None = None) -> StrictReport:
    """Measure variety and hardness.

    :param seed: decides the folds.
    :raises ValueError: when there are no examples.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    if not examples:
        raise ValueError("Expected at least one example, but got none.")
    limits = limits or StrictLimits()
    measures = [
        _near_duplicates(examples, limits),
        _common_edge("most common opening", [example.text.lstrip()[:_N_EDGE_CHARS] for example in examples], limits),
        _common_edge("most common ending", [_ending(example.text) for example in examples], limits),
        _distinct_grams(examples, limits),
        *(_style_auc(examples, source, seed, limits) for source in SOURCES),
        _words_f1(examples, policy, seed, limits),
    ]
    return StrictReport(tuple(measures), limits)


def style_features(text: str) -> list[float]:
    """How a text looks, whatever it says: length, lines, and the shares of kinds of characters.

    >>> style_features("AB12")[2:]
    [0.5, 0.5, 0.0, 0.0, 0.0, 0.0, 0.0]
    """
    kinds = Counter(map(unicodedata.category, text))
    shares = [
        kinds["Nd"],
        sum(char.isascii() and char.isalpha() for char in text),
        sum(count for kind, count in kinds.items() if kind[0] == "P"),
        sum(count for kind, count in kinds.items() if kind[0] == "S"),
        kinds["Zs"],
        sum(char in "!?！？~～" for char in text),
        sum("\uff00" <= char <= "\uffef" for char in text),
    ]
    size = max(len(text), 1)
    return [float(np.log(size)), float(np.log1p(text.count("\n"))), *(share / size for share in shares)]


def _near_duplicates(examples: Sequence[Example], limits: StrictLimits) -> Measure:
    similar = similar_texts([example.text for example in examples])
    outside = {*exact_duplicates(examples, similar).outside, *near_duplicates(examples, similar).outside}
    return _at_most("near duplicates outside a group", len(outside) / len(examples), limits.max_near_duplicates, f"{len(outside)} texts")


def _common_edge(name: str, edges: Sequence[str], limits: StrictLimits) -> Measure:
    edge, n_texts = Counter(edges).most_common(1)[0]
    limit = max(limits.max_common_edge, limits.max_common_edge_texts / len(edges))
    return _at_most(name, n_texts / len(edges), limit, f"{edge!r} in {n_texts} texts")


def _ending(text: str) -> str:
    """The last characters before closing punctuation, symbols and white space."""
    end = len(text)
    while end and unicodedata.category(text[end - 1])[0] in "PSZC":
        end -= 1
    return text[max(end - _N_EDGE_CHARS, 0) : end] or text[-_N_EDGE_CHARS:]


def _distinct_grams(examples: Sequence[Example], limits: StrictLimits) -> Measure:
    texts = [same_text(example.text) for example in examples]
    grams = [text[i : i + _N_GRAM_CHARS] for text in texts for i in range(len(text) - _N_GRAM_CHARS + 1)]
    if not grams:
        return _not_measured("distinct 4-grams", "no text has four characters")
    value, limit = len(set(grams)) / len(grams), limits.min_distinct_grams
    return Measure("distinct 4-grams", value, value >= limit, f"expected at least {limit}; {len(set(grams))} of {len(grams)}")


def _style_auc(examples: Sequence[Example], source: str, seed: int, limits: StrictLimits) -> Measure:
    name = f"AUC of style alone ({source})"
    chosen = [example for example in examples if example.source == source]
    answers = np.array([example.violating for example in chosen])
    if (reason := _too_few(answers.tolist(), chosen, limits.n_folds)) is not None:
        return _not_measured(name, reason)
    pipeline, scaler = require("sklearn.pipeline", extra="train"), require("sklearn.preprocessing", extra="train").StandardScaler()
    model = pipeline.make_pipeline(scaler, require("sklearn.linear_model", extra="train").LogisticRegression(max_iter=1000))
    features = np.array([style_features(example.text) for example in chosen])
    probs = _out_of_fold(model, features, answers, chosen, seed, limits.n_folds, "predict_proba")[:, 1]
    value = float(require("sklearn.metrics", extra="train").roc_auc_score(answers, probs))
    return _at_most(name, value, limits.max_style_auc, f"{len(chosen)} texts")


def _words_f1(examples: Sequence[Example], policy: Policy, seed: int, limits: StrictLimits) -> Measure:
    name = "macro-F1 of words alone"
    column = {category: j for j, category in enumerate(policy.category_ids, 1)}
    answers = np.array([column[example.categories[0]] if example.categories else 0 for example in examples])
    if (reason := _too_few(answers.tolist(), examples, limits.n_folds)) is not None:
        return _not_measured(name, reason)
    words = require("sklearn.feature_extraction.text", extra="train").TfidfVectorizer(analyzer=str.split, sublinear_tf=True)
    logistic = require("sklearn.linear_model", extra="train").LogisticRegression(C=10, max_iter=1000, class_weight="balanced")
    model = require("sklearn.pipeline", extra="train").make_pipeline(words, logistic)
    guesses = _out_of_fold(model, np.array(_spaced(examples), dtype=object), answers, examples, seed, limits.n_folds, "predict")
    # Only the categories that occur: one that never does would score 0 and make the data look harder than they are.
    value = require("sklearn.metrics", extra="train").f1_score(answers, guesses, average="macro", labels=sorted(set(answers)), zero_division=0)
    return _at_most(name, float(value), limits.max_words_f1, f"jieba, TF-IDF and logistic regression on {len(examples)} texts")


def _spaced(examples: Sequence[Example]) -> list[str]:
    """The texts with a space between words, so that they are cut once and not once a fold."""
    jieba = require("jieba", extra="train")
    jieba.setLogLevel(logging.WARNING)  # it announces the loading of its dictionary on stderr
    return [" ".join(jieba.cut(example.text)) for example in examples]


def _out_of_fold(
    model: Any, inputs: npt.NDArray[Any], answers: npt.NDArray[Any], examples: Sequence[Example], seed: int, n_folds: int, method: str
) -> npt.NDArray[Any]:
    """Predict every text by a model that saw neither it nor its group."""
    selection = require("sklearn.model_selection", extra="train")
    folds = selection.StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    predicted: npt.NDArray[Any] = selection.cross_val_predict(model, inputs, answers, groups=_groups(examples), cv=folds, method=method)
    return predicted


def _groups(examples: Sequence[Example]) -> list[str]:
    return [f"group {example.group}" if example.group else f"text {example.id}" for example in examples]


def _too_few(answers: Sequence[int], examples: Sequence[Example], n_folds: int) -> str | None:
    """Why folds cannot be made, if they cannot: every fold must be able to hold every answer."""
    if len(set(answers)) < 2:
        return f"expected two labels or more among {len(answers)} texts"
    groups: dict[int, set[str]] = {answer: set() for answer in answers}
    for answer, group in zip(answers, _groups(examples), strict=True):
        groups[answer].add(group)
    fewest = min(map(len, groups.values()))
    return None if fewest >= n_folds else f"expected every label in {n_folds} groups or more, but one is in {fewest}"


def _at_most(name: str, value: float, limit: float, words: str) -> Measure:
    return Measure(name, value, limit >= value, f"expected at most {limit:.4g}; {words}")


def _not_measured(name: str, reason: str) -> Measure:
    return Measure(name, None, True, f"not measured: {reason}")
