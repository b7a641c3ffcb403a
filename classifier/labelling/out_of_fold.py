"""Probs of every text from a model that has not seen it, nor anything that hangs together with it. Needs the extra ``train``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.data import clusters_of
from classifier.errors import CalibrationError, require
from classifier.evaluation.baselines.texts import plain_texts
from classifier.examples import Example, targets_of
from classifier.policy import Policy

N_FOLDS = 5
Features = Any
"""A matrix with a row of length 1 for each text, dense or sparse, *Shape:* (n_texts, n_features)."""
Vectors = Callable[[Sequence[str]], npt.NDArray[np.float32]]
"""Texts to vectors of length 1, *Shape:* (n_texts, width)."""


def character_features(examples: Sequence[Example]) -> Features:
    """TF-IDF of characters, pairs and triples that occur in at least two texts; no label is looked at.

    :raises CalibrationError: when nothing occurs twice.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    features = require("sklearn.feature_extraction.text", extra="train")
    try:
        return features.TfidfVectorizer(analyzer="char", ngram_range=(1, 3), sublinear_tf=True, min_df=2).fit_transform(plain_texts(examples))
    except ValueError as error:
        raise CalibrationError(f"Expected texts with characters in common, but got {len(examples)} texts: {error}.") from error


def features_of(examples: Sequence[Example], vectors: Vectors | None) -> Features:
    """The TF-IDF of characters, beside it the vectors of an encoder where there is one; both parts weigh alike."""
    characters = character_features(examples)
    if vectors is None:
        return characters
    both = require("scipy.sparse", extra="train").hstack([characters, vectors([example.text for example in examples])])
    return (both / np.sqrt(2)).tocsr()


def folds_of(clusters: npt.ArrayLike, n_folds: int, *, seed: int) -> npt.NDArray[np.int64]:
    """The fold of every text, whole clusters only: the largest first, each to the fold that is smallest so far.

    :param clusters: integers, *Shape:* (n_texts,).
    :raises CalibrationError: when there are fewer clusters than folds.

    >>> folds_of([0, 0, 0, 1, 2, 3], 2, seed=0)[:3].tolist(), np.bincount(folds_of([0, 0, 0, 1, 2, 3], 2, seed=0)).tolist()
    ([0, 0, 0], [3, 3])
    """
    names, numbers, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    if len(names) < n_folds:
        raise CalibrationError(f"Expected at least {n_folds} groups of texts that do not hang together, but got {len(names)}; give more texts.")
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = np.empty(len(names), dtype=np.int64)
    filled = np.zeros(n_folds, dtype=np.int64)
    for cluster in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[cluster] = int(filled.argmin())
        filled[fold_of[cluster]] += sizes[cluster]
    return np.asarray(fold_of[numbers], dtype=np.int64)


def out_of_fold_probs(
    examples: Sequence[Example], features: Features, policy: Policy, *, seed: int, n_folds: int = N_FOLDS
) -> npt.NDArray[np.float64]:
    """Probs of logistic regression (positives and negatives weighing alike), by folds that divide no group, account or near duplicates.

    A question that all training texts of a fold answer alike gets that answer.

    :return: *Shape:* (n_texts, n_questions).
    """
    folds = folds_of(clusters_of(examples), n_folds, seed=seed)
    targets = targets_of(examples, policy)
    probs = np.empty(targets.shape)
    for fold in range(n_folds):
        probs[folds == fold] = fitted_probs(features[folds != fold], targets[folds != fold], features[folds == fold], seed=seed)
    return probs


def fitted_probs(train: Features, targets: npt.NDArray[np.int8], test: Features, *, seed: int) -> npt.NDArray[np.float64]:
    """Probs of one logistic regression for each question; a question that all answer alike gets that answer.

    :param targets: 0/1, *Shape:* (n_train, n_questions).
    :return: *Shape:* (n_test, n_questions).
    """
    models = require("sklearn.linear_model", extra="train")
    probs = np.empty((test.shape[0], targets.shape[1]))
    for j in range(targets.shape[1]):
        if len(np.unique(targets[:, j])) == 1:
            probs[:, j] = targets[0, j]
            continue
        model = models.LogisticRegression(class_weight="balanced", solver="liblinear", random_state=seed)
        probs[:, j] = model.fit(train, targets[:, j]).predict_proba(test)[:, 1]
    return probs
