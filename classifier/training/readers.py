"""Targets softened by how far readers disagree: a text that two people read differently is no sure yes or no."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.data.agreement import Reading, ReadTwice, read_readings
from classifier.examples import Example, targets_of
from classifier.policy import Policy

_Floats = npt.NDArray[np.float32]


def softened_targets(examples: Sequence[Example], policy: Policy, path: Path) -> _Floats:
    """Targets of training texts by two readings: the mean of both where they differ, else the label smoothed by ``reader_error``.

    A text is found by its id; a rewritten copy by that of its original. The file may hold texts that readers doubted more often than it
    holds others: the error is then rather too high than too low.

    :param path: second readings, as ``classifier.data.agreement.read_readings`` reads them.
    :return: from 0 to 1, *Shape:* (n_texts, n_questions).
    :raises DataError: when the file cannot be read or holds no such record.
    """
    read = read_readings(path, policy)
    first, second = (_targets([getattr(text, who) for text in read], policy) for who in ("first", "second"))
    errors = reader_error((first != second).mean(axis=0))
    labels = targets_of(examples, policy).astype(np.float32)
    softened: _Floats = (labels * (1 - errors) + (1 - labels) * errors).astype(np.float32)
    differing = _differing(read, ((first + second) / 2).astype(np.float32), first != second)
    for i, example in enumerate(examples):
        mean = differing.get(example.id.partition("#")[0])
        if mean is not None:
            softened[i] = mean
    return softened


def reader_error(disagreement: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """How often one reader errs, where two that err alike and independently disagree this often.

    They disagree when one of them errs and the other does not, ``d = 2 e (1 - e)``, hence ``e = (1 - sqrt(1 - 2 d)) / 2``.

    :param disagreement: share of texts, up to one half (what is above counts as one half), any shape.

    >>> reader_error([0.0, 0.18, 0.5]).round(4).tolist()
    [0.0, 0.1, 0.5]
    """
    shares = np.minimum(np.asarray(disagreement, dtype=np.float64), 0.5)
    return np.asarray((1 - np.sqrt(1 - 2 * shares)) / 2)


def _targets(readings: Sequence[Reading], policy: Policy) -> _Floats:
    made = [Example("", "", "post", reading.categories, reading.severity) for reading in readings]
    return targets_of(made, policy).astype(np.float32)


def _differing(read: Sequence[ReadTwice], means: _Floats, unequal: npt.NDArray[np.bool_]) -> Mapping[str, _Floats]:
    return {text.id: means[i] for i, text in enumerate(read) if unequal[i].any()}
