"""Mistakes are told apart, ordered by cost, and point into the text; costs and false positives are counted by hand."""

import numpy as np
import pytest

from classifier.decisions import CategoryThresholds, Ladder, LevelThreshold
from classifier.decisions.decision import Span
from classifier.evaluation.bootstrap import Estimate, plan_resamples
from classifier.evaluation.mistakes import KINDS, false_positives, find_mistakes, severity_cost
from classifier.evaluation.outcomes import outcomes_of
from classifier.evaluation.results import SeverityResult
from classifier.examples import Example, targets_of
from classifier.policy import Policy

POLICY = Policy.load()
THRESHOLDS = CategoryThresholds(POLICY.category_ids, (0.5,) * 4, (None,) * 4, (1,) * 4, POLICY.fingerprint)
LADDER = Ladder(
    levels=tuple(
        LevelThreshold(level.id, level.severity, 0.6, None, level.target_precision, 0.95, True, 1, 0, 1.0, 0.9, 0.9, 0)
        for level in POLICY.acting_levels
    ),
    review_threshold=0.3,
    policy_fingerprint=POLICY.fingerprint,
    method="fixed_sequence",
    joint_confidence_level=0.95,
    n_clusters=1,
    seed=0,
)
ROWS = [  # id, true severity, P(>=1), P(>=2), P(>=3), prob of trading (true where severity > 0), kind of mistake
    ("right", 2, 0.9, 0.8, 0.1, 0.9, None),
    ("benign", 0, 0.2, 0.1, 0.1, 0.1, None),
    ("acted", 0, 0.7, 0.1, 0.1, 0.1, "benign acted on"),
    ("acted-hard", 0, 0.9, 0.8, 0.1, 0.1, "benign acted on"),
    ("severe", 1, 0.9, 0.8, 0.1, 0.9, "too severe"),
    ("mild", 3, 0.9, 0.3, 0.1, 0.9, "too mild"),
    ("missed", 3, 0.2, 0.1, 0.1, 0.1, "missed"),
    ("missed-surer", 3, 0.1, 0.1, 0.02, 0.1, "missed"),
    ("reviewed", 1, 0.4, 0.1, 0.1, 0.9, "missed"),
    ("other", 1, 0.9, 0.1, 0.1, 0.2, "other category"),
]


def examples():
    tags = {"benign": ("news",), "acted": ("news", "legal"), "acted-hard": ("legal",), "right": ("news",)}
    return [
        Example(name, f"今天{name}收U", "post", ("trading",) if severity else (), severity, tags=tags.get(name, ()), evidence=("收U", "no such"))
        for name, severity, *_ in ROWS
    ]


def outcomes(given=None):
    probs = np.zeros((len(ROWS), len(POLICY.questions)))
    for i, (_, _, first, second, third, trading, _) in enumerate(ROWS):
        probs[i, POLICY.n_categories :] = first, second, third
        probs[i, POLICY.category_ids.index("trading")] = trading
    given = given or examples()
    return outcomes_of(probs, targets_of(given, POLICY), given, POLICY, LADDER, THRESHOLDS)


def found(**options):
    return find_mistakes(outcomes(), examples(), POLICY, **options)


def test_every_mistake_has_its_kind_and_right_decisions_have_none():
    assert {item.id: item.kind for item in found().worst} == {name: kind for name, *_, kind in ROWS if kind}


def test_the_costly_come_first_and_the_sure_among_equals():
    assert [item.id for item in found().worst][:4] == ["missed-surer", "missed", "acted-hard", "mild"]


def test_costs_are_steps_and_surety_is_the_prob_of_the_wrong_side():
    by_id = {item.id: (item.cost, item.surety) for item in found().worst}
    assert by_id["missed-surer"] == (3, pytest.approx(0.98))
    assert by_id["acted-hard"] == (2, pytest.approx(0.9))
    assert by_id["severe"] == (1, pytest.approx(0.8))
    assert by_id["other"] == (0, pytest.approx(0.8))


def test_counts_are_of_all_and_say_how_many_a_person_sees():
    counts = {item.kind: (item.n, item.n_reviewed, item.n_named) for item in found(n_worst=1).counts}
    assert counts == {
        "benign acted on": (2, 0, 1),
        "too severe": (1, 0, 1),
        "missed": (3, 1, 1),
        "too mild": (1, 0, 1),
        "other category": (1, 0, 1),
    }


def test_the_worst_of_each_kind_are_named():
    assert {item.id for item in found(n_worst=1).worst} == {"acted-hard", "severe", "mild", "missed-surer", "other"}


def test_evidence_points_into_the_original_text_and_what_is_not_there_is_left_out():
    item = next(item for item in found().worst if item.id == "missed")
    assert [item.text[start:end] for start, end in item.evidence] == ["收U"]


def test_spans_of_the_model_are_kept_beside_the_labels():
    spans = {"missed": [Span(0, 2, "今天", 1.5)]}
    by_id = {item.id: item.model_evidence for item in found(model_spans=spans).worst}
    assert by_id["missed"] == ((0, 2),)
    assert by_id["mild"] == ()


def test_a_violating_text_without_a_severity_takes_no_part():
    given = [Example(e.id, e.text, e.source, e.categories, None if e.id == "missed" else e.severity) for e in examples()]
    worst = find_mistakes(outcomes(given), given, POLICY).worst
    assert "missed" not in {item.id for item in worst}


def test_the_cost_of_a_matrix_counts_steps_by_direction():
    nan = float("nan")
    cost = severity_cost(SeverityResult("", Estimate(nan, nan, nan, 7), Estimate(1.0, 0.5, 1.5, 7), ((2, 0, 1), (0, 1, 1), (1, 1, 0))))
    assert (cost.total, cost.too_severe, cost.too_mild, cost.per_text.value) == (6, 3, 3, 1.0)


def test_false_positives_count_benign_texts_only():
    rows = {row.tag: row for row in false_positives(outcomes(), examples(), plan_resamples(None, len(ROWS), seed=0, n_resamples=20))}
    assert {tag: (row.n, row.acted.value) for tag, row in rows.items()} == {"legal": (2, 1.0), "news": (2, 0.5)}
    assert list(rows) == ["legal", "news"]


def test_the_kinds_are_all_of_the_kinds():
    assert {kind for *_, kind in ROWS if kind} == set(KINDS)
