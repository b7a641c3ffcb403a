"""The weights of a first stage: a logistic regression on hashed n-grams of labelled and of ordinary texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from classifier.cascade import DEFAULT_BITS, MAX_GRAM, Floats, hashed_grams
from classifier.errors import CalibrationError, require

INVERSE_PENALTY = 3.0
_FLATTENING = 0.7
"""Power of a word's frequency, so that the few commonest words do not crowd out all others."""
_SHARE_OF_STOPS = 0.12


def fit_weights(texts: Sequence[str], violating: npt.ArrayLike, *, seed: int, bits: int = DEFAULT_BITS) -> tuple[Floats, float]:
    """Weights, *Shape:* (2 ** bits,), and intercept of a logistic regression on hashed n-grams, for texts of which a person knows the answer.

    :param texts: normalised.
    :param violating: bool, *Shape:* (n_texts,).
    :raises CalibrationError: when the texts are all violating, or all benign.
    """
    answers = np.asarray(violating, dtype=np.bool_)
    if answers.all() or not answers.any():
        raise CalibrationError(f"Expected violating and benign training texts, but got {answers.size} of one kind; add the other.")
    sparse = require("scipy.sparse", extra="train")
    linear_model = require("sklearn.linear_model", extra="train")
    grams = hashed_grams(texts, bits)
    rows = np.tile(np.repeat(np.arange(len(texts)), grams.n_places), MAX_GRAM)
    values = grams.scales[rows]
    features = sparse.coo_matrix((values, (rows, np.concatenate(grams.buckets))), shape=(len(texts), 1 << bits)).tocsr()
    model = linear_model.LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=1000, random_state=seed).fit(features, answers)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


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
