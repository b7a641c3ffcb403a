"""The correction for length: known growth is taken off, unknown texts keep their false alarms, and what cannot be fitted is said."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from classifier.bundle import load_bundle
from classifier.data.join import joined_texts, short_texts
from classifier.decisions import Calibration
from classifier.decisions.fit_length import MIN_LONG, fit_length, length_figures
from classifier.decisions.length import LengthCorrection
from classifier.errors import CalibrationError
from classifier.evaluation.scores import Scores
from classifier.inference import Classifier
from classifier.scoring import score_files
from classifier.training.long_texts import length_correction
from classifier.training.recalibrate import calibrate_bundle

from .conftest import make_examples

COUNTS = np.array([1, 2, 4, 8])


def highest_of_windows(n, *, seed, scale=1.5, shift=0.0):
    """Logits of one question for ``n`` texts of each number of windows: the highest of as many logistic draws."""
    generator = np.random.default_rng(seed)
    n_windows = np.repeat(COUNTS, n)
    highest = np.array([generator.logistic(shift, scale, count).max() for count in n_windows.tolist()])
    return highest[:, None], n_windows


def test_the_slope_of_logistic_windows_is_their_scale():
    # The upper tail of a logistic law falls off as exp(-x / scale), so the highest of n lies scale * ln(n) further out.
    correction = fit_length(*highest_of_windows(4_000, seed=0, scale=1.5))
    assert correction.slopes[0] == pytest.approx(1.5, abs=0.1)


def test_false_alarms_on_other_texts_do_not_grow_with_windows():
    correction = fit_length(*highest_of_windows(500, seed=1))
    logits, n_windows = highest_of_windows(1_000, seed=2)
    corrected = correction.apply(logits, n_windows)[:, 0]
    cut = 1.5 * np.log(19)  # which a twentieth of one logistic window reaches
    plain = [int((logits[n_windows == n, 0] >= cut).sum()) for n in COUNTS[1:].tolist()]
    now = [int((corrected[n_windows == n] >= cut).sum()) for n in COUNTS[1:].tolist()]
    # Of a thousand texts at a rate of 5% more than this many are beyond chance; the slope has a spread of its own, which the 1.2 allows for.
    allowed = binom.ppf(0.995, 1_000, 0.05 * 1.2)
    assert min(plain) > allowed
    assert max(now) <= allowed


def test_violating_texts_far_above_stay_above():
    correction = fit_length(*highest_of_windows(500, seed=1))
    benign, n_benign = highest_of_windows(400, seed=3)
    violating, n_violating = highest_of_windows(400, seed=4, shift=14.0)
    logits, n_windows = np.concatenate([benign, violating]), np.concatenate([n_benign, n_violating])
    answers = np.arange(len(logits)) >= len(benign)
    for figure in length_figures(correction, logits, n_windows, answers, column=0):
        assert figure.violating_corrected == pytest.approx(figure.violating_plain, abs=0.02)
        assert figure.n_benign == figure.n_violating == 400


def test_a_logit_that_does_not_grow_is_left_alone():
    generator = np.random.default_rng(0)
    n_windows = np.repeat(COUNTS, 400)
    falling = generator.logistic(size=1_600) - 0.5 * np.log(n_windows)
    assert fit_length(falling[:, None], n_windows).slopes == (0.0,)


@pytest.mark.parametrize(("n_short", "n_long"), [(500, MIN_LONG - 1), (MIN_LONG - 1, 500)])
def test_too_few_texts_of_a_kind_fit_nothing_and_say_so(n_short, n_long):
    n_windows = np.repeat([1, 3], [n_short, n_long])
    correction = fit_length(np.random.default_rng(0).normal(size=(n_windows.size, 2)), n_windows)
    assert correction.slopes == (0.0, 0.0)
    assert f"{MIN_LONG - 1} benign texts" in correction.note
    assert f"at least {MIN_LONG} needed" in correction.note


def test_order_within_a_length_is_kept_and_one_window_is_untouched():
    correction = LengthCorrection((0.7,), max_windows=4, n_texts=0, n_long=0)
    logits = np.linspace(-3, 3, 50)[:, None]
    assert (np.diff(correction.apply(logits, np.full(50, 3))[:, 0]) > 0).all()
    assert correction.apply(logits, np.ones(50, dtype=int)).tolist() == logits.tolist()
    # Nothing is known of longer texts than those of the fit: they are corrected like the longest.
    assert correction.apply(logits, np.full(50, 99)).tolist() == correction.apply(logits, np.full(50, 4)).tolist()


def test_a_negative_slope_is_refused():
    with pytest.raises(CalibrationError, match="slopes of 0 or more"):
        LengthCorrection((-0.1,), max_windows=4, n_texts=0, n_long=0)


def test_another_version_is_refused():
    content = LengthCorrection((0.1,), max_windows=4, n_texts=0, n_long=0).to_dict() | {"version": 2}
    with pytest.raises(CalibrationError, match="of version 1, but got 2"):
        LengthCorrection.from_dict(content)


def test_a_calibration_without_a_correction_is_read_and_written_as_before(tiny_bundle):
    content = json.loads((tiny_bundle.folder / "calibration.json").read_text(encoding="utf-8"))
    assert "length" not in content
    calibration = Calibration.from_dict(content)
    assert (calibration.length, calibration.to_dict()) == (None, content)
    assert calibration.apply(np.zeros((2, 7))).shape == (2, 7)


def test_a_calibration_with_a_correction_wants_the_number_of_windows(tiny_bundle):
    correction = LengthCorrection((1.0,) * 7, max_windows=4, n_texts=0, n_long=0)
    calibration = replace(tiny_bundle.calibration, length=correction)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration
    with pytest.raises(CalibrationError, match="give n_windows"):
        calibration.apply(np.zeros((1, 7)))
    probs = calibration.apply(np.zeros((2, 7)), [1, 4])
    assert probs[:, 0].tolist() == pytest.approx([0.5, 1 / (1 + 4)])  # sigmoid(-ln 4)


def test_joined_texts_are_long_enough_and_made_of_whole_texts():
    texts = [f"文本{i}" for i in range(60)]
    for joined in joined_texts(texts, 30, min_chars=20, max_chars=100, seed=0, first=["违规"]):
        parts = joined.split("\n")
        assert sum(map(len, parts)) >= 20
        assert parts.count("违规") == 1
        assert len(set(parts)) == len(parts)
        assert set(parts) <= {*texts, "违规"}


def test_only_short_posts_of_one_answer_are_joined():
    examples = make_examples(40, seed=1)
    wanted = [e.text for e in examples if not e.violating and e.source == "post"]
    assert short_texts(examples, violating=False) == wanted
    assert short_texts([replace(examples[2], text="长" * 301, source="post")], violating=False) == []


@pytest.fixture(scope="module")
def calibrated(tiny_bundle, toy_files, tmp_path_factory):
    """The tiny bundle, calibrated with long texts in sight."""
    folder = tmp_path_factory.mktemp("length")
    score_files(tiny_bundle.folder, [toy_files["calibration"]], folder / "c.npz", n_threads=1)
    return calibrate_bundle(tiny_bundle.folder, folder / "c.npz", folder / "with", seed=0)


def test_a_small_calibration_split_is_told_what_it_lacks(calibrated):
    length = load_bundle(calibrated.folder).calibration.length
    assert length.slopes == (0.0,) * 7
    assert "no correction for length" in length.note


def test_calibrating_without_long_texts_leaves_no_trace(calibrated, tmp_path, tiny_bundle, toy_files):
    score_files(tiny_bundle.folder, [toy_files["calibration"]], tmp_path / "c.npz", n_threads=1)
    made = calibrate_bundle(tiny_bundle.folder, tmp_path / "c.npz", tmp_path / "b", seed=0, correct_length=False)
    assert "length" not in json.loads((made.folder / "calibration.json").read_text(encoding="utf-8"))


def test_long_texts_are_joined_encoded_and_judged_on_the_other_part(tiny_bundle, policy):
    classifier = Classifier(tiny_bundle, n_threads=1)
    examples = tuple(make_examples(700, seed=9))
    encoded = classifier.encode([e.text for e in examples])
    scores = Scores(examples, encoded.logits, encoded.n_windows, policy.fingerprint, tiny_bundle.encoder_fingerprint, {})
    seen = []

    def encode(texts):
        seen.append([part for text in texts for part in text.split("\n")])
        return classifier.encode(texts)

    fitting = np.arange(700) < 350
    length = length_correction(scores, fitting, policy, encode, max_tokens=32, seed=0)
    assert length.note == ""
    assert length.n_long >= MIN_LONG
    assert [figure.min_windows for figure in length.figures][:3] == [1, 2, 3]
    assert all(figure.n_violating for figure in length.figures)
    first, second = ({e.text for e in examples[:350]}, {e.text for e in examples[350:]})
    assert set(seen[0]) <= first
    assert set(seen[1]) <= second


def test_the_classifier_corrects_by_the_windows_it_saw(calibrated):
    classifier = Classifier.load(calibrated.folder, n_threads=1)
    texts = ["今天看见一只猫", "今天看见一只猫收U出U" * 20]
    encoded = classifier.encode(texts)
    assert encoded.n_windows.tolist()[0] == 1 < encoded.n_windows.tolist()[1]
    calibration = classifier.bundle.calibration
    plain = replace(calibration, length=None).apply(calibration.length.apply(encoded.logits, encoded.n_windows))
    assert classifier.predict_proba(texts).tolist() == plain.tolist()
    decisions = classifier.classify_many(texts)
    assert [decision.n_windows for decision in decisions] == encoded.n_windows.tolist()
    assert list(decisions[1].probs.values()) == plain[1].tolist()
