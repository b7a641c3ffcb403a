"""The weights of a first stage: a logistic regression on hashed n-grams, its recipe chosen by cross-validation on training texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from classifier.cascade import DEFAULT_BITS, MAX_GRAM, Floats, hashed_grams, linear_scores
from classifier.errors import CalibrationError, require

N_FOLDS = 3
_FLATTENING = 0.7
"""Power of a word's frequency, so that the few commonest words do not crowd out all others."""
_SHARE_OF_STOPS = 0.12


@dataclass(frozen=True)
class Recipe:
    """How a first stage is fitted: the inverse of the penalty, whether n-grams are weighed by the logarithm of their rarity (the weight of each
    bucket takes that in, so that scoring costs the same), whether both answers count the same in sum or each text does, and whether benign texts
    that the whole bundle flags or reviews are learnt as texts that must go on, too.
    """

    inverse_penalty: float = 3.0
    rarity: bool = False
    balanced: bool = True
    with_found: bool = False


RECIPES = (Recipe(), Recipe(with_found=True), Recipe(0.3), Recipe(rarity=True), Recipe(balanced=False))


@dataclass(frozen=True)
class RecipeResult:
    """Share of the benign training texts that a recipe lets pass where it loses no more than the promise, cross-validated."""

    recipe: Recipe
    benign_passed: float


def choose_recipe(
    texts: Sequence[str],
    violating: npt.ArrayLike,
    found: npt.ArrayLike,
    *,
    judged: npt.ArrayLike,
    folds: npt.NDArray[np.int64],
    max_loss_rate: float,
    seed: int,
    recipes: Sequence[Recipe] = RECIPES,
    bits: int = DEFAULT_BITS,
) -> tuple[RecipeResult, ...]:
    """Cross-validate recipes on training texts alone, the best first; of equals the earlier.

    :param texts: normalised.
    :param violating: bool, *Shape:* (n_texts,).
    :param found: texts that the whole bundle flags or reviews, bool, *Shape:* (n_texts,); those that violate must not be lost.
    :param judged: texts that count in the result, bool, *Shape:* (n_texts,).
    :param folds: of each text, -1 for texts that are always learnt from, *Shape:* (n_texts,).
    """
    bad, seen, counted = (np.asarray(values, dtype=np.bool_) for values in (violating, found, judged))
    counted = counted & (folds >= 0)
    results = []
    for recipe in recipes:
        wanted = bad | seen if recipe.with_found else bad
        scores = np.full(len(texts), np.nan)
        for fold in range(int(folds.max()) + 1):
            out, rest = np.flatnonzero(folds == fold).tolist(), np.flatnonzero(folds != fold).tolist()
            weights, intercept = fit_weights([texts[i] for i in rest], wanted[rest], seed=seed, bits=bits, recipe=recipe)
            scores[out] = linear_scores([texts[i] for i in out], weights) + intercept
        lost = np.sort(scores[counted & bad & seen])
        threshold = lost[int(max_loss_rate * lost.size)] if lost.size else np.inf
        results.append(RecipeResult(recipe, float((scores[counted & ~bad] < threshold).mean())))
    return tuple(sorted(results, key=lambda result: -result.benign_passed))


def fit_weights(
    texts: Sequence[str], answers: npt.ArrayLike, *, seed: int, bits: int = DEFAULT_BITS, recipe: Recipe = RECIPES[0]
) -> tuple[Floats, float]:
    """Weights, *Shape:* (2 ** bits,), and intercept of a logistic regression on hashed n-grams.

    :param texts: normalised.
    :param answers: whether each text must go on, bool, *Shape:* (n_texts,).
    :raises CalibrationError: when the texts are all of one kind.
    """
    wanted = np.asarray(answers, dtype=np.bool_)
    if wanted.all() or not wanted.any():
        raise CalibrationError(f"Expected violating and benign training texts, but got {wanted.size} of one kind; add the other.")
    sparse = require("scipy.sparse", extra="train")
    linear_model = require("sklearn.linear_model", extra="train")
    grams = hashed_grams(texts, bits)
    rows = np.tile(np.repeat(np.arange(len(texts)), grams.n_places), MAX_GRAM)
    values = grams.scales[rows]
    features = sparse.coo_matrix((values, (rows, np.concatenate(grams.buckets))), shape=(len(texts), 1 << bits)).tocsr()
    rarity = np.ones(1 << bits)
    if recipe.rarity:
        n_with = np.bincount(features.indices, minlength=1 << bits)
        rarity = np.log((1 + len(texts)) / (1 + n_with)) + 1  # as scikit-learn smooths it
        rarity /= rarity.mean()
        features = features.multiply(rarity).tocsr()
    weighing = "balanced" if recipe.balanced else None
    model = linear_model.LogisticRegression(C=recipe.inverse_penalty, class_weight=weighing, max_iter=1000, random_state=seed)
    model.fit(features, wanted)
    return (model.coef_[0] * rarity).astype(np.float32), float(model.intercept_[0])


def ordinary_texts(lengths: Sequence[int], n: int, *, seed: int) -> list[str]:
    """Benign texts strewn from the words of a general dictionary, that of jieba: what most texts are made of, and labelled sets about a rule lack.

    :param lengths: of which those of the texts are drawn, in characters.
    """
    words, shares = _dictionary()
    generator = np.random.default_rng(seed)
    wanted = np.maximum(generator.choice(np.asarray(lengths, dtype=np.int64), size=n), 2)
    ends = np.cumsum(wanted // 2)
    drawn = generator.choice(len(words), size=int(ends[-1]), p=shares).tolist()
    stops = (generator.random(len(drawn)) < _SHARE_OF_STOPS).tolist()
    strewn = [words[i] + "，" * stop for i, stop in zip(drawn, stops, strict=True)]
    return ["".join(strewn[end - length // 2 : end])[:length] for end, length in zip(ends.tolist(), wanted.tolist(), strict=True)]


@cache
def _dictionary() -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """Words, and the share that each has of the words of ordinary texts."""
    with require("jieba", extra="train").get_dict_file() as handle:
        entries = [line.decode("utf-8").split(" ") for line in handle]
    weights = np.array([float(entry[1]) for entry in entries]) ** _FLATTENING
    return tuple(entry[0] for entry in entries), weights / weights.sum()
