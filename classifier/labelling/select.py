"""The next texts to label out of files of unlabelled ones. Needs the extra ``train``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.bundle import load_bundle
from classifier.decisions import Decision
from classifier.errors import CalibrationError, DataError, Problem
from classifier.examples import Example, targets_of
from classifier.files import write_text_atomic
from classifier.labelling.choose import choose, even_thresholds, reduced, thresholds_of, uncertainty, unlike
from classifier.labelling.items import Item
from classifier.labelling.out_of_fold import character_features, fitted_probs
from classifier.labelling.raw import raw_items
from classifier.policy import Policy
from classifier.records.checking import Log, dumps


@dataclass(frozen=True)
class Chosen:
    """One text to label: how near its probs come to a threshold (1: on it), and of which question."""

    rank: int
    item: Item
    uncertainty: float
    question: str


def select_by_training(items: Sequence[Item], train: Sequence[Example], policy: Policy, *, budget: int, seed: int) -> tuple[Chosen, ...]:
    """Choose by the probs of a TF-IDF model of characters, trained on the labelled texts there are; all thresholds are 0.5.

    :raises CalibrationError: when there is nothing to train on, or nothing to choose from.
    """
    if not train:
        raise CalibrationError("Expected labelled texts to train on, but got none; give some, or the decisions of a bundle.")
    fresh = _fresh(items, [example.text for example in train])
    features = character_features([*train, *map(_as_example, fresh)])
    n_train = len(train)
    probs = fitted_probs(features[:n_train], targets_of(train, policy), features[n_train:], seed=seed)
    return _chosen(fresh, probs, even_thresholds(policy), reduced(features[n_train:], seed=seed), policy, budget)


def select_by_decisions(
    items: Sequence[Item], decisions: Path, bundle_folder: Path, policy: Policy, *, budget: int, seed: int, known: Sequence[Example] = ()
) -> tuple[Chosen, ...]:
    """Choose by the decisions of a bundle (``classifier classify --format jsonl``) at the bundle's own thresholds.

    :param known: labelled texts, which are not chosen again.
    :raises DataError: when a text has no decision, or a decision is malformed or another model's.
    """
    bundle = load_bundle(bundle_folder)
    fresh = _fresh(items, [example.text for example in known])
    probs = _probs_of(fresh, decisions, bundle.model_fingerprint, policy)
    vectors = reduced(character_features([_as_example(item) for item in fresh]), seed=seed)
    return _chosen(fresh, probs, thresholds_of(bundle), vectors, policy, budget)


def write_chosen(path: Path, chosen: Sequence[Chosen]) -> None:
    """Write the records of the chosen texts as JSON Lines, each with ``selection_rank``, ``selection_uncertainty`` and ``selection_question``."""
    lines = [
        dumps({**text.item.record, **_selection(text)}) for text in chosen
    ]
    write_text_atomic(path, "".join(f"{line}\n" for line in lines))


def _selection(text: Chosen) -> Mapping[str, Any]:
    return {"selection_rank": text.rank, "selection_uncertainty": round(text.uncertainty, 4), "selection_question": text.question}


def _fresh(items: Sequence[Item], known: Sequence[str]) -> list[Item]:
    unlabelled = [item for item in items if not item.answers]
    keep = unlike([item.text for item in unlabelled], known)
    fresh = [item for item, kept in zip(unlabelled, keep, strict=True) if kept]
    if len(fresh) < 2:
        raise CalibrationError(
            f"Expected at least two unlabelled texts that are not known yet, but of {len(items)} texts {len(items) - len(unlabelled)} are labelled "
            f"and {len(unlabelled) - len(fresh)} known or copies; give other texts."
        )
    return fresh


def _as_example(item: Item) -> Example:
    return Example(item.id, item.text, "bio" if item.record.get("source") == "bio" else "post", (), None)


def _probs_of(items: Sequence[Item], path: Path, model_fingerprint: str, policy: Policy) -> npt.NDArray[np.float64]:
    """Probs by the id of the text; a text that the first stage of a cascade passed, or that failed, has none and is not to be chosen."""
    log = Log(max_problems=100)
    decisions: dict[str | None, Decision] = {}
    for place, content in raw_items(path, log):
        try:
            decision = Decision.from_dict(content)
        except DataError as error:
            place.say("decision", error.problems[0].message)
            continue
        if decision.model_fingerprint != model_fingerprint:
            place.say("model_fingerprint", f"expected {model_fingerprint}, that of the bundle, but got {decision.model_fingerprint}")
        decisions[decision.id] = decision
    log.raise_if_any()
    missing = [item for item in items if item.id not in decisions]
    if missing:
        message = f"expected a decision about each text, but {len(missing)} of {len(items)} have none, such as {missing[0].id!r}"
        raise DataError((Problem(str(path), 0, "id", message),))
    sure = dict.fromkeys(policy.questions, 0.0)
    return np.array([[(decisions[item.id].probs or sure)[question] for question in policy.questions] for item in items])


def _chosen(
    items: Sequence[Item], probs: npt.ArrayLike, thresholds: npt.ArrayLike, vectors: npt.ArrayLike, policy: Policy, budget: int
) -> tuple[Chosen, ...]:
    found = uncertainty(probs, thresholds, policy)
    return tuple(
        Chosen(rank, items[i], float(found.values[i]), policy.questions[found.questions[i]])
        for rank, i in enumerate(choose(found.values, vectors, budget), 1)
    )
