"""Building decisions from arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Floats, as_probs, check_policy
from classifier.decisions.categories import CategoryThresholds
from classifier.decisions.decision import CategoryScore, Decision, Span
from classifier.decisions.ladder import Ladder, Promise, decide_levels
from classifier.policy import Policy


def decisions_of(
    probs: npt.ArrayLike,
    ladder: Ladder,
    policy: Policy,
    category_thresholds: CategoryThresholds,
    *,
    sources: Sequence[str],
    model_fingerprint: str,
    ids: Sequence[str | None] | None = None,
    texts: Sequence[str] | None = None,
    evidence: Sequence[tuple[Span, ...]] | None = None,
    n_windows: Sequence[int] | None = None,
) -> tuple[Decision, ...]:
    """Decide about many texts; one decision a row, in the same order.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :param sources: ``"post"`` or ``"bio"`` of each text.
    :param ids: the caller's names of the texts; None for none.
    :param texts: the original texts, of which the SHA-256 is kept; None to keep none.
    :param evidence: spans of each text; None for none.
    :param n_windows: windows that each text was cut into; None for one.
    :raises CalibrationError: when the probs are no probs, or ladder or thresholds belong to another policy.
    """
    check_policy(category_thresholds.policy_fingerprint, policy, "set of category thresholds")
    values = as_probs(probs, policy)
    for name, given in (("sources", sources), ("ids", ids), ("texts", texts), ("evidence", evidence), ("n_windows", n_windows)):
        if given is not None and len(given) != len(values):
            raise ValueError(f"Expected one of `{name}` for each of {len(values)} texts, but got {len(given)}.")
    decided = decide_levels(values, ladder, policy)
    thresholds = np.array(category_thresholds.thresholds)
    ladder_fingerprint = ladder.fingerprint
    decisions = []
    for i, row in enumerate(values):
        severity = int(decided.severity[i])
        promise = _promise_at(severity, ladder)
        decisions.append(
            Decision(
                id=None if ids is None else ids[i],
                text_sha256=None if texts is None else text_sha256(texts[i]),
                source=sources[i],
                categories=_categories(row[: policy.n_categories], thresholds, policy, severity),
                severity=severity,
                level=policy.levels[severity].id,
                action=policy.levels[severity].action,
                review=bool(decided.review[i]),
                certified=promise is not None,
                promise=promise,
                probs=dict(zip(policy.questions, row.tolist(), strict=True)),
                evidence=() if evidence is None else evidence[i],
                n_windows=1 if n_windows is None else n_windows[i],
                model_fingerprint=model_fingerprint,
                policy_fingerprint=policy.fingerprint,
                ladder_fingerprint=ladder_fingerprint,
            )
        )
    return tuple(decisions)


def failed_decision(
    error: str, ladder: Ladder, policy: Policy, *, source: str, model_fingerprint: str, id: str | None = None, text: str | None = None
) -> Decision:
    """The decision about a text that could not be classified: nothing is done, and a person must look."""
    undecided = _nothing_done(ladder, policy, source=source, model_fingerprint=model_fingerprint, id=id, text=text)
    return replace(undecided, review=True, error=error)


def passed_decision(
    ladder: Ladder, policy: Policy, *, source: str, model_fingerprint: str, id: str | None = None, text: str | None = None
) -> Decision:
    """The decision about a text that the first stage of a cascade let pass: nothing is done, and nobody looks."""
    return replace(_nothing_done(ladder, policy, source=source, model_fingerprint=model_fingerprint, id=id, text=text), stage="first")


def _nothing_done(ladder: Ladder, policy: Policy, *, source: str, model_fingerprint: str, id: str | None, text: str | None) -> Decision:
    return Decision(
        id=id,
        text_sha256=None if text is None else text_sha256(text),
        source=source,
        categories=(),
        severity=0,
        level=policy.levels[0].id,
        action=policy.levels[0].action,
        review=False,
        certified=False,
        promise=None,
        probs={},
        evidence=(),
        n_windows=0,
        model_fingerprint=model_fingerprint,
        policy_fingerprint=policy.fingerprint,
        ladder_fingerprint=ladder.fingerprint,
    )


def text_sha256(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes; half a surrogate pair, which no UTF-8 holds, is kept as it is.

    >>> text_sha256("")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()


def _promise_at(severity: int, ladder: Ladder) -> Promise | None:
    if severity == 0:
        return None
    level = ladder.levels[severity - 1]
    return Promise(level.level_id, level.target_precision, level.confidence_level) if level.certified else None


def _categories(probs: Floats, thresholds: Floats, policy: Policy, severity: int) -> tuple[CategoryScore, ...]:
    order = np.argsort(-probs, kind="stable")
    named = [int(j) for j in order if probs[j] >= thresholds[j]]
    if not named and severity > 0:
        named = [int(order[0])]
    return tuple(CategoryScore(policy.category_ids[j], float(probs[j])) for j in named)
