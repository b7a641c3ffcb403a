import json

import numpy as np
import pytest

from classifier.decisions import Beta, Calibration, Isotonic, Platt, Temperature, VennAbers, calibrator_from_dict
from classifier.decisions.calibration import QuestionCalibration
from classifier.errors import CalibrationError

VENN_ABERS = VennAbers(lower_logits=(0.0,), lower_probs=(0.0, 0.5), upper_logits=(0.0,), upper_probs=(0.5, 1.0))
CALIBRATORS = [
    Platt(slope=2.0, intercept=-1.0),
    Beta(a=0.5, b=1.5, c=0.2),
    Isotonic(logits=(0.0, 1.0), probs=(0.2, 0.7)),
    VENN_ABERS,
    Temperature(temperature=3.0),
]


def _calibration(n_categories, *calibrators):
    questions = tuple(QuestionCalibration(f"q{i}", calibrator) for i, calibrator in enumerate(calibrators))
    return Calibration(questions, n_categories=n_categories, policy_fingerprint="0" * 16, n_texts=1, n_folds=5, seed=0)


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda c: c.method)
def test_calibrator_survives_json(calibrator):
    assert calibrator_from_dict(json.loads(json.dumps(calibrator.to_dict()))) == calibrator


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda c: c.method)
def test_calibrator_refuses_nan(calibrator):
    with pytest.raises(CalibrationError, match="1 of 2 are not"):
        calibrator.apply([0.0, np.nan])


@pytest.mark.parametrize("calibrator", CALIBRATORS, ids=lambda c: c.method)
def test_calibrator_never_falls_and_stays_between_0_and_1(calibrator):
    probs = calibrator.apply(np.linspace(-900, 900, 5001))
    assert (np.diff(probs) >= 0).all()
    assert probs.min() >= 0
    assert probs.max() <= 1


def test_unknown_method_is_refused():
    with pytest.raises(CalibrationError, match="platt, beta, isotonic, venn_abers, temperature"):
        calibrator_from_dict({"method": "spline"})


@pytest.mark.parametrize("content", [{"method": "platt", "slope": 1.0}, {"method": "platt", "slope": "x", "intercept": 0.0}])
def test_malformed_numbers_are_refused(content):
    with pytest.raises(CalibrationError, match="`platt`"):
        calibrator_from_dict(content)


def test_apply_gives_float32_of_the_same_shape():
    probs = _calibration(1, *[Platt(1.0, 0.0)] * 3).apply(np.zeros((4, 3)))
    assert (probs.dtype, probs.shape) == (np.float32, (4, 3))


def test_severity_is_made_monotone_by_a_running_minimum_and_categories_are_left():
    # ln 3 is the logit of 0.75.
    probs = _calibration(1, *[Platt(1.0, 0.0)] * 4).apply([[0.0, 0.0, np.log(3), -np.log(3)], [-np.log(3), np.log(3), 0.0, np.log(3)]])
    np.testing.assert_allclose(probs, [[0.5, 0.5, 0.5, 0.25], [0.25, 0.75, 0.5, 0.5]], rtol=1e-6)


def test_apply_of_no_text_gives_no_row():
    assert _calibration(1, *[Platt(1.0, 0.0)] * 2).apply(np.zeros((0, 2))).shape == (0, 2)


@pytest.mark.parametrize("shape", [(3,), (2, 4)])
def test_wrong_shape_is_refused(shape):
    with pytest.raises(CalibrationError, match=r"\(n_texts, 3\)"):
        _calibration(1, *[Platt(1.0, 0.0)] * 3).apply(np.zeros(shape))


def test_calibration_survives_json():
    calibration = _calibration(2, *CALIBRATORS)
    assert Calibration.from_dict(json.loads(json.dumps(calibration.to_dict()))) == calibration


def test_calibration_without_a_key_is_refused():
    content = _calibration(2, *CALIBRATORS).to_dict()
    del content["seed"]
    with pytest.raises(CalibrationError, match="seed"):
        Calibration.from_dict(content)
