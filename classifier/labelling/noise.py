"""Suspect labels in labelled files, and how many of planted ones would be found. Needs the extra ``train``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from classifier.bundle import load_bundle
from classifier.decisions.arrays import as_probs
from classifier.decisions.calibration import sigmoid
from classifier.errors import CalibrationError, ScoresError
from classifier.evaluation.scores import read_scores
from classifier.examples import Example, targets_of
from classifier.labelling.out_of_fold import Vectors, features_of, out_of_fold_probs
from classifier.labelling.suspects import Suspect, find_suspects, label_issues, label_quality
from classifier.policy import Policy

REVIEW_SHARE = 0.3


@dataclass(frozen=True)
class FoundKind:
    """Planted labels of one kind, such as ``benign made violating``."""

    kind: str
    n_planted: int
    n_found: int


@dataclass(frozen=True)
class PlantReport:
    """What a review of the ``n_reviewed`` most suspicious of ``n_texts`` labels would find of ``n_planted`` wrong ones.

    A review in random order would find the share ``n_reviewed / n_texts``. ``n_flagged`` labels are wrong to confident learning, of which
    ``n_flagged_planted`` are planted. Labels that were wrong before count as sound: the figures are those of what was planted alone.
    """

    n_texts: int
    n_planted: int
    n_reviewed: int
    n_found: int
    n_flagged: int
    n_flagged_planted: int
    kinds: tuple[FoundKind, ...]

    @property
    def words(self) -> str:
        """The result in lines to read."""
        share, chance = self.n_found / self.n_planted, self.n_reviewed / self.n_texts
        lines = [
            f"{self.n_planted:,} of {self.n_texts:,} labels planted; a review of the {self.n_reviewed:,} most suspicious ({chance:.0%}) finds "
            f"{self.n_found:,} of them ({share:.1%}; in random order {chance:.0%})",
            f"confident learning flags {self.n_flagged:,}, of which {self.n_flagged_planted:,} planted",
        ]
        return "\n".join([*lines, *(f"{kind.kind}: {kind.n_found:,} of {kind.n_planted:,} found" for kind in self.kinds)])


@dataclass(frozen=True)
class Planted:
    """Labels of which some were made wrong; ``wrong`` says which, *Shape:* (n_texts,)."""

    examples: tuple[Example, ...]
    wrong: npt.NDArray[np.bool_]


def plant_noise(examples: Sequence[Example], *, share: float, seed: int) -> Planted:
    """Give a share of the texts, drawn at random, the label of another text, drawn among those with other categories.

    :param share: above 0 and below 1.
    :raises CalibrationError: when all texts have the same categories.
    """
    if not 0 < share < 1:
        raise ValueError(f"Expected a share above 0 and below 1, but got {share}.")
    rng = np.random.default_rng(seed)
    keys = [frozenset(example.categories) for example in examples]
    rows = {key: np.array([i for i, other in enumerate(keys) if other != key]) for key in set(keys)}
    if len(rows) < 2:
        raise CalibrationError("Expected texts with different labels to plant wrong ones, but all have the same categories.")
    wrong = np.zeros(len(examples), dtype=np.bool_)
    wrong[rng.choice(len(examples), size=max(1, round(share * len(examples))), replace=False)] = True
    planted = list(examples)
    for i in np.flatnonzero(wrong):
        other = examples[rng.choice(rows[keys[i]])]
        planted[i] = replace(planted[i], categories=other.categories, severity=other.severity, evidence=())
    return Planted(tuple(planted), wrong)


def suspects_in(
    examples: Sequence[Example],
    policy: Policy,
    *,
    seed: int,
    review_share: float = REVIEW_SHARE,
    vectors: Vectors | None = None,
    probs: npt.ArrayLike | None = None,
) -> tuple[Suspect, ...]:
    """The most suspicious labels of a data set.

    :param review_share: how many of the texts a person will look at.
    :param vectors: an encoder to look at the texts beside the TF-IDF of their characters.
    :param probs: of a model that has not seen the texts; None to fit logistic regressions by folds, *Shape:* (n_texts, n_questions).
    """
    features = features_of(examples, vectors)
    values = out_of_fold_probs(examples, features, policy, seed=seed) if probs is None else probs
    return find_suspects(examples, values, features, policy, n_review=_n_review(examples, review_share))


def plant_report(
    examples: Sequence[Example],
    policy: Policy,
    *,
    share: float,
    seed: int,
    review_share: float = REVIEW_SHARE,
    vectors: Vectors | None = None,
    probs: npt.ArrayLike | None = None,
) -> PlantReport:
    """Plant wrong labels and count how many the same ranking finds; parameters as in ``suspects_in``."""
    planted = plant_noise(examples, share=share, seed=seed)
    given = probs
    if given is None:
        given = out_of_fold_probs(planted.examples, features_of(planted.examples, vectors), policy, seed=seed)
    targets, values = targets_of(planted.examples, policy), as_probs(given, policy)
    n_review = _n_review(examples, review_share)
    reviewed = np.zeros(len(examples), dtype=np.bool_)
    reviewed[np.argsort(label_quality(targets, values), kind="stable")[:n_review]] = True
    flagged = label_issues(targets, values)
    kinds = np.array([_kind(before, after) for before, after in zip(examples, planted.examples, strict=True)])
    return PlantReport(
        n_texts=len(examples),
        n_planted=int(planted.wrong.sum()),
        n_reviewed=n_review,
        n_found=int((reviewed & planted.wrong).sum()),
        n_flagged=int(flagged.sum()),
        n_flagged_planted=int((flagged & planted.wrong).sum()),
        kinds=tuple(
            FoundKind(kind, int(((kinds == kind) & planted.wrong).sum()), int(((kinds == kind) & planted.wrong & reviewed).sum()))
            for kind in sorted(set(kinds[planted.wrong].tolist()))
        ),
    )


def scored_probs(path: Path, bundle_folder: Path | None, examples: Sequence[Example], policy: Policy) -> npt.NDArray[np.float32]:
    """Probs out of a file of scores, calibrated where a bundle is given, in the order of the examples.

    :return: *Shape:* (n_texts, n_questions).
    :raises ScoresError: when a text has no score, or another text was scored under its id.
    """
    scores = read_scores(path, policy)
    row_of = {example.id: i for i, example in enumerate(scores.examples)}
    bad = [e.id for e in examples if e.id not in row_of or scores.examples[row_of[e.id]].text != e.text]
    if bad:
        raise ScoresError(f"{path}: expected a score for each of {len(examples)} texts, but {len(bad)} have none, such as {bad[0]!r}; score them.")
    rows = [row_of[example.id] for example in examples]
    logits = scores.logits[rows]
    if bundle_folder is not None:
        return load_bundle(bundle_folder).calibration.apply(logits, scores.n_windows[rows])
    return np.asarray(sigmoid(logits.astype(np.float64)), dtype=np.float32)


def _n_review(examples: Sequence[Example], share: float) -> int:
    if not 0 < share <= 1:
        raise ValueError(f"Expected a review share above 0 and at most 1, but got {share}.")
    return max(1, int(share * len(examples)))


def _kind(before: Example, after: Example) -> str:
    if not before.violating:
        return "benign made violating"
    return "violating made another category" if after.violating else "violating made benign"
