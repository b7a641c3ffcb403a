"""The report counts what a keyword model loses by hand-countable rewritings, and names over-correction where there is any."""

import json

import numpy as np
import pytest
from scipy import stats

from classifier.attacks import techniques_of
from classifier.decisions.ladder import Ladder, LevelThreshold
from classifier.errors import CalibrationError
from classifier.evaluation.attack import attack_report, change_estimates, subsample
from classifier.evaluation.bootstrap import plan_resamples
from classifier.examples import Example
from classifier.policy import Policy
from classifier.text import normalise

POLICY = Policy.load()
N_QUESTIONS = len(POLICY.questions)


def ladder(threshold):
    def level(level, threshold):
        return LevelThreshold(level.id, level.severity, threshold, None, 0.9, 0.95, False, 0, 0, None, None, None, None)

    levels = tuple(level(item, threshold if item.severity == 1 else None) for item in POLICY.acting_levels)
    return Ladder(levels, None, POLICY.fingerprint, "by hand", None, 0, None)


def keyword_model(word, *, high=0.9, disguised=0.1):
    """Says yes to texts with the word after normalising; says ``disguised`` where a stroke or a Latin letter stands."""

    def predict(texts, sources):
        probs = np.full((len(texts), N_QUESTIONS), 0.1, dtype=np.float32)
        for i, text in enumerate(texts):
            plain = normalise(text).text
            probs[i] = high if word in plain else disguised if any(c.isascii() and c.isalpha() for c in plain) else 0.1
        return probs

    return predict


def texts(n):
    good = [Example(f"v{i}", f"我收比特币第{'零甲乙丙丁戊己庚辛壬'[i % 10]}回", "post", ("trading",), 2) for i in range(n)]
    return good + [Example(f"b{i}", f"今天朋友去学校第{'零甲乙丙丁戊己庚辛壬'[i % 10]}回", "post", (), 0) for i in range(n)]


def report(predict, names, *, intensities=(1.0,), threshold=0.8, n=40):
    return attack_report(
        texts(n), POLICY, ladder(threshold), predict, techniques_of(names), clusters=None, seed=1, intensities=intensities, n_resamples=200
    )


def test_a_rewriting_that_the_keyword_does_not_survive_costs_all_recall():
    (result,) = report(keyword_model("比特币"), ["pinyin"]).results
    assert result.flagged.recall_before.value == 1
    assert result.flagged.recall_after.value == 0
    assert result.flagged.loss.value == 1
    assert result.acted.loss.value == 1
    assert result.flagged.rise.value == 0
    assert result.n_changed_violating == result.n_changed_benign == 40


@pytest.mark.parametrize("name", ["zero_width", "traditional"])
def test_a_rewriting_that_normalising_undoes_costs_nothing(name):
    (result,) = report(keyword_model("比特币"), [name]).results
    assert result.flagged.loss.value == 0
    assert result.n_changed_violating == 40


def test_no_loss_seen_is_not_no_loss_possible():
    (result,) = report(keyword_model("比特币"), ["zero_width"]).results
    assert result.flagged.loss.high == pytest.approx(stats.binomtest(0, 40).proportion_ci(0.95).high)


def test_acting_and_flagging_have_thresholds_of_their_own():
    (result,) = report(keyword_model("比特币", high=0.7), ["pinyin"]).results
    assert result.flagged.recall_before.value == 1
    assert result.acted.recall_before.value == 0


def test_a_model_that_takes_disguise_for_guilt_is_named():
    found = report(keyword_model("比特币", disguised=0.95), ["pinyin", "zero_width"])
    assert found.over_corrections == ("pinyin",)
    assert found.results[0].flagged.rise.value == 1
    assert "Over-correction (false positives rise significantly): pinyin" in found.to_markdown()


def test_a_model_that_does_not_is_not():
    assert report(keyword_model("比特币"), ["pinyin", "marks"]).over_corrections == ()


def test_the_mean_is_that_of_the_techniques():
    found = report(keyword_model("比特币"), ["pinyin", "zero_width"], intensities=(0.3, 1.0))
    assert [mean.intensity for mean in found.means] == [0.3, 1.0]
    for mean in found.means:
        losses = [result.flagged.loss.value for result in found.results if result.intensity == mean.intensity]
        assert mean.flagged_loss.value == pytest.approx(np.mean(losses))


def test_texts_that_a_technique_leaves_alone_are_not_predicted_again():
    asked = []

    def predict(texts, sources):
        asked.append(len(texts))
        return keyword_model("比特币")(texts, sources)

    report(predict, ["numbers"])
    assert asked == [80]


def test_change_estimates_agree_with_a_count_by_hand():
    before, after = np.array([1, 1, 1, 0, 1], bool), np.array([[1, 0], [0, 0], [1, 0], [1, 0], [1, 1]], bool)
    members = np.array([1, 1, 1, 1, 0], bool)
    one, two = change_estimates(before, after, members, plan_resamples(None, 5, seed=0))
    assert (one.value, two.value) == (0.0, 0.75)
    assert one.low < 0 < one.high
    assert one.n == 4


def test_the_paired_interval_holds_its_confidence():
    rng, hits, n_runs = np.random.default_rng(0), 0, 200
    for run in range(n_runs):
        before = rng.random(120) < 0.8
        after = before & (rng.random(120) < 0.75)
        found = change_estimates(before, after[:, None], np.ones(120, bool), plan_resamples(None, 120, seed=run, n_resamples=200))[0]
        hits += found.low <= 0.8 * 0.25 <= found.high
    assert hits / n_runs > 0.91


def test_the_report_is_json_and_says_what_it_is_about():
    content = json.loads(json.dumps(report(keyword_model("比特币"), ["pinyin"]).to_dict(), ensure_ascii=False))
    assert (content["n"], content["n_violating"], content["half"]) == (80, 40, "test")
    assert content["results"][0]["flagged"]["loss"]["value"] == 1


def test_the_table_has_a_row_for_each_rewriting():
    found = report(keyword_model("比特币"), ["pinyin", "marks"], intensities=(0.5, 1.0)).to_markdown()
    assert found.count("| pinyin |") == 4


def test_a_subsample_is_drawn_once_and_keeps_the_order():
    drawn = subsample(texts(40), 10, seed=3)
    ids = [example.id for example in texts(40)]
    assert [example.id for example in drawn] == sorted({e.id for e in drawn}, key=ids.index)
    assert len(drawn) == 10
    assert drawn == subsample(texts(40), 10, seed=3)
    assert drawn != subsample(texts(40), 10, seed=4)


def test_no_text_is_refused():
    with pytest.raises(CalibrationError, match="at least one labelled text"):
        attack_report([], POLICY, ladder(0.8), keyword_model("币"), techniques_of(None), clusters=None, seed=0)
