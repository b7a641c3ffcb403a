"""The first stage: n-grams as counted by hand, a threshold that keeps its promise on simulated texts, and a bundle that decides by both stages."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from classifier.bundle import LAYOUT
from classifier.cascade import CascadeCertificate, FirstStage, hashed_grams, linear_scores, read_first_stage, write_first_stage
from classifier.cli import app
from classifier.decisions import Decision
from classifier.decisions.accounts import Post
from classifier.decisions.loss import certified_threshold, n_needed
from classifier.errors import BundleError, CalibrationError
from classifier.inference import Classifier
from classifier.records import read_examples
from classifier.training.cascade import cascade_bundle, cascade_report, write_with_first_stage
from classifier.training.first_stage import fit_weights, ordinary_texts

from .conftest import make_examples

CERTIFICATE = CascadeCertificate(0.1, 0.95, 100, 1, 0.05, "m", "l")
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cc"]), max_size=40), min_size=1, max_size=9)


def plain_scores(texts, weights, bits):
    """The same sums with plain integers and dictionaries."""
    totals = []
    for text in texts:
        codes = [0, 0, 0, *map(ord, text), 0, 0, 0]
        total, n = 0.0, 0
        for start in range(len(text) + 3):
            rolled = 0
            for length in range(1, 5):
                mixed = codes[start + length - 1] * 0x9E3779B1 % 2**32
                rolled = (rolled * 0x01000193 + (mixed ^ (mixed >> 15))) % 2**32
                spread = (rolled ^ (length * 0x85EBCA6B % 2**32)) * 0xC2B2AE35 % 2**32
                total += float(weights[spread >> (32 - bits)])
                n += 1
        totals.append(total / math.sqrt(n))
    return totals


@given(texts=TEXTS)
def test_scores_are_those_of_plain_python(texts):
    weights = np.random.default_rng(0).normal(size=1 << 12).astype(np.float32)
    assert linear_scores(texts, weights) == pytest.approx(plain_scores(texts, weights, 12), abs=1e-4)


@given(texts=TEXTS)
def test_a_score_does_not_depend_on_the_neighbours(texts):
    weights = np.random.default_rng(0).normal(size=1 << 12).astype(np.float32)
    alone = [linear_scores([text], weights)[0] for text in texts]
    assert linear_scores(texts, weights).tolist() == alone


def test_other_grams_have_other_buckets():
    grams = hashed_grams(["".join(map(chr, range(0x4E00, 0x6E00)))], 32)
    for buckets in grams.buckets:
        assert len(np.unique(buckets)) > 0.999 * (len(buckets) - 3)


def test_buckets_are_filled_evenly():
    text = "".join(map(chr, range(0x4E00, 0x9E00)))
    for buckets in hashed_grams([text], 8).buckets:
        counts = np.bincount(buckets, minlength=256)
        assert counts.min() > 0.5 * len(text) / 256
        assert counts.max() < 2 * len(text) / 256


def test_a_first_stage_survives_its_file(tmp_path):
    stage = FirstStage(np.arange(8, dtype=np.float32), 0.1 + 0.2, -1 / 3, CERTIFICATE)
    write_first_stage(tmp_path / "a.npz", stage)
    read = read_first_stage(tmp_path / "a.npz")
    assert (read.weights.tolist(), read.intercept, read.threshold, read.certificate) == (list(range(8)), 0.1 + 0.2, -1 / 3, CERTIFICATE)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive at all"])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(BundleError, match="expected a first stage"):
        read_first_stage(tmp_path / "a.npz")


@pytest.mark.parametrize("weights", [np.zeros(6, dtype=np.float32), np.zeros(8), np.zeros((2, 4), dtype=np.float32), np.zeros(0, dtype=np.float32)])
def test_weights_of_another_shape_are_refused(tmp_path, weights):
    write_first_stage(tmp_path / "a.npz", FirstStage(weights, 0.0, 0.0, CERTIFICATE))
    with pytest.raises(BundleError, match="a power of two"):
        read_first_stage(tmp_path / "a.npz")


def test_the_threshold_is_inclusive():
    stage = FirstStage(np.zeros(4, dtype=np.float32), 0.5, 0.5, CERTIFICATE)
    assert stage.goes_on(["收U", "今天"]).tolist() == [True, True]
    assert replace(stage, threshold=float(np.nextafter(0.5, 1))).goes_on(["收U"]).tolist() == [False]
    assert stage.goes_on([]).tolist() == []


@pytest.mark.parametrize(("max_loss_rate", "n"), [(0.005, 597), (0.1, 28)])
def test_one_text_too_few_says_how_many_more_and_what_holds_today(max_loss_rate, n):
    with pytest.raises(CalibrationError, match=r": 1 more needed; certifiable today: --max-loss-rate 0\.") as told:
        certified_threshold(np.zeros(n), max_loss_rate=max_loss_rate, confidence_level=0.95)
    offered = float(str(told.value).rpartition(" ")[2].rstrip("."))
    assert certified_threshold(np.zeros(n), max_loss_rate=offered, confidence_level=0.95).n_lost == 0
    assert n_needed(max_loss_rate, 0.95) == n + 1


def test_no_text_certifies_nothing():
    with pytest.raises(CalibrationError, match="got 0: 598 more needed; nothing can be certified"):
        certified_threshold([], max_loss_rate=0.005, confidence_level=0.95)


@pytest.mark.parametrize("n", [60, 200])
def test_the_promise_is_broken_no_more_often_than_stated(n):
    generator = np.random.default_rng(5)
    # Scores are uniform, so the share that a threshold loses is the threshold itself.
    broken = [certified_threshold(generator.random(n), max_loss_rate=0.1, confidence_level=0.9).threshold > 0.1 for _ in range(4000)]
    assert np.mean(broken) <= 0.1 + 3 * math.sqrt(0.1 * 0.9 / 4000)
    assert np.mean(broken) > 0.02  # nor is it far too careful


def test_as_many_are_lost_as_the_binomial_test_allows():
    from scipy.stats import binom

    made = certified_threshold(np.arange(1000.0), max_loss_rate=0.01, confidence_level=0.95)
    assert binom.cdf(made.n_lost, 1000, 0.01) <= 0.05 < binom.cdf(made.n_lost + 1, 1000, 0.01)
    assert made.threshold == made.n_lost


def test_weights_are_those_of_scikit_learn():
    from sklearn.linear_model import LogisticRegression

    examples = make_examples(60, seed=4)
    texts, answers = [e.text for e in examples], [e.violating for e in examples]
    weights, intercept = fit_weights(texts, answers, seed=0, bits=10)
    grams = hashed_grams(texts, 10)
    features = np.zeros((60, 1 << 10))
    for row, (start, n) in enumerate(zip(grams.starts, grams.n_places, strict=True)):
        for buckets in grams.buckets:
            np.add.at(features[row], buckets[start : start + n], 1 / math.sqrt(4 * n))
    model = LogisticRegression(C=3.0, class_weight="balanced", max_iter=1000).fit(features, answers)
    assert linear_scores(texts, weights) + intercept == pytest.approx(model.decision_function(features), abs=5e-3)


def test_texts_of_one_kind_teach_nothing():
    with pytest.raises(CalibrationError, match="2 of one kind"):
        fit_weights(["今天", "看见"], [False, False], seed=0)


def test_ordinary_texts_have_the_lengths_and_are_made_of_words():
    texts = ordinary_texts([7, 30], 200, seed=1)
    assert {len(text) for text in texts} <= set(range(3, 31))
    assert sum(len(text) for text in texts) > 200 * 12
    assert texts == ordinary_texts([7, 30], 200, seed=1)
    assert texts != ordinary_texts([7, 30], 200, seed=2)


@pytest.fixture(scope="module")
def cascade(tiny_bundle, toy_files, tmp_path_factory):
    """The folder of the tiny bundle with a first stage, and the report."""
    out = tmp_path_factory.mktemp("cascade") / "bundle"
    report = cascade_bundle(tiny_bundle.folder, [toy_files["train"]], [toy_files["calibration"]], out, seed=3, max_loss_rate=0.05, n_threads=1)
    return out, report


TOGETHER = ["今天看见一只猫", "收U出U加微信群大家", "", "小区门口新课程", "投资日息加微信", "今天看见一只猫"]


def test_what_goes_on_is_decided_as_without(cascade):
    both, full = Classifier.load(cascade[0], n_threads=1, cascade=True), Classifier.load(cascade[0], n_threads=1)
    texts = [example.text for example in make_examples(120, seed=77)] + TOGETHER
    decided, expected = both.classify_many(texts, evidence=True), full.classify_many(texts, evidence=True)
    stages = {decision.stage for decision in decided}
    assert stages == {"first", "full"}
    for decision, other in zip(decided, expected, strict=True):
        assert decision.stage == "first" or decision == other


def test_a_text_that_passes_says_so(cascade):
    both = Classifier.load(cascade[0], n_threads=1, cascade=True)
    decisions = both.classify_many([example.text for example in make_examples(120, seed=77)], ids=[str(i) for i in range(120)])
    passed = next(decision for decision in decisions if decision.stage == "first")
    assert (passed.severity, passed.review, passed.probs, passed.n_windows, passed.error) == (0, False, {}, 0, None)
    assert passed.id is not None
    assert passed.text_sha256 is not None
    assert "first stage" in passed.explain(both.policy).en
    assert Decision.from_dict(json.loads(json.dumps(passed.to_dict()))) == passed


def test_a_decision_from_before_there_was_a_first_stage_is_read(tiny_bundle):
    decision = Classifier.load(tiny_bundle.folder, n_threads=1).classify("收U")
    content = decision.to_dict()
    del content["stage"]
    assert Decision.from_dict(content) == decision


def test_the_encoder_sees_only_what_goes_on(cascade):
    both = Classifier.load(cascade[0], n_threads=1, cascade=True, cache_size=0)
    decisions = both.classify_many([example.text for example in make_examples(120, seed=77)])
    assert both.cache_counts.n_misses == sum(decision.stage == "full" for decision in decisions)


def test_the_loss_on_calibration_is_what_the_certificate_says(cascade, toy_files, policy):
    out, report = cascade
    calibration = read_examples([toy_files["calibration"]], policy)
    decided = {
        on: Classifier.load(out, n_threads=1, cascade=on).classify_many([e.text for e in calibration], source=[e.source for e in calibration])
        for on in (False, True)
    }
    found = [i for i, e in enumerate(calibration) if e.violating and (decided[False][i].severity > 0 or decided[False][i].review)]
    lost = [i for i in found if decided[True][i].stage == "first"]
    assert report.certificate.n_trials <= len(found)
    assert report.certificate.n_lost <= len(lost)
    assert report.certificate.loss_rate_upper_bound <= 0.05
    assert len(lost) / len(found) <= 0.05


def test_accounts_are_decided_by_the_encoder(cascade):
    posts = [Post(example.text) for example in make_examples(40, seed=77)]
    both, full = Classifier.load(cascade[0], n_threads=1, cascade=True), Classifier.load(cascade[0], n_threads=1)
    assert both.classify_account("今天看见一只猫", posts) == full.classify_account("今天看见一只猫", posts)


def test_plain_loading_ignores_the_first_stage(cascade, tiny_bundle):
    made, before = Classifier.load(cascade[0], n_threads=1), Classifier.load(tiny_bundle.folder, n_threads=1)
    assert made.classify_many(TOGETHER) == before.classify_many(TOGETHER)


def test_a_bundle_without_a_first_stage_says_so(tiny_bundle):
    with pytest.raises(BundleError, match="make one with `classifier cascade`"):
        Classifier.load(tiny_bundle.folder, cascade=True)


def test_a_first_stage_of_another_model_is_refused(cascade, tiny_bundle, tmp_path):
    stage = read_first_stage(cascade[0] / LAYOUT.cascade)
    other = replace(stage, certificate=replace(stage.certificate, ladder_fingerprint="other"))
    write_with_first_stage(tiny_bundle, tmp_path / "bundle", other, {})
    with pytest.raises(BundleError, match="certified for model and ladder"):
        Classifier.load(tmp_path / "bundle", cascade=True)


def test_an_altered_first_stage_is_refused(cascade, tmp_path):
    import shutil

    shutil.copytree(cascade[0], tmp_path / "bundle")
    with (tmp_path / "bundle" / LAYOUT.cascade).open("ab") as handle:
        handle.write(b"x")
    with pytest.raises(BundleError, match="altered"):
        Classifier.load(tmp_path / "bundle")


def test_the_report_adds_up(cascade):
    report = cascade[1]
    for row in report.rows:
        assert row.share_passed == pytest.approx(row.prevalence * report.violating_passed + (1 - row.prevalence) * report.benign_passed)
        assert 1 / row.texts_per_s == pytest.approx(1 / report.first_per_s + (1 - row.share_passed) / report.full_per_s)
    assert [row.prevalence for row in report.rows] == [0.001, 0.01, 0.1]


def test_ordinary_texts_of_the_report_are_those_given(cascade, tiny_bundle, toy_files, policy):
    stage = read_first_stage(cascade[0] / LAYOUT.cascade)
    calibration = read_examples([toy_files["calibration"]], policy)
    report = cascade_report(replace(stage, threshold=math.inf), tiny_bundle, calibration, ["今天", "小区"], n_threads=1)
    assert (report.n_benign, report.benign_passed, report.violating_passed) == (2, 1.0, 1.0)


def test_two_runs_with_one_seed_are_equal(cascade, tiny_bundle, toy_files, tmp_path):
    cascade_bundle(
        tiny_bundle.folder, [toy_files["train"]], [toy_files["calibration"]], tmp_path / "b", seed=3, max_loss_rate=0.05, n_threads=1
    )
    assert (tmp_path / "b" / LAYOUT.cascade).read_bytes() == (cascade[0] / LAYOUT.cascade).read_bytes()


def test_the_command_writes_the_bundle_and_classify_uses_it(tiny_bundle, toy_files, tmp_path):
    out = str(tmp_path / "b")
    paths = ["--train", str(toy_files["train"]), "--calibration", str(toy_files["calibration"])]
    made = CliRunner().invoke(app, ["cascade", str(tiny_bundle.folder), *paths, "--out", out, "--max-loss-rate", "0.05", "--threads", "1"])
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["certificate"]["max_loss_rate"] == 0.05
    options = ["--bundle", out, "--cascade", "--format", "jsonl", "--threads", "1"]
    decided = CliRunner().invoke(app, ["classify", str(toy_files["test"]), *options])
    assert {json.loads(line)["stage"] for line in decided.stdout.splitlines()} == {"first", "full"}


def test_the_command_writes_nothing_where_nothing_can_be_certified(tiny_bundle, toy_files, tmp_path):
    paths = ["--train", str(toy_files["train"]), "--calibration", str(toy_files["calibration"])]
    made = CliRunner().invoke(app, ["cascade", str(tiny_bundle.folder), *paths, "--out", str(tmp_path / "b"), "--max-loss-rate", "0.001"])
    assert isinstance(made.exception, CalibrationError)
    assert "more needed" in str(made.exception)
    assert not (tmp_path / "b").exists()
