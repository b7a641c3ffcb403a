"""The TF-IDF of jieba's words with logistic regression."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from classifier.errors import CalibrationError, require
from classifier.evaluation.baselines.texts import plain_texts
from classifier.examples import Example, targets_of
from classifier.policy import Policy


def tfidf_baseline(train_examples: Sequence[Example], test_examples: Sequence[Example], policy: Policy, *, seed: int) -> npt.NDArray[np.float32]:
    """Probs of the TF-IDF of jieba's words with one logistic regression for each question, positives and negatives weighing alike.

    The equal weights serve the F1 at 0.5; the probs are not calibrated and too high where a question is rare. A question that all
    training texts answer alike gets that answer.

    :return: float32, *Shape:* (n_test, n_questions).
    :raises CalibrationError: when there is no training text, or no word in any.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    jieba = require("jieba", extra="train")
    jieba.setLogLevel(logging.WARNING)  # it tells stderr how it loads its words
    text_features = require("sklearn.feature_extraction.text", extra="train")
    linear_model = require("sklearn.linear_model", extra="train")
    vectoriser = text_features.TfidfVectorizer(tokenizer=jieba.lcut, token_pattern=None, sublinear_tf=True)
    try:
        train = vectoriser.fit_transform(plain_texts(train_examples))
    except ValueError as error:  # an empty vocabulary
        raise CalibrationError(f"Expected training texts with words in them, but got {len(train_examples)} texts: {error}.") from error
    test = vectoriser.transform(plain_texts(test_examples)) if test_examples else None
    targets = targets_of(train_examples, policy)
    probs = np.empty((len(test_examples), len(policy.questions)), dtype=np.float32)
    for j in range(probs.shape[1] if test_examples else 0):
        if len(np.unique(targets[:, j])) == 1:
            probs[:, j] = targets[0, j]
            continue
        model = linear_model.LogisticRegression(class_weight="balanced", max_iter=1000, random_state=seed)
        probs[:, j] = model.fit(train, targets[:, j]).predict_proba(test)[:, 1]
    return probs
