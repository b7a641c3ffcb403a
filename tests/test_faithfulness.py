"""Faithfulness with scorers whose reasons are known: the right spans are told from random ones, and overlap from scikit-learn's F1."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from classifier.errors import CalibrationError
from classifier.evaluation.faithfulness import Explained, faithfulness, only, overlap, random_stretches, without


def keyword(texts):
    return np.array([0.9 if "收币" in text else 0.1 for text in texts])


def explained(shown, n=40):
    text = "今天我们在小区门口看见一只猫收币然后大家一起回家吃饭"
    at = text.index("收币")
    stretch = {"right": ((at, at + 2),), "wrong": ((0, 2),), "none": (), "all": ((0, len(text)),)}[shown]
    return [Explained(text, stretch, ((at, at + 2),))] * n


def judged(shown):
    return faithfulness(explained(shown), keyword, clusters=None, seed=0, n_resamples=100)


def test_the_right_spans_take_all_and_keep_all():
    found = judged("right")
    assert found.comprehensiveness.value == pytest.approx(0.8)
    assert found.sufficiency.value == pytest.approx(0)
    assert found.comprehensiveness_gain.low > 0
    assert found.sufficiency_gain.low > 0
    assert (found.f1.value, found.iou.value) == (1, 1)


def test_wrong_spans_are_no_better_than_random_ones():
    found = judged("wrong")
    assert found.comprehensiveness.value == 0
    assert found.sufficiency.value == pytest.approx(0.8)
    assert found.comprehensiveness_gain.value <= 0
    assert found.f1.value == 0


def test_showing_nothing_explains_nothing():
    found = judged("none")
    assert found.comprehensiveness.value == 0
    assert found.sufficiency.value == pytest.approx(0.9)
    assert found.shown_share.value == 0


def test_showing_all_gains_nothing_over_random_spans_of_that_length():
    found = judged("all")
    assert found.comprehensiveness_gain.value == pytest.approx(0)
    assert found.sufficiency_gain.value == pytest.approx(0)
    assert found.shown_share.value == 1


def test_texts_without_marks_count_for_faithfulness_alone():
    texts = [Explained("今天收币", ((2, 4),)), Explained("今天收币", ((2, 4),), ((2, 3),))]
    found = faithfulness(texts, keyword, clusters=None, seed=0, n_resamples=20)
    assert found.f1.value == pytest.approx(2 / 3)
    assert (found.f1.n, found.comprehensiveness.n) == (1, 2)


@given(shown=st.sets(st.integers(0, 9)), marked=st.sets(st.integers(0, 9), min_size=1))
def test_overlap_is_that_of_scikit_learn(shown, marked):
    item = Explained("abcdefghij", tuple((i, i + 1) for i in sorted(shown)), tuple((i, i + 1) for i in sorted(marked)))
    first, second = ([int(i in chosen) for i in range(10)] for chosen in (marked, shown))
    f1, iou, share = overlap(item)
    assert f1 == pytest.approx(sk.f1_score(first, second, zero_division=0))
    assert iou == pytest.approx(sk.jaccard_score(first, second, zero_division=0))
    assert share == len(shown) / 10


@given(st.lists(st.integers(1, 5), max_size=4), st.integers(20, 40), st.integers(0, 9))
def test_random_stretches_keep_the_lengths_and_never_overlap(lengths, n, seed):
    like, done = [], 0
    for length in lengths:
        like.append((done, done + length))
        done += length
    found = random_stretches(n, like, np.random.default_rng(seed))
    assert sorted(end - start for start, end in found) == sorted(lengths)
    assert all(first[1] <= second[0] for first, second in pairwise(found))
    assert all(0 <= start < end <= n for start, end in found)


def test_random_stretches_reach_every_place():
    rng = np.random.default_rng(0)
    assert {random_stretches(5, [(0, 2)], rng) for _ in range(200)} == {((i, i + 2),) for i in range(4)}


def test_without_and_only_part_a_text():
    text = "今天收币吗"
    assert without(text, [(2, 4)]) + only(text, [(2, 4)]) == "今天吗收币"


def test_no_text_is_refused():
    with pytest.raises(CalibrationError, match="at least one explained text"):
        faithfulness([], keyword, clusters=None, seed=0)


def test_the_result_is_json():
    assert json.loads(json.dumps(judged("right").to_dict()))["f1"]["value"] == 1
