"""What a model suggests for each text: out of decisions that were written down, or out of saved scores and the bundle that made them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from classifier.bundle import load_bundle
from classifier.decisions import CategoryScore, Decision
from classifier.decisions.decide import decisions_of
from classifier.errors import DataError, ScoresError
from classifier.evaluation.outcomes import even_severities
from classifier.evaluation.scores import read_scores
from classifier.labelling.items import Suggestion
from classifier.labelling.raw import raw_items
from classifier.policy import Policy
from classifier.records.checking import Log, shown


def suggestions_of(decisions: Iterable[Decision], policy: Policy) -> dict[str, Suggestion]:
    """Suggestions by the id of the text.

    Left out are decisions without an id, of a text that could not be classified, and of one that never reached the encoder: there is no prob to show.
    """
    return {d.id: _suggestion(d, policy) for d in decisions if d.id is not None and d.error is None and d.probs}


def read_decisions(path: Path, policy: Policy) -> dict[str, Suggestion]:
    """The suggestions in a file of decisions, as ``classifier classify --format jsonl`` writes.

    :raises DataError: with every line that is no decision, or one under another policy.
    """
    log = Log(max_problems=100)
    decisions = []
    for place, content in raw_items(path, log):
        try:
            decision = Decision.from_dict(content)
        except DataError as error:
            place.say("decision", error.problems[0].message)
            continue
        if decision.policy_fingerprint != policy.fingerprint:
            place.say("policy_fingerprint", f"expected {policy.fingerprint}, that of {policy.id}, but got {shown(decision.policy_fingerprint)}")
        elif not decision.error and decision.probs and set(decision.probs) != set(policy.questions):
            place.say("probs", f"expected a prob for each of {', '.join(policy.questions)}, but got {', '.join(decision.probs)}")
        else:
            decisions.append(decision)
    log.raise_if_any()
    return suggestions_of(decisions, policy)


def read_scored(path: Path, bundle_folder: Path) -> dict[str, Suggestion]:
    """The suggestions of a bundle for the texts of a file of scores, as ``classifier score`` writes.

    :raises ScoresError: when the scores are damaged, or come from another encoder.
    :raises BundleError: when the bundle is.
    """
    bundle = load_bundle(bundle_folder)
    scores = read_scores(path, bundle.policy)
    if scores.model_fingerprint != bundle.encoder_fingerprint:
        raise ScoresError(
            f"{path}: expected scores of the encoder of {bundle_folder} ({bundle.encoder_fingerprint}), but got those of {scores.model_fingerprint}; "
            "score again."
        )
    decisions = decisions_of(
        bundle.calibration.apply(scores.logits, scores.n_windows),
        bundle.ladder,
        bundle.policy,
        bundle.category_thresholds,
        sources=[example.source for example in scores.examples],
        model_fingerprint=bundle.model_fingerprint,
        ids=[example.id for example in scores.examples],
    )
    return suggestions_of(decisions, bundle.policy)


def _suggestion(decision: Decision, policy: Policy) -> Suggestion:
    """The most probable answer: the severity whose prob is at least 0.5, and the categories named; where none is named, the most probable one.

    Not the decision itself: that waits for a certified threshold, which is for acting and not for a first answer that a person looks at.
    """
    probs = [decision.probs[question] for question in policy.questions]
    severity = int(even_severities(np.array([probs]), policy)[0])
    best = max(range(policy.n_categories), key=lambda j: probs[j])
    named = decision.categories or (CategoryScore(policy.category_ids[best], probs[best]),)
    least = probs[policy.severity_column(max(severity, 1))]
    return Suggestion(
        categories=named if severity else (),
        severity=severity,
        score=least if severity else 1 - least,
        model=decision.model_fingerprint,
        evidence=decision.evidence,
    )
