"""Slices hold the right texts, their numbers are those of their texts alone, and a mark means worse than the rest."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from classifier.decisions import CategoryThresholds, Ladder, LevelThreshold
from classifier.evaluation.bootstrap import plan_resamples
from classifier.evaluation.outcomes import outcomes_of
from classifier.evaluation.slices import is_traditional, memberships, script_of, slice_results
from classifier.examples import Example, targets_of
from classifier.policy import Policy

POLICY = Policy.load()
LADDER = Ladder(
    levels=tuple(
        LevelThreshold(level.id, level.severity, 0.5, None, level.target_precision, 0.95, True, 1, 0, 1.0, 0.9, 0.9, 0)
        for level in POLICY.acting_levels
    ),
    review_threshold=None,
    policy_fingerprint=POLICY.fingerprint,
    method="fixed_sequence",
    joint_confidence_level=0.85,
    n_clusters=1,
    seed=0,
)
THRESHOLDS = CategoryThresholds(POLICY.category_ids, (0.5,) * 4, (None,) * 4, (1,) * 4, POLICY.fingerprint)


def example(number, violating, **fields):
    text = fields.pop("text", "出U收U")
    return Example(str(number), text, fields.pop("source", "post"), ("trading",) if violating else (), int(violating), **fields)


def results(examples, flagged, clusters=None, ladder=LADDER):
    """Slices of texts whose first severity has a prob of 0.9 where flagged and 0.1 elsewhere."""
    probs = np.zeros((len(examples), len(POLICY.questions)))
    probs[:, POLICY.severity_column(1)] = np.where(flagged, 0.9, 0.1)
    outcomes = outcomes_of(probs, targets_of(examples, POLICY), examples, POLICY, ladder, THRESHOLDS)
    return slice_results(outcomes, examples, plan_resamples(clusters, len(examples), seed=0, n_resamples=200))


def named(found, kind, name):
    return next(item for item in found if (item.kind, item.name) == (kind, name))


def test_a_text_is_in_the_slices_of_its_source_length_script_period_and_tags():
    given = [
        example(0, True, text="x" * 20, source="bio", tags=("slang", "rare")),
        example(1, False, text="礦機" * 11, tags=("slang",), published_at="2024-05-01"),
    ]
    found = {(item.kind, item.name): item.members.tolist() for item in memberships(given)}
    assert found == {
        ("source", "post"): [False, True],
        ("source", "bio"): [True, False],
        ("length", "1-20"): [True, False],
        ("length", "21-60"): [False, True],
        ("script", "traditional"): [False, True],
        ("script", "mixed with Latin"): [True, False],
        ("period", "2024"): [False, True],
        ("tag", "slang"): [True, True],
        ("tag", "rare"): [True, False],
    }


@pytest.mark.parametrize(
    ("text", "expected"), [("虛擬貨幣交易", True), ("虚拟货币交易", False), ("收U", False), ("BTC", False), ("币" * 50 + "幣", False)]
)
def test_traditional_script_is_known_by_a_share_of_its_characters(text, expected):
    assert is_traditional(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("虚拟货币交易", "simplified"),
        ("虛擬貨幣交易", "traditional"),
        ("收U" + "币" * 10, "simplified"),
        ("虛擬BTC", "mixed with Latin"),
        ("币" * 8 + "ab", "mixed with Latin"),
        ("12345", "simplified"),
    ],
)
def test_a_fifth_of_latin_letters_makes_a_script_mixed(text, expected):
    assert script_of(text) == expected


def test_the_numbers_of_a_slice_are_those_of_its_texts_alone():
    rng = np.random.default_rng(0)
    gold, flagged, inside = rng.random((3, 200)) < 0.5
    found = named(results([example(i, gold[i], tags=("t",) if inside[i] else ()) for i in range(200)], flagged), "tag", "t")
    truth, guess = gold[inside], flagged[inside]
    assert (found.n, found.n_violating) == (inside.sum(), truth.sum())
    assert found.f1.value == pytest.approx(f1_score(truth, guess))
    assert found.precision.value == pytest.approx(precision_score(truth, guess))
    assert found.recall.value == pytest.approx(recall_score(truth, guess))
    assert found.benign_acted.value == pytest.approx(guess[~truth].mean())


def test_a_benign_text_is_acted_on_by_the_ladder_and_flagged_at_one_half():
    strict = dataclasses.replace(LADDER, levels=tuple(dataclasses.replace(level, threshold=0.95) for level in LADDER.levels))
    found = named(results([example(i, False, tags=("t",)) for i in range(10)], np.ones(10, dtype=bool), ladder=strict), "tag", "t")
    assert found.benign_acted.value == 0
    assert found.precision.n == 10


def test_a_slice_with_many_mistakes_is_marked_for_each_kind_of_them():
    gold = np.arange(200) % 2 == 0
    inside = np.arange(200) < 60
    flagged = np.where(inside, np.arange(200) % 3 == 0, gold)
    found = results([example(i, gold[i], tags=("hard",) if inside[i] else ("plain",)) for i in range(200)], flagged)
    assert named(found, "tag", "hard").worse == ("f1", "benign_acted")
    assert named(found, "tag", "plain").worse == ()


def test_a_benign_slice_has_no_f1_and_is_marked_for_being_acted_on_only():
    gold = np.arange(200) >= 60
    flagged = gold | (np.arange(200) < 30)
    extra = [example(200 + i, False) for i in range(60)]
    given = [example(i, gold[i], tags=() if gold[i] else ("hard_negative",)) for i in range(200)] + extra
    found = named(results(given, np.append(flagged, [False] * 60)), "tag", "hard_negative")
    assert np.isnan(found.f1.value)
    assert found.benign_acted.value == 0.5
    assert found.worse == ("benign_acted",)


def test_a_slice_of_few_clusters_gets_no_mark():
    inside = np.arange(200) < 60
    clusters = np.where(inside, 0, np.arange(200))
    found = named(results([example(i, True, tags=("hard",) if inside[i] else ()) for i in range(200)], ~inside, clusters), "tag", "hard")
    assert (found.n_clusters, found.f1.value, found.worse) == (1, 0, ())


def test_without_any_difference_marks_are_rare():
    n_marked = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        gold = rng.random(200) < 0.5
        flagged = np.where(rng.random(200) < 0.8, gold, ~gold)
        given = [example(i, gold[i], tags=(f"t{rng.integers(5)}",), source=("post", "bio")[rng.integers(2)]) for i in range(200)]
        n_marked += any(item.worse for item in results(given, flagged))
    assert n_marked <= 6  # at one in twenty: P(more) = 0.003


def test_no_text_has_no_slice():
    assert results([], np.empty(0, dtype=bool)) == ()
