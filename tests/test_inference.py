"""The inference function with a real, tiny bundle."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from classifier.errors import TextError
from classifier.inference import Classifier

from .conftest import make_examples

TEXTS = ["今天看见一只猫", "收U出U加微信群大家", "发行新币加微信", "投资日息" * 40, "收出藏品", "🅱️圈收Ｕ"]


@pytest.fixture(scope="module")
def classifier(tiny_bundle):
    return Classifier.load(tiny_bundle.folder, n_threads=1)


def test_it_learned_something(classifier):
    examples = make_examples(80, seed=99)
    probs = classifier.predict_proba([e.text for e in examples], source=[e.source for e in examples])
    violating = np.array([e.violating for e in examples])
    assert probs[violating, 4].mean() > probs[~violating, 4].mean() + 0.2


def test_probs_have_the_promised_shape_and_monotone_severity(classifier):
    probs = classifier.predict_proba(TEXTS)
    assert probs.shape == (len(TEXTS), 7)
    assert probs.dtype == np.float32
    assert (np.diff(probs[:, 4:], axis=1) <= 0).all()


def test_one_text_and_many_agree_and_keep_their_order(classifier):
    many = classifier.classify_many(TEXTS, source="bio", evidence=True)
    assert [d.to_dict() for d in many] == [classifier.classify(text, source="bio").to_dict() | {"id": None} for text in TEXTS]


def test_the_source_matters_to_the_model(classifier):
    as_post, as_bio = (classifier.encode(["收出藏品"], source=source).logits for source in ("post", "bio"))
    assert not np.array_equal(as_post, as_bio)


def test_a_long_text_says_how_many_windows_it_had(classifier):
    assert classifier.classify("投资日息" * 40).n_windows > 1
    assert classifier.classify("收U").n_windows == 1


def test_evidence_points_into_the_original_text(classifier):
    text = "今天我们在小区门口看见一只猫。收Ｕ出\u200bＵ加微信群大家!"
    for span in classifier.classify(text).evidence:
        assert text[span.start : span.end] == span.text


@pytest.mark.parametrize(
    ("text", "source", "told"),
    [
        ("", "post", "at least one visible character"),
        ("\u200b \x00\ud800", "post", "at least one visible character"),
        ("长" * 200_000, "post", "at most 20,000 characters, but got 200,000"),
        ("收U", "group", "expected source 'post' or 'bio', but got 'group'"),
        (None, "post", "expected a text, but got NoneType"),
    ],
)
def test_what_cannot_be_classified_says_why_and_stops_nobody(classifier, text, source, told):
    with pytest.raises(TextError, match=told):
        classifier.classify(text, source=source)
    before, bad, after = classifier.classify_many(["收U", text, "看见猫"], source=["post", source, "post"], ids=["a", "b", "c"])
    assert told in bad.error
    assert (bad.severity, bad.review, bad.id) == (0, True, "b")
    assert before.error is None
    assert after.error is None


@pytest.mark.parametrize("text", ["收U\ud800出U", "收U\x00出U", "收\u202eU", "\n收U\t"])
def test_broken_characters_inside_a_text_are_ignored(classifier, text):
    decision = classifier.classify(text)
    assert decision.error is None
    assert decision.probs == classifier.classify("".join(c for c in text if c in "收U出")).probs


def test_twenty_thousand_characters_are_read_to_the_end(classifier):
    plain = "今天看见一只猫。" * 2_490
    assert classifier.encode([plain + "收U出U加微信群大家"]).logits[0, 1] > classifier.encode([plain]).logits[0, 1]


def test_no_text_gives_no_decision(classifier):
    assert classifier.classify_many([]) == []


def test_a_single_text_given_as_a_list_is_a_programmers_mistake(classifier):
    with pytest.raises(ValueError, match="call classify for one"):
        classifier.classify_many("收U")


def test_threads_share_one_object(classifier):
    expected = [d.probs for d in classifier.classify_many(TEXTS)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: [d.probs for d in classifier.classify_many(TEXTS)], range(32)))
    assert all(answer == expected for answer in found)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_is_refused_with_a_reason(classifier):
    def ask(answers):
        try:
            classifier.classify_many(TEXTS)
        except RuntimeError as error:
            answers.put(str(error))

    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=ask, args=(answers,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert "load it there" in answers.get()


def test_pickling_is_refused_with_a_reason(classifier):
    with pytest.raises(TypeError, match="load it in the other process"):
        pickle.dumps(classifier)


def test_an_uncalibrated_bundle_acts_on_nothing(classifier):
    decisions = classifier.classify_many(TEXTS)
    assert {d.severity for d in decisions} == {0}
    assert not any(d.certified for d in decisions)
