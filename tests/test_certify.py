from dataclasses import replace

import numpy as np
import pytest
from mapie.risk_control import BinaryClassificationController, precision
from scipy import stats

from classifier.decisions.binomial import error_p_values, lower_bounds, upper_bounds
from classifier.decisions.certify import certify_ladder, empirical_ladder
from classifier.decisions.plan import DEFAULT_GRID, DEFAULT_STARTS, LadderPlan, LevelPlan, default_plan, plan_ladder
from classifier.decisions.precision import ActedCounts, estimated_precision, n_more_until_pass, passes, precision_lower_bounds
from classifier.errors import CalibrationError
from classifier.policy import Policy

POLICY = Policy.load()


def _one_level(target_precision, confidence_level):
    """The shipped policy with one acting level: questions 0-3 the categories, 4 severity >= 1."""
    level = replace(POLICY.levels[1], target_precision=target_precision, confidence_level=confidence_level)
    return replace(POLICY, levels=(POLICY.levels[0], level))


def _arrays(policy, *severity_columns, targets):
    probs = np.zeros((len(targets), len(policy.questions)))
    probs[:, policy.n_categories :] = np.column_stack(severity_columns)
    answers = np.zeros_like(probs, dtype=np.int8)
    answers[:, policy.n_categories :] = np.asarray(targets)[:, None] >= np.arange(1, policy.max_severity + 1)
    return probs, answers


def _counts(n_right, n_errors, *, n_below=0, n_violating=None, n_benign=None, severity=1):
    n_violating = n_right + n_below if n_violating is None else n_violating
    parts = (n_right, n_below, n_errors - n_below, n_violating, n_errors if n_benign is None else n_benign)
    return ActedCounts(severity, *(np.array([part]) for part in parts))


def _plan(policy, grid, starts):
    return LadderPlan(tuple(LevelPlan(level.id, grid, starts) for level in policy.acting_levels), policy.fingerprint, "by hand")


def test_p_values_equal_scipys_binomial_test():
    expected = [stats.binomtest(k, n, 0.1, alternative="less").pvalue for k, n in ((0, 5), (3, 60), (60, 60))]
    np.testing.assert_allclose(error_p_values([0, 3, 60], [5, 60, 60], 0.1), expected)


def test_bounds_equal_scipys_clopper_pearson():
    for k, n in ((0, 9), (4, 9), (9, 9)):
        test = stats.binomtest(k, n)
        # A two-sided interval at 0.9 has one-sided bounds at 0.95.
        interval = test.proportion_ci(confidence_level=0.9, method="exact")
        np.testing.assert_allclose([lower_bounds([k], [n], 0.05)[0], upper_bounds([k], [n], 0.05)[0]], [interval.low, interval.high], atol=1e-9)


def test_lower_bound_reaches_the_target_exactly_when_the_tail_test_passes():
    for n in range(1, 80):
        for k in range(n + 1):
            counts = _counts(n - k, k)
            assert bool(passes(counts, None, 0.8, 0.05)[0]) == bool(precision_lower_bounds(counts, None, 0.05)[0] >= 0.8)


def test_estimated_precision_at_a_prevalence_by_hand():
    # Acted on: 8 of 10 violating, 1 of 10 benign. At prevalence 0.1: 0.08 / (0.08 + 0.09).
    counts = _counts(8, 1, n_violating=10, n_benign=10)
    assert estimated_precision(counts, 0.1)[0] == pytest.approx(0.08 / 0.17)


def test_lower_bound_at_a_prevalence_by_hand():
    counts = _counts(80, 5, n_below=2, n_violating=100, n_benign=1000, severity=2)
    right, below, benign = (
        stats.beta.ppf(0.01, 80, 21),
        stats.beta.ppf(0.99, 3, 98),
        stats.beta.ppf(0.97, 4, 997),
    )
    expected = 0.2 * right / (0.2 * right + 0.2 * below + 0.8 * benign)
    assert precision_lower_bounds(counts, 0.2, 0.05)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("n_errors", "n_acted"), [(0, 10), (1, 20), (2, 50), (7, 100), (9, 120)])
def test_number_of_further_texts_is_the_first_that_passes(n_errors, n_acted):
    def passes_with(more):
        size = n_acted + more
        errors = -(-n_errors * size // n_acted)
        return stats.binom.cdf(errors, size, 0.1) <= 0.02

    expected = next(more for more in range(100_000) if passes_with(more))
    assert n_more_until_pass(_counts(n_acted - n_errors, n_errors), None, 0.9, 0.02) == expected


@pytest.mark.parametrize("n_errors", [5, 6])
def test_no_number_of_further_texts_helps_at_or_below_the_target(n_errors):
    assert n_more_until_pass(_counts(50 - n_errors, n_errors), None, 0.9, 0.02) is None


def test_number_of_further_texts_at_a_prevalence_makes_the_bound_pass():
    counts = _counts(80, 1, n_violating=100, n_benign=100)
    more = n_more_until_pass(counts, 0.2, 0.9, 0.05)
    factor = (81 + more) / 81
    grown = _counts(int(80 * factor), int(factor) + 1, n_violating=int(100 * factor), n_benign=int(100 * factor))
    assert more > 81
    assert precision_lower_bounds(grown, 0.2, 0.05)[0] == pytest.approx(0.9, abs=0.01)


def test_lowest_threshold_by_hand():
    # Budget 0.05, target 0.9. At 0.8 forty right texts: 0.9**40 = 0.015 passes. At 0.6 two errors of 42: 0.18 does not.
    policy = _one_level(0.9, 0.95)
    probs, targets = _arrays(policy, [0.8] * 40 + [0.6] * 2 + [0.1] * 10, targets=[1] * 40 + [0] * 12)
    level = certify_ladder(probs, targets, policy, clusters=None, seed=0, plan=_plan(policy, (0.9, 0.8, 0.6), (0.8,))).levels[0]
    assert (level.threshold, level.n_acted, level.n_errors, level.certified) == (0.8, 40, 0, True)
    assert level.precision_lower_bound == pytest.approx(0.05 ** (1 / 40))


def test_chain_stops_at_the_first_threshold_that_fails():
    policy = _one_level(0.9, 0.95)
    # 0.7 fails (three errors), 0.6 would pass on its own (a hundred more right ones), but its chain has ended.
    probs, targets = _arrays(policy, [0.8] * 40 + [0.7] * 3 + [0.6] * 100, targets=[1] * 40 + [0] * 3 + [1] * 100)
    grid = (0.8, 0.7, 0.6)
    chain = certify_ladder(probs, targets, policy, clusters=None, seed=0, plan=_plan(policy, grid, (0.8,)))
    two_starts = certify_ladder(probs, targets, policy, clusters=None, seed=0, plan=_plan(policy, grid, (0.8, 0.6)))
    assert (chain.levels[0].threshold, two_starts.levels[0].threshold) == (0.8, 0.6)


def test_a_chain_begun_too_high_certifies_nothing():
    policy = _one_level(0.9, 0.95)
    probs, targets = _arrays(policy, [0.95] + [0.8] * 40, targets=[1] * 41)
    ladder = certify_ladder(probs, targets, policy, clusters=None, seed=0, plan=_plan(policy, (0.9, 0.8), (0.9,)))
    assert ladder.levels[0].threshold is None


def test_budget_is_handed_on_to_the_next_start():
    # 35 right texts: 0.9**35 = 0.0250 needs the whole 0.05 or a half; 32: 0.0343 needs more than a half.
    policy = _one_level(0.9, 0.95)
    plan = _plan(policy, (0.8, 0.6), (0.8, 0.6))
    kept, targets = _arrays(policy, [0.8] * 35 + [0.6] * 1, targets=[1] * 35 + [1])
    assert certify_ladder(kept, targets, policy, clusters=None, seed=0, plan=plan).levels[0].threshold == 0.6
    with_error, targets = _arrays(policy, [0.8] * 40 + [0.6] * 9, targets=[1] * 40 + [1] * 8 + [0])
    # One error of 49: P = 0.0370, above a half of the budget, below the whole that 0.8 handed on.
    assert certify_ladder(with_error, targets, policy, clusters=None, seed=0, plan=plan).levels[0].threshold == 0.6


def test_refused_level_says_how_far_it_is():
    policy = _one_level(0.9, 0.95)
    probs, targets = _arrays(policy, [0.8] * 20, targets=[1] * 20)
    ladder = certify_ladder(probs, targets, policy, clusters=None, seed=0, plan=_plan(policy, (0.8,), (0.8,)))
    level = ladder.levels[0]
    assert (level.threshold, level.would_be_threshold, level.certified, level.n_more_needed) == (None, 0.8, False, 9)
    assert level.certifiable_precision == pytest.approx(0.05 ** (1 / 20))
    assert "rectify is switched off: 9 more" in ladder.notes[1]


def test_certifiable_precision_is_certified_and_no_higher_one_is():
    generator = np.random.default_rng(0)
    scores = generator.random(300)
    truth = (generator.random(300) < scores).astype(int)
    certifiable = certify_ladder(*_arrays(_one_level(0.99, 0.95), scores, targets=truth), _one_level(0.99, 0.95), clusters=None, seed=0)
    highest = certifiable.levels[0].certifiable_precision
    for target, expected in ((highest - 1e-6, True), (highest + 1e-6, False)):
        policy = _one_level(target, 0.95)
        assert certify_ladder(*_arrays(policy, scores, targets=truth), policy, clusters=None, seed=0).levels[0].certified is expected


def test_levels_share_the_budget_and_promise_jointly():
    probs, targets = _arrays(POLICY, [0.9], [0.9], [0.9], targets=[3])
    ladder = certify_ladder(probs, targets, POLICY, clusters=None, seed=0)
    assert [level.delta for level in ladder.levels] == pytest.approx([0.05 / 3] * 3)
    assert ladder.joint_confidence_level == pytest.approx(0.95)


def test_a_level_takes_no_threshold_below_the_level_before():
    # Level 2 alone would pass at 0.6; level 1 passes at 0.8 only, because the texts at 0.6 are errors for it.
    policy = replace(POLICY, levels=POLICY.levels[:3])
    first = [0.8] * 100 + [0.6] * 100 + [0.5] * 60
    second = [0.8] * 60 + [0.5] * 140 + [0.5] * 60
    probs, targets = _arrays(policy, first, second, targets=[2] * 100 + [0] * 100 + [0] * 60)
    ladder = certify_ladder(probs, targets, policy, clusters=None, seed=0, plan=_plan(policy, (0.8, 0.7, 0.6), (0.8, 0.6)))
    assert ladder.levels[0].threshold == 0.7
    assert ladder.levels[1].threshold == 0.7


def test_two_hundred_copies_of_one_text_certify_nothing():
    policy = _one_level(0.9, 0.95)
    probs, targets = _arrays(policy, [0.95] * 200, targets=[1] * 200)
    ladder = certify_ladder(probs, targets, policy, clusters=np.zeros(200, dtype=int), seed=0)
    assert (ladder.levels[0].threshold, ladder.n_clusters) == (None, 1)


@pytest.mark.parametrize("severity", [0, 3])
def test_one_kind_of_text_only(severity):
    probs, targets = _arrays(POLICY, [0.99] * 900, [0.99] * 900, [0.99] * 900, targets=[severity] * 900)
    ladder = certify_ladder(probs, targets, POLICY, clusters=None, seed=0)
    assert [level.certified for level in ladder.levels] == [severity == 3] * 3
    assert [level.n_more_needed for level in ladder.levels] == ([0] * 3 if severity == 3 else [None] * 3)


@pytest.mark.parametrize("severity", [0, 3])
def test_one_kind_of_text_certifies_nothing_at_a_prevalence(severity):
    probs, targets = _arrays(POLICY, [0.99] * 900, [0.99] * 900, [0.99] * 900, targets=[severity] * 900)
    ladder = certify_ladder(probs, targets, POLICY, clusters=None, seed=0, prevalence=0.05)
    assert not any(level.certified for level in ladder.levels)


def test_one_text_certifies_nothing_and_asks_for_what_no_error_needs():
    probs, targets = _arrays(_one_level(0.9, 0.95), [0.99], targets=[1])
    ladder = certify_ladder(probs, targets, _one_level(0.9, 0.95), clusters=None, seed=0)
    # Five starts share 0.05: the fewest n with 0.9**n <= 0.01 is 44, one of which is there.
    assert (ladder.levels[0].threshold, ladder.levels[0].n_more_needed) == (None, 43)


def test_range_of_prevalence_is_certified_at_its_lower_end():
    generator = np.random.default_rng(1)
    scores = generator.random(4000)
    probs, targets = _arrays(_one_level(0.8, 0.9), scores, targets=(generator.random(4000) < scores**2).astype(int))
    low, span, high = (
        certify_ladder(probs, targets, _one_level(0.8, 0.9), clusters=None, seed=0, prevalence=p) for p in (0.3, (0.3, 0.6), 0.6)
    )
    assert span.levels == low.levels
    assert high.levels[0].threshold < low.levels[0].threshold


def _nan(probs):
    broken = probs.copy()
    broken[0, 0] = np.nan
    return broken


@pytest.mark.parametrize("damage", [_nan, lambda p: p[:, :-1], lambda p: p + 1, lambda p: p[:0]], ids=["nan", "columns", "above 1", "rows"])
def test_bad_probs_are_refused(damage):
    probs, targets = _arrays(POLICY, [0.9], [0.9], [0.9], targets=[3])
    with pytest.raises(CalibrationError):
        certify_ladder(damage(probs), targets, POLICY, clusters=None, seed=0)


def test_a_plan_for_another_policy_is_refused():
    probs, targets = _arrays(POLICY, [0.9], [0.9], [0.9], targets=[3])
    with pytest.raises(CalibrationError, match="plan made for"):
        certify_ladder(probs, targets, POLICY, clusters=None, seed=0, plan=default_plan(_one_level(0.9, 0.95)))


@pytest.mark.parametrize("prevalence", [0.0, 1.0, (0.4, 0.2)])
def test_impossible_prevalence_is_a_programmers_mistake(prevalence):
    probs, targets = _arrays(POLICY, [0.9], [0.9], [0.9], targets=[3])
    with pytest.raises(ValueError, match="prevalence"):
        certify_ladder(probs, targets, POLICY, clusters=None, seed=0, prevalence=prevalence)


@pytest.mark.parametrize(("grid", "starts"), [((0.5, 0.6), (0.5,)), ((0.6, 0.5), (0.7,)), ((0.6,), ())])
def test_a_plan_that_cannot_be_meant_is_a_programmers_mistake(grid, starts):
    with pytest.raises(ValueError, match="level `ban`"):
        LevelPlan("ban", grid, starts)


def test_a_planned_start_is_one_threshold_of_the_grid_for_each_level():
    generator = np.random.default_rng(2)
    first = generator.random(2000)
    probs, targets = _arrays(POLICY, first, first * 0.9, first * 0.8, targets=(generator.random(2000) < first) * 3)
    starts = [level.starts for level in plan_ladder(probs, targets, POLICY, clusters=None, seed=0).levels]
    assert all(len(start) == 1 and start[0] in DEFAULT_GRID for start in starts)


@pytest.mark.parametrize(("n_certifying", "start"), [(28, DEFAULT_STARTS[0]), (29, DEFAULT_GRID[-1])])
def test_a_start_is_planned_for_the_number_of_texts_to_come(n_certifying, start):
    # Without an error 29 texts are the fewest that certify a precision of 0.9 at 95%; with fewer no threshold is better than the first default.
    policy = _one_level(0.9, 0.95)
    probs, targets = _arrays(policy, [0.9999] * 100, targets=[1] * 100)
    assert plan_ladder(probs, targets, policy, clusters=None, seed=0, n_certifying=n_certifying).levels[0].starts == (start,)


def test_a_start_acts_on_enough_of_the_texts_to_come():
    # At 0.99 no error in 60 texts, at 0.95 one in twenty. Of 66 texts to come only 18 reach 0.99, too few to pass; of 660 enough do.
    policy = _one_level(0.9, 0.95)
    probs, targets = _arrays(policy, [0.99] * 60 + [0.95] * 160, targets=[1] * 60 + ([0] + [1] * 19) * 8)
    few, many = (plan_ladder(probs, targets, policy, clusters=None, seed=0, n_certifying=n).levels[0].starts[0] for n in (66, 660))
    assert few <= 0.95 < many


def test_a_level_starts_no_lower_than_the_level_before_is_expected_to_end():
    # Severity 1 is sure down to 0.305: half of the texts at 0.3 are benign. Severity 2 would pass everywhere above 0.1.
    high = np.arange(1000) % 2 == 0
    probs, targets = _arrays(POLICY, np.where(high, 0.605, 0.3), np.where(high, 0.4, 0.1), np.where(high, 0.4, 0.05), targets=np.where(high, 3, 0))
    first, second, third = (level.starts[0] for level in plan_ladder(probs, targets, POLICY, clusters=None, seed=0).levels)
    assert (first, second, third) == (0.305, 0.305, 0.305)


def test_default_starts_lie_on_the_grid():
    assert set(DEFAULT_STARTS) <= set(DEFAULT_GRID)


def test_empirical_threshold_by_hand_is_the_lowest_that_reaches_the_target():
    # At 0.7: 4 of 5 right; at 0.5: 5 of 7.
    policy = _one_level(0.8, 0.95)
    probs, targets = _arrays(policy, [0.9] * 3 + [0.7] * 2 + [0.5] * 2, targets=[1, 1, 1, 1, 0, 1, 0])
    level = empirical_ladder(probs, targets, policy).levels[0]
    assert (level.threshold, level.certified, level.precision) == (0.505, False, 0.8)


def _mapie_threshold(scores, truth, grid, method):
    """The lowest threshold that MAPIE certifies for precision 0.8 with confidence 0.9, None if there is none."""
    controller = BinaryClassificationController(
        lambda x: np.column_stack([1 - x, x]),
        precision,
        target_level=0.8,
        confidence_level=0.9,
        best_predict_param_choice="recall",
        list_predict_params=np.array(grid),
        fwer_method=method,
    )
    controller.calibrate(scores, truth)
    return min(controller.valid_predict_params, default=None)


def _our_threshold(scores, truth, grid, method):
    policy = _one_level(0.8, 0.9)
    plan = _plan(policy, grid, grid[:1])
    return certify_ladder(*_arrays(policy, scores, targets=truth), policy, clusters=None, seed=0, plan=plan, method=method).levels[0].threshold


@pytest.mark.filterwarnings("ignore:Fixed sequence testing requires a monotonic risk")
@pytest.mark.parametrize("method", ["fixed_sequence", "bonferroni"])
@pytest.mark.parametrize("seed", range(8))
def test_binary_case_equals_mapie(method, seed):
    # MAPIE counts errors as ceil(n * (1 - right / n)), which floating point can raise by one; with powers of two it does not.
    sizes = [64, 64, 128, 256, 512]
    scores = np.repeat([0.9, 0.8, 0.7, 0.6, 0.5], sizes)
    truth = (np.random.default_rng(seed).random(1024) < np.repeat([0.95, 0.87, 0.82, 0.8, 0.6], sizes)).astype(int)
    grid = (0.9, 0.8, 0.7, 0.6, 0.5)
    assert _our_threshold(scores, truth, grid, method) == _mapie_threshold(scores, truth, grid, method)


@pytest.mark.filterwarnings("ignore:Fixed sequence testing requires a monotonic risk")
@pytest.mark.parametrize("method", ["fixed_sequence", "bonferroni"])
@pytest.mark.parametrize("seed", range(5))
def test_fine_grid_is_at_most_one_rounded_error_away_from_mapie(method, seed):
    generator = np.random.default_rng(seed)
    scores = generator.random(700)
    truth = (generator.random(700) < scores**0.5).astype(int)
    grid = tuple(i / 100 for i in range(90, 30, -1))
    ours, theirs = (certify(scores, truth, grid, method) for certify in (_our_threshold, _mapie_threshold))
    assert theirs - 0.03 < ours <= theirs
