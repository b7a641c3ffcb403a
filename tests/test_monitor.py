"""The monitor: false alarms counted over simulated streams, shifts found, and what a void file does to a bundle."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
from scipy import stats
from typer.testing import CliRunner

from classifier.bundle import load_bundle
from classifier.cli import app
from classifier.decisions.monitor import MonitorReport, Sample, Void, conformal_p_values, log_martingale, monitor
from classifier.errors import BundleError, CalibrationError
from classifier.evaluation.scores import read_scores, write_scores
from classifier.inference import Classifier
from classifier.scoring import score_files
from classifier.training.assemble import recalibrated

QUESTIONS = ("act", "severity>=1")


def sample(n_texts, generator, *, shift=0.0, noise=1.0, labelled=False):
    """Texts of two sources; their two logits depend on each other, and tell the truth up to ``noise``."""
    truth = generator.random(n_texts) < 0.4
    common = np.where(truth, 1.0, -1.0) + generator.normal(0, noise, n_texts) + shift
    logits = np.column_stack([common, common + generator.normal(0, 0.2, n_texts)]).astype(np.float32)
    sources = tuple(np.where(generator.random(n_texts) < 0.5, "post", "bio").tolist())
    targets = np.column_stack([truth, truth]).astype(np.int8) if labelled else None
    return Sample(logits, sources, targets)


def limit(rate, n_streams):
    return rate + 3 * np.sqrt(rate * (1 - rate) / n_streams)


def test_the_ranks_of_exchangeable_scores_are_uniform_and_independent():
    generator = np.random.default_rng(0)
    ranks = conformal_p_values(generator.normal(size=50), generator.normal(size=4_000), generator=generator)
    assert stats.kstest(ranks, "uniform").pvalue > 0.001
    assert abs(stats.spearmanr(ranks[:-1], ranks[1:]).statistic) < 0.05


def test_ties_are_broken_evenly():
    generator = np.random.default_rng(1)
    ranks = conformal_p_values(np.zeros(30), np.zeros(2_000), generator=generator)
    assert stats.kstest(ranks, "uniform").pvalue > 0.001


def test_the_expected_stake_of_fair_bets_is_one():
    generator = np.random.default_rng(2)
    stakes = np.exp([log_martingale(generator.random(20))[-1] for _ in range(4_000)])
    assert stakes.mean() == pytest.approx(1, abs=4 * stakes.std() / np.sqrt(4_000))


@pytest.mark.parametrize("discrete", [False, True])
def test_one_stream_rarely_reaches_its_bound_without_a_change(discrete):
    alarms = []
    for seed in range(600):
        generator = np.random.default_rng(seed)
        scores = generator.normal(size=340)
        scores = np.round(scores) if discrete else scores
        stakes = log_martingale(conformal_p_values(scores[:40], scores[40:], generator=generator))
        alarms.append(stakes.max() >= np.log(5))
    assert 0 < np.mean(alarms) <= limit(0.2, 600)


def test_all_streams_together_keep_the_false_alarm_rate():
    alarms = []
    for seed in range(400):
        generator = np.random.default_rng(seed)
        samples = sample(80, generator, labelled=True), sample(150, generator, labelled=True)
        alarms.append(monitor(*samples, QUESTIONS, false_alarm_rate=0.1, seed=seed).rejected)
    assert np.mean(alarms) <= limit(0.1, 400)


def test_ranks_among_the_calibration_scores_alone_would_give_false_alarms():
    # The ranks that one might take at first sight: they share the luck of the calibration sample, and bets on them break the bound.
    alarms = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        reference, fresh = np.sort(generator.normal(size=40)), generator.normal(size=2_000)
        above = 40 - np.searchsorted(reference, fresh)
        stakes = log_martingale((above + generator.random(2_000)) / 41)
        alarms.append(stakes.max() >= np.log(5))
    assert np.mean(alarms) > limit(0.2, 200)


@pytest.mark.parametrize("shift", [-1.0, 1.0])
def test_a_shift_is_found_either_way(shift):
    generator = np.random.default_rng(5)
    report = monitor(sample(400, generator), sample(400, generator, shift=shift), QUESTIONS)
    assert report.rejected
    assert all(stream.rejected for stream in report.streams)
    assert all(0 < stream.rejected_after < stream.n_fresh for stream in report.streams)


def test_a_model_that_is_less_right_is_found_by_its_labels():
    generator = np.random.default_rng(6)
    turned = sample(400, generator, labelled=True)
    wrong = Sample(turned.logits, turned.sources, 1 - turned.targets)
    report = monitor(sample(400, generator, labelled=True), wrong, QUESTIONS)
    assert {stream.kind for stream in report.streams if stream.rejected} == {"errors"}


def test_the_budget_is_shared_over_questions_sources_and_kinds():
    generator = np.random.default_rng(7)
    labelled = monitor(sample(80, generator, labelled=True), sample(9, generator, labelled=True), QUESTIONS, false_alarm_rate=0.02)
    assert (len(labelled.streams), {stream.bound for stream in labelled.streams}) == (8, {400.0})
    unlabelled = monitor(sample(80, generator, labelled=True), sample(9, generator), QUESTIONS, false_alarm_rate=0.02)
    assert (len(unlabelled.streams), {stream.bound for stream in unlabelled.streams}) == (4, {200.0})


def test_a_longer_file_repeats_what_the_shorter_one_told():
    generator = np.random.default_rng(8)
    calibration, fresh = sample(100, generator), sample(300, generator, shift=4.0)
    first = Sample(fresh.logits[:200], fresh.sources[:200])
    found = [[s.rejected_after for s in monitor(calibration, part, QUESTIONS, seed=3).streams] for part in (first, fresh)]
    assert found[0] == found[1]
    assert None not in found[0]


def test_a_source_without_enough_calibration_texts_is_named():
    generator = np.random.default_rng(9)
    fresh = sample(30, generator)
    report = monitor(Sample(np.zeros((20, 2)), ("post",) * 20), fresh, QUESTIONS)
    assert report.untested_sources == ("bio",)
    assert {stream.source for stream in report.streams} == {"post"}


def test_no_fresh_text_tells_nothing():
    report = monitor(Sample(np.zeros((20, 2)), ("post",) * 20), Sample(np.zeros((0, 2)), ()), QUESTIONS)
    assert [(stream.martingale, stream.n_fresh) for stream in report.streams] == [(1.0, 0)] * 2
    assert not report.rejected


def test_wrong_shapes_are_refused():
    with pytest.raises(CalibrationError, match="Expected one row of logits"):
        Sample(np.zeros((3, 2)), ("post",))
    with pytest.raises(CalibrationError, match="Expected logits of 2 questions"):
        monitor(Sample(np.zeros((20, 3)), ("post",) * 20), Sample(np.zeros((0, 2)), ()), QUESTIONS)


def test_a_report_that_rejects_nothing_voids_nothing():
    with pytest.raises(ValueError, match="nothing is void"):
        Void.of(MonitorReport((), 0.01, (), 0), model_fingerprint="m", date="2026-03-31")


@pytest.fixture(scope="module")
def scored(tiny_bundle, toy_files, tmp_path_factory):
    """Scores of the calibration texts, and of the same kind of texts with shifted logits."""
    folder = tmp_path_factory.mktemp("monitor")
    scores = score_files(tiny_bundle.folder, [toy_files["calibration"]], folder / "all.npz", n_threads=1)
    halves = {"calibration": slice(0, 200), "same": slice(200, 400), "shifted": slice(200, 400)}
    for name, rows in halves.items():
        logits = scores.logits[rows] + np.float32(8.0 if name == "shifted" else 0.0)
        part = dataclasses.replace(scores, examples=scores.examples[rows], logits=logits, n_windows=scores.n_windows[rows])
        write_scores(folder / f"{name}.npz", part)
    return folder


@pytest.fixture
def bundle_copy(tiny_bundle, tmp_path):
    return shutil.copytree(tiny_bundle.folder, tmp_path / "bundle")


def run(bundle, scored, fresh, *options):
    return CliRunner().invoke(app, ["monitor", str(bundle), str(scored / "calibration.npz"), str(scored / f"{fresh}.npz"), *options])


def test_the_command_leaves_texts_that_look_alike_in_peace(tiny_bundle, scored, tmp_path):
    done = run(tiny_bundle.folder, scored, "same", "--labelled", "--void", str(tmp_path / "void.json"))
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rejected"] is False
    assert not (tmp_path / "void.json").exists()


def test_the_command_can_compare_class_by_class(tiny_bundle, scored):
    done = run(tiny_bundle.folder, scored, "same", "--by-class")
    sources = {stream["source"] for stream in json.loads(done.stdout)["streams"]}
    assert sources <= {"post:benign", "post:violating", "bio:benign", "bio:violating"}
    assert {source.partition(":")[2] for source in sources} == {"benign", "violating"}


def test_scores_of_another_model_are_refused(tiny_bundle, scored, tmp_path):
    scores = read_scores(scored / "same.npz", tiny_bundle.policy)
    write_scores(tmp_path / "other.npz", dataclasses.replace(scores, model_fingerprint="0" * 16))
    done = CliRunner().invoke(app, ["monitor", str(tiny_bundle.folder), str(scored / "calibration.npz"), str(tmp_path / "other.npz")])
    assert "expected scores of encoder" in str(done.exception)


def test_a_void_file_ends_every_promise_of_the_bundle(bundle_copy, scored):
    before = Classifier.load(bundle_copy, n_threads=1).classify_many(["今天看见一只猫", "收U出U"])
    done = run(bundle_copy, scored, "shifted", "--void", str(bundle_copy / "void.json"), "--date", "2026-03-31")
    assert done.exit_code == 1
    void = json.loads((bundle_copy / "void.json").read_text(encoding="utf-8"))
    assert void["model_fingerprint"] == load_bundle(bundle_copy).model_fingerprint
    assert (void["date"], void["false_alarm_rate"]) == ("2026-03-31", 0.01)
    assert void["martingale"] >= 1_400
    after = Classifier.load(bundle_copy, n_threads=1).classify_many(["今天看见一只猫", "收U出U"])
    assert all(decision.review and not decision.certified and decision.promise is None for decision in after)
    assert [decision.probs for decision in before] == [decision.probs for decision in after]
    assert not all(decision.review for decision in before)


VOID = Void("0" * 16, "trading", "post", "logits", 5_000.0, 0.01, "2026-03-31")


def test_a_void_file_for_another_model_is_refused(bundle_copy):
    (bundle_copy / "void.json").write_text(json.dumps(VOID.to_dict()), encoding="utf-8")
    with pytest.raises(BundleError, match=r"void\.json: expected one for model .* but got one for 0000"):
        load_bundle(bundle_copy)


@pytest.mark.parametrize("content", ["[]", "{}", "not json"])
def test_a_malformed_void_file_is_refused(bundle_copy, content):
    (bundle_copy / "void.json").write_text(content, encoding="utf-8")
    with pytest.raises(BundleError):
        load_bundle(bundle_copy)


def test_writing_the_same_calibration_again_does_not_lift_it(bundle_copy):
    bundle = load_bundle(bundle_copy)
    void = dataclasses.replace(VOID, model_fingerprint=bundle.model_fingerprint)
    (bundle_copy / "void.json").write_text(json.dumps(void.to_dict()), encoding="utf-8")
    parts = {"category_thresholds": bundle.category_thresholds, "ladder": bundle.ladder, "provenance": {}}
    again = recalibrated(bundle, bundle_copy, calibration=bundle.calibration, **parts)
    assert again.void == void


def test_another_calibration_lifts_it(bundle_copy):
    bundle = load_bundle(bundle_copy)
    void = dataclasses.replace(VOID, model_fingerprint=bundle.model_fingerprint)
    (bundle_copy / "void.json").write_text(json.dumps(void.to_dict()), encoding="utf-8")
    parts = {"category_thresholds": bundle.category_thresholds, "ladder": bundle.ladder, "provenance": {}}
    assert recalibrated(bundle, bundle_copy, calibration=dataclasses.replace(bundle.calibration, seed=99), **parts).void is None
