"""The baseline learns what words can tell, and the paired difference tells chance from more."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sk

from classifier.decisions import CategoryThresholds
from classifier.errors import CalibrationError
from classifier.evaluation import paired_difference, tfidf_baseline
from classifier.examples import Example, targets_of
from classifier.policy import Policy

POLICY = Policy.load()
N_QUESTIONS = len(POLICY.questions)
WORDS = {
    "issuance": "代发币 一键发币 上币服务",
    "trading": "出U收U 合约带单 交易所注册",
    "financing": "质押理财 私募额度 云算力",
    "secondary_nft": "藏品寄售 求购藏品 地板价",
}


def texts(n, seed):
    """Half benign, the others with words of one category; severity 1 except for issuance, which is 2. No text is of severity 3."""
    rng = np.random.default_rng(seed)
    found = []
    for i in range(n):
        filler = " ".join(rng.choice(["今天", "天气", "很好", "我们", "一起", "学习", "朋友"], 4))
        category = POLICY.category_ids[i // 2 % 4] if i % 2 else None
        text = filler if category is None else f"{filler} {rng.choice(WORDS[category].split())}"
        found.append(Example(str(i), text, "post", () if category is None else (category,), 0 if category is None else 1 + (category == "issuance")))
    return found


@pytest.fixture(scope="module")
def probs():
    return tfidf_baseline(texts(160, 0), texts(80, 1), POLICY, seed=0)


def test_the_baseline_finds_what_words_tell(probs):
    targets = targets_of(texts(80, 1), POLICY)
    for j in range(N_QUESTIONS - 1):
        assert sk.f1_score(targets[:, j], probs[:, j] >= 0.5) > 0.9


def test_the_baseline_gives_float32_probs_of_every_question(probs):
    assert (probs.dtype, probs.shape) == (np.float32, (80, N_QUESTIONS))
    assert probs.min() >= 0
    assert probs.max() <= 1


def test_a_question_that_training_always_answers_alike_gets_that_answer(probs):
    np.testing.assert_array_equal(probs[:, -1], np.zeros(80))


def test_the_baseline_reads_through_disguises_as_the_model_does():
    plain, disguised = (tfidf_baseline(texts(80, 0), [Example("1", text, "post", (), 0)], POLICY, seed=0) for text in ("出U收U", "出Ｕ收\u200bＵ"))
    np.testing.assert_array_equal(plain, disguised)


def test_the_same_seed_gives_the_same_probs(probs):
    np.testing.assert_array_equal(tfidf_baseline(texts(160, 0), texts(80, 1), POLICY, seed=0), probs)


def test_no_text_to_judge_gives_no_row():
    assert tfidf_baseline(texts(20, 0), [], POLICY, seed=0).shape == (0, N_QUESTIONS)


def test_no_training_text_is_refused():
    with pytest.raises(CalibrationError, match="training texts with words"):
        tfidf_baseline([], texts(3, 0), POLICY, seed=0)


def test_importing_the_room_loads_neither_scikit_learn_nor_jieba():
    code = "import sys, classifier.evaluation; print(sorted({'sklearn', 'jieba', 'torch'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def noisy(examples, noise, seed):
    targets = targets_of(examples, POLICY)
    values = 1 / (1 + np.exp(-(4 * targets - 2 + np.random.default_rng(seed).normal(0, noise, targets.shape))))
    values[:, POLICY.n_categories :] = np.minimum.accumulate(values[:, POLICY.n_categories :], axis=1)
    return values


def compare(first, second, examples, **options):
    return paired_difference(
        first, second, targets_of(examples, POLICY), examples, POLICY, **({"clusters": None, "seed": 0, "n_resamples": 300} | options)
    )


def test_the_same_probs_differ_by_exactly_nothing():
    examples = texts(200, 0)
    values = noisy(examples, 2, 0)
    found = compare(values, values, examples)
    assert {(item.value, item.low, item.high) for item in vars(found).values()} == {(0.0, 0.0, 0.0)}


def test_the_values_are_differences_of_those_of_scikit_learn():
    examples = texts(200, 0)
    first, second, gold = noisy(examples, 1.5, 0), noisy(examples, 2.5, 1), targets_of(examples, POLICY)
    found = compare(first, second, examples)

    def differ(metric):
        return pytest.approx(metric(first) - metric(second))

    assert found.macro_f1.value == differ(lambda p: sk.f1_score(gold[:, :4], p[:, :4] >= 0.5, average="macro"))
    assert found.violation_f1.value == differ(lambda p: sk.f1_score(gold[:, 4], p[:, 4] >= 0.5))
    assert found.violation_average_precision.value == differ(lambda p: sk.average_precision_score(gold[:, 4], p[:, 4]))
    assert found.severity_kappa.value == differ(
        lambda p: sk.cohen_kappa_score(gold[:, 4:].sum(axis=1), (p[:, 4:] >= 0.5).sum(axis=1), weights="quadratic")
    )


def test_a_plainly_better_model_is_more_than_chance():
    examples = texts(300, 0)
    found = compare(noisy(examples, 1, 0), noisy(examples, 4, 1), examples)
    assert min(item.low for item in vars(found).values()) > 0


def test_two_equally_good_models_differ_beyond_the_interval_as_rarely_as_it_says():
    examples = texts(150, 0)
    found = [compare(noisy(examples, 2, seed), noisy(examples, 2, 999 - seed), examples).macro_f1 for seed in range(100)]
    assert np.mean([not item.low <= 0 <= item.high for item in found]) <= 0.12


def test_category_thresholds_serve_their_own_probs_only():
    examples = texts(200, 0)
    values, gold = noisy(examples, 2, 0), targets_of(examples, POLICY)
    strict = CategoryThresholds(POLICY.category_ids, (0.9,) * 4, (None,) * 4, (1,) * 4, POLICY.fingerprint)
    found = compare(values, values, examples, first_thresholds=strict).macro_f1.value
    at_09, at_05 = (sk.f1_score(gold[:, :4], values[:, :4] >= t, average="macro") for t in (0.9, 0.5))
    assert found == pytest.approx(at_09 - at_05)


def test_probs_of_other_texts_are_a_mistake_of_the_caller():
    examples = texts(20, 0)
    with pytest.raises(ValueError, match="20 examples, but got 20 and 10"):
        compare(noisy(examples, 1, 0), noisy(examples, 1, 0)[:10], examples)
