"""fastText on characters: averaged vectors of characters and their n-grams with one logistic output for each question.

Joulin et al. 2017, *Bag of Tricks for Efficient Text Classification*. The library is ``fasttext-community``, the maintained continuation of
Facebook's archived ``fasttext`` (the same C++ code and module name, with wheels for present Pythons and NumPy 2).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.errors import CalibrationError, require
from classifier.evaluation.baselines.texts import plain_texts
from classifier.examples import Example, targets_of
from classifier.policy import Policy

_PREFIX, _NOTHING = "__label__", "__label__none"
_SETTINGS: dict[str, Any] = {"loss": "ova", "epoch": 25, "lr": 0.5, "dim": 32, "wordNgrams": 3, "bucket": 200_000, "minCount": 1}


def ngram_baseline(train_examples: Sequence[Example], test_examples: Sequence[Example], policy: Policy, *, seed: int) -> npt.NDArray[np.float32]:
    """Probs of fastText over characters, their pairs and triples, trained by one thread: the same seed gives the same probs.

    :return: float32, *Shape:* (n_test, n_questions).
    :raises CalibrationError: when there is no training text.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    fasttext = require("fasttext", extra="train")
    if not train_examples:
        raise CalibrationError("Expected training texts, but got none.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.txt"
        path.write_text("".join(_training_lines(train_examples, policy)), encoding="utf-8")
        model = fasttext.train_supervised(str(path), thread=1, seed=seed, verbose=0, **_SETTINGS)
    probs = np.zeros((len(test_examples), len(policy.questions)), dtype=np.float32)
    for i, text in enumerate(plain_texts(test_examples)):
        for label, prob in zip(*model.predict(characters(text), k=-1), strict=True):
            if label != _NOTHING:
                probs[i, int(label.removeprefix(_PREFIX))] = min(float(prob), 1.0)  # the library gives up to 1.00001
    return probs


def characters(text: str) -> str:
    """The characters of a text set apart by spaces, as fastText takes its words.

    >>> characters("收 U")
    '收 U'
    """
    return " ".join("".join(text.split()))


def _training_lines(examples: Sequence[Example], policy: Policy) -> list[str]:
    texts, targets = plain_texts(examples), targets_of(examples, policy)
    lines = []
    for text, answers in zip(texts, targets, strict=True):
        labels = [f"{_PREFIX}{j}" for j in np.flatnonzero(answers)] or [_NOTHING]
        lines.append(f"{' '.join(labels)} {characters(text)}\n")
    return lines
