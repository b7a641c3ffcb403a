"""Leaks are found where there are some, files used twice are named, and a split that tears twins apart flatters."""

import numpy as np
import pytest

from classifier.evaluation.baselines import tfidf_baseline
from classifier.evaluation.bootstrap import Estimate
from classifier.evaluation.honesty import RandomSplits, TwiceUsed, honesty_of, overlap_of, precision_at, random_splits, twice_used
from classifier.evaluation.results import ViolationResult
from classifier.examples import Example
from classifier.policy import Policy

POLICY = Policy.load()
PROVENANCE = {"data": {"train": {"train.jsonl": "aa"}, "dev": {"dev.jsonl": "bb"}}, "calibration": {"data": {"calibration.jsonl": "cc"}}}


def example(name, text, **fields):
    return Example(name, text, "post", (), 0, **fields)


def test_groups_accounts_and_near_duplicates_on_both_sides_are_counted():
    train = [example("1", "今天小区门口看见一只猫在晒太阳", group="g"), example("2", "老师的新课程下周开讲欢迎来听", account_id="a")]
    test = [
        example("1", "完全不一样的一句话说的是别的事情", group="g"),
        example("x", "另外一件不相干的事情昨天发生了", account_id="a"),
        example("y", "今天小区门口看见一只猫在晒太阳!"),
        example("z", "没有任何关系的第四句话写在这里", group="h"),
    ]
    found = overlap_of(train, test)
    assert (found.n_groups, found.n_accounts, found.n_near_duplicates, found.n_test_texts) == (1, 1, 1, 3)


def test_apart_there_is_no_alarm():
    found = honesty_of(PROVENANCE, {"test.jsonl": "dd"}, overlap=overlap_of([example("1", "甲乙丙丁")], [example("2", "子丑寅卯")]))
    assert found.alarms == ()


@pytest.mark.parametrize(("sha256", "use"), [("aa", "train"), ("bb", "dev"), ("cc", "calibration")])
def test_a_test_file_that_was_used_before_is_an_alarm_under_any_name(sha256, use):
    found = honesty_of(PROVENANCE, {"renamed.jsonl": sha256})
    assert found.alarms == (f"renamed.jsonl was used as test and already as {use}.",)


def test_calibration_on_training_texts_is_found():
    provenance = {**PROVENANCE, "calibration": {"data": {"again.jsonl": "aa"}}}
    assert twice_used(provenance, {"test.jsonl": "dd"}) == (TwiceUsed("again.jsonl", "train", "calibration"),)


def test_an_overlap_is_an_alarm_with_its_numbers():
    overlap = overlap_of([example("1", "一句一模一样的话在两边都有")], [example("2", "一句一模一样的话在两边都有")])
    (alarm,) = honesty_of(PROVENANCE, {}, overlap=overlap).alarms
    assert "1 sets of near duplicates, which touch 1 test texts" in alarm


def test_a_bundle_that_does_not_name_its_data_is_not_cleared():
    assert honesty_of(PROVENANCE, {}).provenance_names_data
    assert not honesty_of({"data": PROVENANCE["data"]}, {}).provenance_names_data
    assert not honesty_of({}, {}).provenance_names_data


def test_training_texts_are_compared_with_those_of_the_model_by_content():
    assert honesty_of(PROVENANCE, {}, train_sha256={"other-name.jsonl": "aa"}).training_texts_are_the_models is True
    assert honesty_of(PROVENANCE, {}, train_sha256={"train.jsonl": "ee"}).training_texts_are_the_models is False
    assert honesty_of({}, {}, train_sha256={"train.jsonl": "aa"}).training_texts_are_the_models is None


def test_a_split_that_tears_twins_apart_flatters():
    # Pairs of twins whose two words occur nowhere else: only a twin in training can tell the label.
    generator = np.random.default_rng(0)
    characters = [chr(0x4E00 + i) for i in range(8_000)]
    generator.shuffle(characters)
    pairs = []
    for k in range(100):
        words = " ".join("".join(characters[16 * k + 4 * j : 16 * k + 4 * j + 4]) for j in range(3))
        violating = bool(generator.random() < 0.5)
        labels = ((("trading",), 1) if violating else ((), 0))
        pairs.append([Example(f"{k}{side}", f"{words} {side}", "post", *labels, group=str(k)) for side in "ab"])
    train, test = [e for pair in pairs[:70] for e in pair], [e for pair in pairs[70:] for e in pair]
    real = tfidf_baseline(train, test, POLICY, seed=0)
    found = random_splits(train, test, POLICY, seed=0, real_probs=real)
    assert found.flattered_violation_f1 > 0.15
    assert found.random_violation_f1 - found.violation_f1 == found.flattered_violation_f1


@pytest.mark.parametrize(("spread", "expected"), [(0.09, True), (0.11, False)])
def test_a_gain_flatters_when_it_is_more_than_the_spread_of_the_splits(spread, expected):
    assert RandomSplits(2, 0.5, 0.7, 0.6, 0.7, spread).flatters is expected


def test_precision_falls_with_the_share_of_violating_texts_as_bayes_says():
    acted = ViolationResult("", 10, *(Estimate(v, v - 0.1, v + 0.1, 10) for v in (0.5, 0.5, 0.6, 0.2)))
    (found,) = precision_at(acted, [0.01])
    assert found.precision.value == pytest.approx(0.01 * 0.6 / (0.01 * 0.6 + 0.99 * 0.2))
    assert found.precision.low == pytest.approx(0.01 * 0.5 / (0.01 * 0.5 + 0.99 * 0.3))
    assert found.precision.high == pytest.approx(0.01 * 0.7 / (0.01 * 0.7 + 0.99 * 0.1))


def test_without_any_action_precision_is_not_defined():
    nothing = Estimate(0.0, 0.0, 0.0, 10)
    assert np.isnan(precision_at(ViolationResult("", 0, nothing, nothing, nothing, nothing))[0].precision.value)
