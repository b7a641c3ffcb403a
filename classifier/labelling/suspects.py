"""Labels that look wrong, the most suspicious first, each with its reasons. Needs the extra ``train``.

The score of a label is the prob that a model which has not seen the text gives to the least probable of its answers: cleanlab's self-confidence
(Northcutt, Jiang and Chuang 2021, *Confident Learning*) with the minimum over the questions (Thyagarajan et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.data import clusters_of
from classifier.decisions.arrays import as_probs
from classifier.errors import require
from classifier.evaluation.outcomes import EVEN, even_severities
from classifier.examples import Example, Targets, targets_of
from classifier.labelling.items import Answer
from classifier.labelling.out_of_fold import Features
from classifier.policy import Policy

_CHUNK = 256
"""How many texts are held against all others at once."""


@dataclass(frozen=True)
class Nearest:
    """The most similar text of another group whose label is the suggested one; ``similarity`` is the cosine."""

    id: str
    text: str
    similarity: float


@dataclass(frozen=True)
class Suspect:
    """One label that looks wrong.

    ``question`` is the one that speaks most against it and ``margin`` how much more probable its other answer is (-1 to 1); ``quality`` is the prob
    of the given answer there. ``flagged`` says whether confident learning counts the label among the wrong ones. ``nearest`` is None where no other
    text has the suggested label.
    """

    rank: int
    example: Example
    suggested: Answer
    question: str
    quality: float
    margin: float
    flagged: bool
    nearest: Nearest | None


def label_quality(targets: Targets, probs: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Prob of the least probable answer of each label, by cleanlab.

    :param targets: 0/1 as labelled, *Shape:* (n_texts, n_questions); ``probs`` likewise.
    :return: *Shape:* (n_texts,), low where the label looks wrong.
    :raises MissingExtraError: when the extra ``train`` is not installed.
    """
    rank = require("cleanlab.multilabel_classification.rank", extra="train")
    labels = [np.flatnonzero(row).tolist() for row in targets]
    values = np.asarray(probs, dtype=np.float64)
    scores = rank.get_label_quality_scores(labels, values, method="self_confidence", aggregator_kwargs={"method": np.min})
    return np.asarray(scores, dtype=np.float64)


def label_issues(targets: Targets, probs: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which labels confident learning counts among the wrong ones, *Shape:* (n_texts,); questions that all answer alike are left out."""
    cleanlab = require("cleanlab.filter", extra="train")
    values = np.asarray(probs, dtype=np.float64)
    flagged = np.zeros(len(targets), dtype=np.bool_)
    for j in range(targets.shape[1]):
        if len(np.unique(targets[:, j])) == 2:
            two = np.column_stack([1 - values[:, j], values[:, j]])
            flagged |= cleanlab.find_label_issues(targets[:, j].astype(np.int64), two, n_jobs=1)
    return flagged


def find_suspects(examples: Sequence[Example], probs: npt.ArrayLike, features: Features, policy: Policy, *, n_review: int) -> tuple[Suspect, ...]:
    """The ``n_review`` most suspicious labels.

    :param probs: of a model that has not seen the texts, *Shape:* (n_texts, n_questions).
    :param features: by which the nearest text is found, *Shape:* (n_texts, n_features).
    """
    targets = targets_of(examples, policy)
    values = as_probs(probs, policy)
    agreement = np.where(targets == 1, values, 1 - values)
    quality, flagged = label_quality(targets, values), label_issues(targets, values)
    suggested = suggested_answers(values, policy)
    chosen = np.argsort(quality, kind="stable")[:n_review]
    nearest = _nearest(chosen, suggested, examples, features)
    suspects = []
    for rank, i in enumerate(chosen, 1):
        worst = int(agreement[i].argmin())
        suspects.append(
            Suspect(
                rank=rank,
                example=examples[i],
                suggested=suggested[i],
                question=policy.questions[worst],
                quality=float(quality[i]),
                margin=float(1 - 2 * agreement[i, worst]),
                flagged=bool(flagged[i]),
                nearest=nearest[rank - 1],
            )
        )
    return tuple(suspects)


def suggested_answers(probs: npt.NDArray[np.float64], policy: Policy) -> tuple[Answer, ...]:
    """The most probable label of each text: its severity, and where that is above 0 the categories of at least 0.5, or the best one.

    :param probs: as ``as_probs`` gives them, *Shape:* (n_texts, n_questions).
    """
    answers = []
    for row, severity in zip(probs[:, : policy.n_categories], even_severities(probs, policy), strict=True):
        order = np.argsort(-row, kind="stable")
        named = [j for j in order if row[j] >= EVEN] or [order[0]]
        categories = tuple(policy.category_ids[j] for j in named) if severity else ()
        answers.append(Answer("model", categories, int(severity)))
    return tuple(answers)


def _nearest(
    chosen: npt.NDArray[np.int64], suggested: Sequence[Answer], examples: Sequence[Example], features: Features
) -> list[Nearest | None]:
    """For each chosen text the most similar one of another cluster whose categories are those suggested."""
    clusters = clusters_of(examples)
    keys = [frozenset(example.categories) for example in examples]
    labelled = {key: np.array([other == key for other in keys]) for key in set(keys)}
    nobody = np.zeros(len(examples), dtype=np.bool_)
    found: list[Nearest | None] = []
    for start in range(0, len(chosen), _CHUNK):
        rows = chosen[start : start + _CHUNK]
        product = features[rows] @ features.T
        similarity = np.asarray(product.toarray() if hasattr(product, "toarray") else product)
        for i, row in zip(rows, similarity, strict=True):
            same = labelled.get(frozenset(suggested[i].categories), nobody) & (clusters != clusters[i])
            best = int(np.where(same, row, -np.inf).argmax())
            found.append(Nearest(examples[best].id, examples[best].text, float(row[best])) if same[best] else None)
    return found
