"""Keyword list, fastText and neighbours do what they say, and the comparison tells a real difference from none."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn import metrics as sk
from sklearn.neighbors import KNeighborsClassifier

from classifier.errors import CalibrationError
from classifier.evaluation import paired_difference
from classifier.evaluation.baselines import Baseline, compare_baselines, keyword_baseline, neighbour_baseline, ngram_baseline
from classifier.evaluation.baselines.fitting import fitted_baseline
from classifier.evaluation.baselines.keywords import keyword_lists
from classifier.examples import Example, targets_of
from classifier.policy import Policy
from tests.test_baselines import texts

POLICY = Policy.load()
N_QUESTIONS = len(POLICY.questions)


def posts(*given):
    return [Example(str(i), text, "post", (), 0) for i, text in enumerate(given)]


def test_one_sure_keyword_is_a_prob_of_a_half_and_two_ambiguous_ones_are_too():
    one, two, none = keyword_baseline(posts("代抢", "买个盲盒参加抽签", "今天天气很好"), POLICY)
    column = POLICY.category_ids.index("secondary_nft")
    assert one[column] == two[column] == 0.5
    assert none.max() == 0


def test_soliciting_alone_is_nothing_and_beside_a_keyword_it_weighs():
    alone, plain, both = keyword_baseline(posts("加V详谈", "收U", "收U加V详谈"), POLICY)
    assert alone.max() == 0
    assert both[4] > plain[4]


def test_the_keyword_list_reads_through_disguises_and_ignores_case():
    plain, disguised = keyword_baseline(posts("usdt", "ＵＳ\u200bＤＴ"), POLICY)
    np.testing.assert_array_equal(plain, disguised)
    assert plain[POLICY.category_ids.index("trading")] == 0.5


def test_severity_probs_of_the_keyword_list_fall_with_severity():
    (row,) = keyword_baseline(posts("收U出U币商秒结"), POLICY)
    assert row[4] > row[5] > row[6] > 0


def test_every_category_of_the_shipped_policy_has_keywords():
    assert set(POLICY.category_ids) <= set(keyword_lists())


def test_a_policy_of_other_categories_is_refused():
    from dataclasses import replace

    other = replace(POLICY, categories=(replace(POLICY.categories[0], id="gambling"), *POLICY.categories[1:]))
    with pytest.raises(CalibrationError, match="gambling"):
        keyword_baseline(posts("币"), other)


def test_no_text_has_no_row():
    assert keyword_baseline([], POLICY).shape == (0, N_QUESTIONS)


@pytest.fixture(scope="module")
def ngram_probs():
    return ngram_baseline(texts(160, 0), texts(80, 1), POLICY, seed=0)


def test_characters_tell_what_words_do(ngram_probs):
    targets = targets_of(texts(80, 1), POLICY)
    for j in range(5):
        assert sk.f1_score(targets[:, j], ngram_probs[:, j] >= 0.5) > 0.9


def test_fasttext_gives_probs_and_the_same_ones_again(ngram_probs):
    assert (ngram_probs.dtype, ngram_probs.shape) == (np.float32, (80, N_QUESTIONS))
    assert ngram_probs.min() >= 0
    assert ngram_probs.max() <= 1
    np.testing.assert_array_equal(ngram_baseline(texts(160, 0), texts(80, 1), POLICY, seed=0), ngram_probs)


def test_fasttext_takes_texts_of_any_white_space():
    assert ngram_baseline(texts(40, 0), posts("a\nb", " "), POLICY, seed=0).shape == (2, N_QUESTIONS)


def test_fasttext_without_training_texts_is_refused():
    with pytest.raises(CalibrationError, match="training texts"):
        ngram_baseline([], texts(3, 0), POLICY, seed=0)


def test_neighbours_agree_with_scikit_learns_classifier():
    rng = np.random.default_rng(0)
    train, test, answers = rng.normal(size=(60, 5)), rng.normal(size=(20, 5)), (rng.random((60, 3)) < 0.4).astype(int)
    oracle = KNeighborsClassifier(10, metric="cosine", weights="distance").fit(train, answers)
    expected = np.column_stack([probs[:, 1] for probs in oracle.predict_proba(test)])
    np.testing.assert_allclose(neighbour_baseline(train, answers, test), expected, atol=1e-6)


def test_the_same_text_again_decides_alone():
    found = neighbour_baseline([[1.0, 0.0], [0.0, 1.0]], [[1], [0]], [[2.0, 0.0]])
    assert found[0, 0] == pytest.approx(1, abs=1e-5)


def test_fewer_texts_than_neighbours_are_enough():
    assert neighbour_baseline(np.eye(3), [[1], [0], [1]], np.eye(3)).shape == (3, 1)


def test_vectors_of_another_width_are_refused():
    with pytest.raises(CalibrationError, match="one width"):
        neighbour_baseline(np.eye(3), [[1], [0], [1]], np.eye(2))


def model_and_worse():
    examples = texts(120, 2)
    targets = targets_of(examples, POLICY)
    good = np.where(targets == 1, 0.9, 0.1).astype(np.float32)
    worse = good.copy()
    worse[1:60:2] = 0.1  # thirty violating texts are missed
    return examples, targets, good, worse


def test_a_baseline_that_misses_much_is_worse_by_every_test():
    examples, targets, good, worse = model_and_worse()
    (result,) = compare_baselines(good, [Baseline("worse", worse)], targets, examples, POLICY, clusters=None, seed=0, n_resamples=200)
    assert (result.mcnemar.n_only_first, result.mcnemar.n_only_second) == (30, 0)
    assert result.mcnemar.p_value == pytest.approx(2 * 0.5**30)
    assert result.difference.violation_f1.low > 0
    assert result.headline.violation_f1.value == pytest.approx(sk.f1_score(targets[:, 4], worse[:, 4] >= 0.5))


def test_a_baseline_like_the_model_is_no_different():
    examples, targets, good, _ = model_and_worse()
    (result,) = compare_baselines(good, [Baseline("same", good)], targets, examples, POLICY, clusters=None, seed=0, n_resamples=50)
    assert result.mcnemar.p_value == 1
    assert result.difference.macro_f1.value == result.difference.macro_f1.high == 0


def test_headline_less_headline_is_the_difference():
    examples, targets, good, worse = model_and_worse()
    baselines = [Baseline("good", good), Baseline("worse", worse)]
    one, two = compare_baselines(good, baselines, targets, examples, POLICY, clusters=None, seed=0, n_resamples=50)
    found = paired_difference(good, worse, targets, examples, POLICY, clusters=None, seed=0, n_resamples=50)
    for name in ("macro_f1", "violation_f1", "violation_average_precision", "severity_kappa"):
        gap = getattr(one.headline, name).value - getattr(two.headline, name).value
        assert getattr(found, name).value == pytest.approx(gap)
    assert two.difference == found


def test_a_fitted_baseline_brings_thresholds_of_its_own():
    found = fitted_baseline("keywords", lambda train, test: keyword_baseline(test, POLICY), texts(160, 0), texts(80, 1), POLICY)
    assert found.thresholds.category_ids == POLICY.category_ids
    assert found.probs.shape == (80, N_QUESTIONS)


def test_results_are_json():
    import json

    examples, targets, good, worse = model_and_worse()
    (result,) = compare_baselines(good, [Baseline("worse", worse)], targets, examples, POLICY, clusters=None, seed=0, n_resamples=50)
    assert json.loads(json.dumps(result.to_dict()))["mcnemar"]["n_only_first"] == 30


@pytest.mark.parametrize("kind", ["keywords", "tfidf", "ngrams", "neighbours"])
def test_the_command_saves_scores_that_can_be_read(kind, toy_files, tiny_base, tmp_path):
    from classifier.evaluation.scores import read_scores
    from tests.test_cli import run

    out = tmp_path / "s.npz"
    done = run("baseline", kind, "--train", toy_files["train"], "--test", toy_files["test"], "--out", out, "--base", tiny_base)
    assert done.returncode == 0, done.stderr
    scores = read_scores(out, POLICY)
    assert scores.logits.shape == (120, N_QUESTIONS)
    gold = scores.targets(POLICY)[:, 4]
    assert sk.average_precision_score(gold, scores.logits[:, 4]) > gold.mean()


def test_an_unknown_kind_is_one_line_and_exit_2(toy_files, tmp_path):
    from tests.test_cli import run

    done = run("baseline", "magic", "--test", toy_files["test"], "--out", tmp_path / "s.npz")
    assert done.returncode == 2
    assert "keywords, tfidf" in done.stderr


def test_a_baseline_that_learns_needs_training_texts(toy_files, tmp_path):
    from tests.test_cli import run

    done = run("baseline", "tfidf", "--test", toy_files["test"], "--out", tmp_path / "s.npz")
    assert done.returncode == 2
    assert "--train" in done.stderr


def test_importing_the_baselines_loads_nothing_optional():
    script = "import sys, classifier.evaluation.baselines; print(*{'sklearn', 'jieba', 'fasttext', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
