"""A baseline trained and scored: the same saved scores as a bundle's, so that everything after reads either."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.encoder.base import BUILTIN
from classifier.errors import CalibrationError
from classifier.evaluation.baselines import keyword_baseline, neighbour_baseline, ngram_baseline, tfidf_baseline
from classifier.evaluation.baselines.fitting import FitPredict
from classifier.evaluation.scores import Scores, write_scores
from classifier.examples import Example, targets_of
from classifier.files import sha256_of
from classifier.policy import Policy
from classifier.records import read_examples
from classifier.training.vectors import mean_vectors

KINDS = ("keywords", "tfidf", "ngrams", "neighbours")
_EDGE = 1e-6


def fit_predict_of(kind: str, policy: Policy, *, seed: int, base: str = BUILTIN) -> FitPredict:
    """The function that trains a baseline and gives its probs.

    :param kind: one of ``KINDS``.
    :param base: encoder of the neighbours.
    """
    known: dict[str, FitPredict] = {
        "keywords": lambda train, test: keyword_baseline(test, policy),
        "tfidf": partial(tfidf_baseline, policy=policy, seed=seed),
        "ngrams": partial(ngram_baseline, policy=policy, seed=seed),
        "neighbours": _Neighbours(policy, base),
    }
    if kind not in known:
        raise ValueError(f"Expected a baseline among {', '.join(KINDS)}, but got {kind!r}.")
    return known[kind]


def baseline_scores(
    kind: str, train_paths: Sequence[Path], test_paths: Sequence[Path], out: Path, policy: Policy, *, seed: int, base: str = BUILTIN
) -> Scores:
    """Train a baseline on some files, score others, and save the scores (log odds of its probs).

    :param train_paths: not read by the keyword list, which learns nothing; needed by all others.
    :raises CalibrationError: when training texts are needed and none are given.
    :raises DataError: when a file breaks the record.
    """
    fit_predict = fit_predict_of(kind, policy, seed=seed, base=base)
    if not train_paths and kind != "keywords":
        raise CalibrationError(f"Expected training texts for the baseline {kind}, but got none; give them with --train.")
    train = read_examples(train_paths, policy) if train_paths and kind != "keywords" else ()
    test = read_examples(test_paths, policy)
    scores = Scores(
        examples=tuple(test),
        logits=log_odds(fit_predict(train, test)),
        n_windows=np.ones(len(test), dtype=np.int32),
        policy_fingerprint=policy.fingerprint,
        model_fingerprint=_fingerprint(kind, seed, base, train_paths),
        data_sha256={path.name: sha256_of(path) for path in test_paths},
    )
    write_scores(out, scores)
    return scores


def log_odds(probs: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Log odds of probs kept 1e-6 away from 0 and 1, so that all are finite.

    >>> log_odds([0.5, 1.0]).round(2).tolist()
    [0.0, 13.819999694824219]
    """
    kept = np.clip(np.asarray(probs, dtype=np.float64), _EDGE, 1 - _EDGE)
    return (np.log(kept) - np.log1p(-kept)).astype(np.float32)


class _Neighbours:
    """Runs the encoder over every text once, however often it is fitted."""

    def __init__(self, policy: Policy, base: str) -> None:
        self._policy, self._base = policy, base
        self._vectors: dict[str, npt.NDArray[np.float32]] = {}

    def __call__(self, train: Sequence[Example], test: Sequence[Example]) -> npt.NDArray[np.float32]:
        return neighbour_baseline(self._vectors_of(train), targets_of(train, self._policy), self._vectors_of(test))

    def _vectors_of(self, examples: Sequence[Example]) -> npt.NDArray[np.float32]:
        new = list(dict.fromkeys(example.text for example in examples if example.text not in self._vectors))
        if new:
            self._vectors |= dict(zip(new, mean_vectors(new, base=self._base), strict=True))
        return np.stack([self._vectors[example.text] for example in examples])


def _fingerprint(kind: str, seed: int, base: str, train_paths: Sequence[Path]) -> str:
    said = [kind, str(seed), base if kind == "neighbours" else "", *(sha256_of(path) for path in train_paths)]
    return hashlib.sha256("\n".join(said).encode("utf-8")).hexdigest()[:16]
