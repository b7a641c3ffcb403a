"""How much of what a model finds is left when texts are rewritten as evaders rewrite them, and how many benign texts suffer for it.

The same rewritings go over violating and benign texts. The room runs no encoder: it is given a function that turns texts into probs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.attacks import Technique, rewrite_example
from classifier.decisions.arrays import Bools, as_probs, check_policy
from classifier.decisions.ladder import Ladder, decide_levels
from classifier.errors import CalibrationError
from classifier.evaluation.attack_results import AttackEffect, AttackReport, AttackResult, MeanEffect
from classifier.evaluation.bootstrap import Estimate, Resamples, estimates, exact_shares, plan_resamples, share_estimates
from classifier.evaluation.differences import holm, p_values
from classifier.evaluation.metrics import Floats, Weights, ratio, weighted_sums
from classifier.evaluation.outcomes import EVEN
from classifier.examples import Example
from classifier.policy import Policy

INTENSITIES = (0.3, 0.6, 1.0)
PredictProbs = Callable[[Sequence[str], Sequence[str]], npt.NDArray[np.float32]]
"""Texts and their sources to calibrated probs, *Shape:* (n_texts, n_questions)."""


@dataclass(frozen=True, eq=False)
class _Rewritten:
    """What became of all texts in one rewriting: ``probs`` *Shape:* (n_texts, n_questions), ``changed`` bool *Shape:* (n_texts,)."""

    technique: Technique
    intensity: float
    probs: Floats
    changed: Bools


@dataclass(frozen=True, eq=False)
class _Hits:
    """Which texts are hit under one rule: before, bool *Shape:* (n_texts,), and after each rewriting, *Shape:* (n_texts, k)."""

    before: Bools
    after: Bools


def attack_report(
    examples: Sequence[Example],
    policy: Policy,
    ladder: Ladder,
    predict: PredictProbs,
    techniques: Sequence[Technique],
    *,
    clusters: npt.ArrayLike | None,
    seed: int,
    intensities: Sequence[float] = INTENSITIES,
    half: str = "test",
    n_resamples: int = 1000,
    model_fingerprint: str | None = None,
    on_step: Callable[[str], None] = lambda step: None,
) -> AttackReport:
    """Rewrite all texts with every technique at every intensity, and count what is found before and after.

    :param predict: called once with the texts as they are, then once for each rewriting with those that it changed.
    :param clusters: integers, *Shape:* (n_texts,); None when all texts are independent.
    :param seed: of the rewriting and of the resamples.
    :param half: of the substitutes.
    :param model_fingerprint: of the bundle behind ``predict``, kept in the report.
    :param on_step: is told the name of each technique when it begins.
    :raises CalibrationError: when there is no text, the ladder belongs to another policy, or the probs are no probs.
    """
    check_policy(ladder.policy_fingerprint, policy, "ladder")
    if not examples or not techniques or not intensities:
        raise CalibrationError("Expected at least one labelled text, one technique and one intensity, but got none; give all three.")
    violating = np.array([example.violating for example in examples], dtype=np.bool_)
    resamples = plan_resamples(clusters, len(examples), seed=seed, n_resamples=n_resamples)
    before = _probs_of(examples, predict, policy)
    rewritings: list[_Rewritten] = []
    for technique in techniques:
        on_step(technique.name)
        for intensity in intensities:
            texts = [rewrite_example(example, technique, intensity, seed, half=half) for example in examples]
            rewritings.append(_judged(technique, float(intensity), texts, examples, before, predict, policy))
    all_probs = [rewriting.probs for rewriting in rewritings]
    flagged = _Hits(_flagged(before, policy), np.column_stack([_flagged(probs, policy) for probs in all_probs]))
    acted = _Hits(_acted(before, ladder, policy), np.column_stack([_acted(probs, ladder, policy) for probs in all_probs]))
    return AttackReport(
        n=len(examples),
        n_violating=int(violating.sum()),
        n_clusters=resamples.n_clusters,
        seed=seed,
        n_resamples=n_resamples,
        half=half,
        policy_fingerprint=policy.fingerprint,
        ladder_fingerprint=ladder.fingerprint,
        results=_results(rewritings, flagged, acted, violating, resamples),
        means=_means(rewritings, flagged, acted, violating, resamples),
        model_fingerprint=model_fingerprint,
    )


def subsample(examples: Sequence[Example], limit: int, seed: int) -> tuple[Example, ...]:
    """At most ``limit`` of the examples, drawn without replacement, in their order.

    >>> subsample([], 3, 0)
    ()
    """
    if limit < 1:
        raise ValueError(f"Expected a limit of at least 1, but got {limit}.")
    drawn = np.random.default_rng(seed).permutation(len(examples))[:limit]
    return tuple(examples[int(i)] for i in np.sort(drawn))


def change_estimates(before: npt.ArrayLike, after: npt.ArrayLike, members: npt.ArrayLike, resamples: Resamples) -> tuple[Estimate, ...]:
    """Share of the member texts hit before less that hit after, paired, column by column.

    Where no text changes sides the bootstrap says that none can, so the interval is the outer of it and of the exact bounds of the shares
    that were lost and that were won, each with the other at its value.

    :param before: bool, *Shape:* (n_texts,); ``members`` likewise.
    :param after: bool, *Shape:* (n_texts, k).
    """
    first, second, member = (np.asarray(values, dtype=np.bool_) for values in (before, after, members))
    n_members = int(member.sum())
    lost, won = (member & first)[:, None] & ~second, (member & ~first)[:, None] & second
    drawn = estimates(_drop(first, second, member), resamples, [n_members] * second.shape[1])
    ns = np.full(second.shape[1], n_members)
    exact_lost, exact_won = exact_shares(weighted_sums(lost), ns), exact_shares(weighted_sums(won), ns)
    return tuple(
        Estimate(d.value, float(np.fmin(d.low, a.value - b.high)), float(np.fmax(d.high, a.high - b.value)), d.n)
        for d, a, b in zip(drawn, exact_lost, exact_won, strict=True)
    )


def _probs_of(examples: Sequence[Example], predict: PredictProbs, policy: Policy) -> Floats:
    return as_probs(predict([example.text for example in examples], [example.source for example in examples]), policy)


def _judged(
    technique: Technique,
    intensity: float,
    texts: Sequence[Example],
    examples: Sequence[Example],
    before: Floats,
    predict: PredictProbs,
    policy: Policy,
) -> _Rewritten:
    changed = np.array([new is not old for new, old in zip(texts, examples, strict=True)], dtype=np.bool_)
    probs = before.copy()
    if changed.any():
        probs[changed] = _probs_of([text for text, is_new in zip(texts, changed, strict=True) if is_new], predict, policy)
    return _Rewritten(technique, intensity, probs, changed)


def _flagged(probs: Floats, policy: Policy) -> Bools:
    return np.asarray(probs[:, policy.severity_column(1)] >= EVEN)


def _acted(probs: Floats, ladder: Ladder, policy: Policy) -> Bools:
    return np.asarray(decide_levels(probs, ladder, policy).severity >= 1)


def _drop(before: Bools, after: Bools, members: Bools) -> Callable[[Weights], Floats]:
    change = members[:, None] * (before[:, None].astype(np.int64) - after)

    def statistic(weights: Weights) -> Floats:
        return ratio(weighted_sums(change, weights), weighted_sums(members, weights)[..., None])

    return statistic


def _results(
    rewritings: Sequence[_Rewritten], flagged: _Hits, acted: _Hits, violating: Bools, resamples: Resamples
) -> tuple[AttackResult, ...]:
    columns = zip(rewritings, _effects(flagged, violating, resamples), _effects(acted, violating, resamples), strict=True)
    return tuple(
        AttackResult(
            technique=item.technique.name,
            name_zh=item.technique.name_zh,
            intensity=item.intensity,
            undone=item.technique.undone,
            n_changed_violating=int((item.changed & violating).sum()),
            n_changed_benign=int((item.changed & ~violating).sum()),
            flagged=one,
            acted=other,
        )
        for item, one, other in columns
    )


def _effects(hits: _Hits, violating: Bools, resamples: Resamples) -> list[AttackEffect]:
    """The effect of every rewriting, *Length:* k."""
    benign, before, k = ~violating, hits.before[:, None], hits.after.shape[1]
    over = holm(p_values(_drop(~hits.before, ~hits.after, benign), resamples))
    columns = zip(
        share_estimates(np.repeat(violating[:, None], k, axis=1), hits.after, resamples),
        change_estimates(hits.before, hits.after, violating, resamples),
        share_estimates(np.repeat(benign[:, None], k, axis=1), hits.after, resamples),
        change_estimates(~hits.before, ~hits.after, benign, resamples),
        over.tolist(),
        strict=True,
    )
    recall_before = share_estimates(violating[:, None], before, resamples)[0]
    rate_before = share_estimates(benign[:, None], before, resamples)[0]
    return [AttackEffect(recall_before, recall, loss, rate_before, rate, rise, bool(mark)) for recall, loss, rate, rise, mark in columns]


def _means(rewritings: Sequence[_Rewritten], flagged: _Hits, acted: _Hits, violating: Bools, resamples: Resamples) -> tuple[MeanEffect, ...]:
    means = []
    for intensity in dict.fromkeys(item.intensity for item in rewritings):
        columns = [j for j, item in enumerate(rewritings) if item.intensity == intensity]
        found = [
            _mean_drop(sign(hits.before), sign(hits.after[:, columns]), members, resamples)
            for hits in (flagged, acted)
            for sign, members in ((np.asarray, violating), (np.logical_not, ~violating))
        ]
        means.append(MeanEffect(intensity, *found))
    return tuple(means)


def _mean_drop(before: Bools, after: Bools, members: Bools, resamples: Resamples) -> Estimate:
    drop = _drop(before, after, members)
    return estimates(lambda weights: drop(weights).mean(axis=-1), resamples, [int(members.sum())])[0]
