"""The promises of certified ladders, judged by a thousand redraws from a population whose true precision is known exactly.

The population has 200 kinds of text. Each kind has its scores and its true probabilities of severity, which the scores overstate.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from classifier.decisions.certify import certify_ladder, empirical_ladder
from classifier.decisions.plan import plan_ladder
from classifier.policy import Policy

N_REDRAWS = 1000
_SHIPPED = Policy.load()
# Weaker promises than the shipped ones, so that a few hundred texts can keep or break them.
POLICY = replace(
    _SHIPPED,
    levels=(_SHIPPED.levels[0], *(replace(level, target_precision=0.85, confidence_level=0.9) for level in _SHIPPED.acting_levels)),
)
BUDGET = 0.1


def _sigmoid(values):
    return 1 / (1 + np.exp(-values))


KINDS = np.linspace(-6, 9, 200)
PROBS = np.column_stack([np.zeros((KINDS.size, POLICY.n_categories)), *(_sigmoid(KINDS - shift) for shift in (0.0, 0.7, 1.4))])
# What the kinds truly are: the scores are too sure of themselves at the top, where the thresholds lie.
AT_LEAST = np.column_stack([0.99 * _sigmoid(0.8 * (KINDS - shift)) for shift in (0.0, 0.7, 1.4)])
# The least favourable truth: nearly good enough, at every threshold of every level.
JUST_BELOW = np.full((KINDS.size, 3), 0.849)


def _severities(at_least):
    return np.column_stack([1 - at_least[:, 0], at_least[:, 0] - at_least[:, 1], at_least[:, 1] - at_least[:, 2], at_least[:, 2]]) / KINDS.size


def _joint(prevalence):
    """P(kind, severity), *Shape:* (n_kinds, 4), with a share ``prevalence`` of violating texts."""
    joint = _severities(AT_LEAST)
    share = joint[:, 1:].sum()
    return joint * np.array([(1 - prevalence) / (1 - share), *[prevalence / share] * 3])


@dataclass(frozen=True)
class Draw:
    """Probs and targets of drawn texts."""

    probs: np.ndarray
    targets: np.ndarray


def _draw(joint, n_texts, generator):
    # Sorted uniforms are cheaper than a weighted choice, and the order of independent texts does not matter.
    cell = np.searchsorted(np.cumsum(joint.ravel()), generator.random(n_texts) * joint.sum(), side="right")
    kind, severity = np.divmod(cell, 4)
    targets = np.zeros((n_texts, len(POLICY.questions)), dtype=np.int8)
    targets[:, POLICY.n_categories :] = severity[:, None] >= np.array([1, 2, 3])
    return Draw(PROBS[kind], targets)


def _breaks(ladder, joint):
    """Whether any level in force has a true precision below its target."""
    for level in ladder.levels:
        if level.threshold is not None:
            acted = joint[PROBS[:, POLICY.severity_column(level.severity)] >= level.threshold]
            if acted[:, level.severity :].sum() < level.target_precision * acted.sum() - 1e-12:
                return True
    return False


def _share(outcomes):
    return float(np.mean(outcomes))


LIMIT = BUDGET + 3 * np.sqrt(BUDGET * (1 - BUDGET) / N_REDRAWS)


def _redraws(joint, n_texts, certify, n_redraws=N_REDRAWS):
    ladders = []
    for seed in range(n_redraws):
        drawn = _draw(joint, n_texts, np.random.default_rng(seed))
        ladders.append(certify(drawn, seed))
    return ladders


@pytest.fixture(scope="module")
def independent():
    """Ladders certified on independent texts."""
    return _redraws(_joint(0.4), 1000, lambda d, seed: certify_ladder(d.probs, d.targets, POLICY, clusters=None, seed=seed))


def test_joint_promise_holds_on_independent_texts(independent):
    assert _share([_breaks(ladder, _joint(0.4)) for ladder in independent]) <= LIMIT


def test_something_is_certified_on_independent_texts(independent):
    assert _share([ladder.levels[0].certified for ladder in independent]) > 0.5


def test_joint_promise_holds_where_every_precision_is_just_below_its_target():
    joint = _severities(JUST_BELOW)
    ladders = _redraws(joint, 1000, lambda d, seed: certify_ladder(d.probs, d.targets, POLICY, clusters=None, seed=seed))
    assert 0 < _share([_breaks(ladder, joint) for ladder in ladders]) <= LIMIT


def test_joint_promise_holds_with_a_plan_from_other_texts():
    joint = _joint(0.4)
    other = _draw(joint, 1000, np.random.default_rng(9_999))
    plan = plan_ladder(other.probs, other.targets, POLICY, clusters=None, seed=0)
    ladders = _redraws(joint, 1000, lambda d, seed: certify_ladder(d.probs, d.targets, POLICY, clusters=None, seed=seed, plan=plan))
    assert _share([_breaks(ladder, joint) for ladder in ladders]) <= LIMIT
    assert _share([ladder.levels[0].certified for ladder in ladders]) > 0.5


def test_a_planned_start_certifies_at_least_as_often_as_starts_fixed_beforehand():
    joint, planned, fixed = _joint(0.4), [], []
    for seed in range(200):
        other, drawn = _draw(joint, 300, np.random.default_rng(10_000 + seed)), _draw(joint, 700, np.random.default_rng(seed))
        plan = plan_ladder(other.probs, other.targets, POLICY, clusters=None, seed=0, n_certifying=700)
        planned.append(certify_ladder(drawn.probs, drawn.targets, POLICY, clusters=None, seed=seed, plan=plan))
        fixed.append(certify_ladder(drawn.probs, drawn.targets, POLICY, clusters=None, seed=seed))
    assert _share([_breaks(ladder, joint) for ladder in planned]) <= LIMIT
    assert _share([ladder.levels[-1].certified for ladder in planned]) >= _share([ladder.levels[-1].certified for ladder in fixed])


def _clustered(drawn):
    """Every text eight times over: near-duplicates that share scores and truth."""
    return np.repeat(drawn.probs, 8, axis=0), np.repeat(drawn.targets, 8, axis=0), np.repeat(np.arange(len(drawn.probs)), 8)


def _certify_clustered(drawn, seed):
    probs, targets, clusters = _clustered(drawn)
    return certify_ladder(probs, targets, POLICY, clusters=clusters, seed=seed)


def _certify_ignoring_clusters(drawn, seed):
    probs, targets, _ = _clustered(drawn)
    return certify_ladder(probs, targets, POLICY, clusters=None, seed=seed)


def test_joint_promise_holds_on_clustered_texts():
    joint = _joint(0.4)
    assert _share([_breaks(ladder, joint) for ladder in _redraws(joint, 600, _certify_clustered)]) <= LIMIT


def test_promise_breaks_when_clusters_are_ignored():
    joint = _joint(0.4)
    assert _share([_breaks(ladder, joint) for ladder in _redraws(joint, 600, _certify_ignoring_clusters, n_redraws=200)]) > LIMIT


def test_empirical_thresholds_break_the_targets():
    joint = _joint(0.4)
    ladders = _redraws(joint, 1000, lambda d, seed: empirical_ladder(d.probs, d.targets, POLICY), n_redraws=200)
    assert _share([_breaks(ladder, joint) for ladder in ladders]) > 2 * LIMIT


@pytest.mark.parametrize("prevalence", [0.25, 0.3, 0.4])
def test_joint_promise_holds_at_a_production_prevalence(prevalence):
    ladders = _redraws(
        _joint(0.5), 3000, lambda d, seed: certify_ladder(d.probs, d.targets, POLICY, clusters=None, seed=seed, prevalence=prevalence)
    )
    assert _share([_breaks(ladder, _joint(prevalence)) for ladder in ladders]) <= LIMIT
    assert any(ladder.levels[0].certified for ladder in ladders)
