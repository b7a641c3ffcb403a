"""Do the shown spans carry the decision? Comprehensiveness, sufficiency, and overlap with what people marked.

DeYoung et al. 2020, *ERASER: A Benchmark to Evaluate Rationalized NLP Models*, section 5: take the spans away and the prob should fall far
(comprehensiveness); leave nothing but them and it should hardly fall (sufficiency, the smaller the better). Longer spans do both better
whatever they hold, so every figure stands beside that of random spans of the same lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Bools
from classifier.errors import CalibrationError
from classifier.evaluation.bootstrap import Estimate, estimates, plan_resamples
from classifier.evaluation.metrics import Floats, Weights, ratio, weighted_sums

Stretch = tuple[int, int]
ScoreProbs = Callable[[Sequence[str]], npt.NDArray[np.floating[Any]]]
"""Texts to the prob of one question, *Shape:* (n_texts,). It is asked for all texts in their order, once or several rounds in one call."""


@dataclass(frozen=True)
class Explained:
    """A text, the stretches shown for it, and those that people marked (none where nobody did); start and end, end exclusive."""

    text: str
    shown: tuple[Stretch, ...]
    marked: tuple[Stretch, ...] = ()


@dataclass(frozen=True)
class Faithfulness:
    """Means over the texts with intervals.

    ``comprehensiveness_gain`` and ``sufficiency_gain`` say how much better the spans are than random ones, paired: above 0 is good for both.
    ``f1`` and ``iou`` compare characters with the marked ones, in texts where there are any; ``shown_share`` is the share of the
    characters shown.
    """

    n: int
    comprehensiveness: Estimate
    sufficiency: Estimate
    random_comprehensiveness: Estimate
    random_sufficiency: Estimate
    comprehensiveness_gain: Estimate
    sufficiency_gain: Estimate
    f1: Estimate
    iou: Estimate
    shown_share: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return {name: value.to_dict() if isinstance(value, Estimate) else value for name, value in vars(self).items()}


def faithfulness(
    texts: Sequence[Explained],
    score: ScoreProbs,
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    n_random: int = 3,
    n_resamples: int = 1000,
) -> Faithfulness:
    """Judge shown spans. A text for which nothing is shown counts with a comprehensiveness of 0 and a sufficiency of all its prob.

    :param score: probs of the question that the spans explain.
    :param clusters: integers, *Shape:* (n_texts,); None when all texts are independent.
    :param n_random: how many sets of random spans to average over for each text.
    :raises CalibrationError: when there is no text.
    """
    if not texts or n_random < 1:
        raise CalibrationError(f"Expected at least one explained text and one random draw, but got {len(texts)} and {n_random}.")
    generator = np.random.default_rng(seed)
    shown = [item.shown for item in texts]
    draws = [[random_stretches(len(item.text), item.shown, generator) for item in texts] for _ in range(n_random)]
    full = np.asarray(score([item.text for item in texts]), dtype=np.float64)
    comprehensive, sufficient = _erased(texts, shown, full, score)
    by_chance = [_erased(texts, draw, full, score) for draw in draws]
    random_comprehensive, random_sufficient = (np.mean([pair[j] for pair in by_chance], axis=0) for j in (0, 1))
    columns = [
        comprehensive,
        sufficient,
        random_comprehensive,
        random_sufficient,
        comprehensive - random_comprehensive,
        random_sufficient - sufficient,
        *np.array([overlap(item) for item in texts]).T,
    ]
    values = np.column_stack(columns)
    means = _means(values, clusters, seed, n_resamples)
    return Faithfulness(len(texts), *means)


def without(text: str, stretches: Sequence[Stretch]) -> str:
    """The text with the stretches cut out.

    >>> without("今天收币", [(2, 4)])
    '今天'
    """
    kept = ~_mask(len(text), stretches)
    return "".join(character for character, is_kept in zip(text, kept, strict=True) if is_kept)


def only(text: str, stretches: Sequence[Stretch]) -> str:
    """The stretches alone, in the order of the text.

    >>> only("今天收币吗", [(2, 4)])
    '收币'
    """
    kept = _mask(len(text), stretches)
    return "".join(character for character, is_kept in zip(text, kept, strict=True) if is_kept)


def random_stretches(n_characters: int, like: Sequence[Stretch], generator: np.random.Generator) -> tuple[Stretch, ...]:
    """Stretches of the same lengths in a random order and at random places, without overlap."""
    lengths = [end - start for start, end in like]
    free = n_characters - sum(lengths)
    if free < 0:
        raise ValueError(f"Expected stretches within {n_characters} characters, but got {sum(lengths)} characters of them.")
    order = generator.permutation(len(lengths))
    gaps = np.sort(generator.integers(0, free + 1, size=len(lengths)))
    placed, taken = [], 0
    for gap, i in zip(gaps.tolist(), order.tolist(), strict=True):
        placed.append((gap + taken, gap + taken + lengths[i]))
        taken += lengths[i]
    return tuple(placed)


def overlap(item: Explained) -> tuple[float, float, float]:
    """F1 and intersection over union of the shown and the marked characters, nan where none is marked, and the share shown.

    Two of three shown are marked, and both marked are shown:

    >>> overlap(Explained("abcdef", shown=((0, 3),), marked=((1, 3),)))
    (0.8, 0.6666666666666666, 0.5)
    """
    shown, marked = _mask(len(item.text), item.shown), _mask(len(item.text), item.marked)
    both, either = int((shown & marked).sum()), int((shown | marked).sum())
    share = float(shown.mean()) if item.text else 0.0
    if not marked.any():
        return float("nan"), float("nan"), share
    return 2 * both / (int(shown.sum()) + int(marked.sum())), both / either, share


def _mask(n_characters: int, stretches: Sequence[Stretch]) -> Bools:
    mask = np.zeros(n_characters, dtype=np.bool_)
    for start, end in stretches:
        mask[start:end] = True
    return mask


def _erased(
    texts: Sequence[Explained], stretches: Sequence[Sequence[Stretch]], full: Floats, score: ScoreProbs
) -> tuple[Floats, Floats]:
    """Comprehensiveness and sufficiency of each text, *Shape:* (n_texts,) each."""
    pairs = list(zip(texts, stretches, strict=True))
    probs = np.asarray(score([without(item.text, s) for item, s in pairs] + [only(item.text, s) for item, s in pairs]), dtype=np.float64)
    nothing = np.array([not s for s in stretches])
    kept = np.where(nothing, 0.0, probs[len(pairs) :])
    return full - np.where(nothing, full, probs[: len(pairs)]), full - kept


def _means(values: Floats, clusters: npt.ArrayLike | None, seed: int, n_resamples: int) -> tuple[Estimate, ...]:
    """The mean of each column over the rows where it is known, *Length:* n_columns."""
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)

    def statistic(weights: Weights) -> Floats:
        return ratio(weighted_sums(filled, weights), weighted_sums(known, weights))

    resamples = plan_resamples(clusters, len(values), seed=seed, n_resamples=n_resamples)
    return estimates(statistic, resamples, known.sum(axis=0))
