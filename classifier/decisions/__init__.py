"""From logits to decisions: calibration, thresholds and their promise, the decision and its words.

Only what inference needs is named here, and it needs NumPy alone. Fitting lives in ``fit_calibration`` (scikit-learn), certifying in
``plan``, ``certify`` and ``review`` (SciPy): import those by their module.
"""

from classifier.decisions.calibration import Beta, Calibration, Calibrator, Isotonic, Platt, Temperature, VennAbers, calibrator_from_dict
from classifier.decisions.categories import CategoryThresholds
from classifier.decisions.decide import decisions_of, failed_decision, passed_decision
from classifier.decisions.decision import CategoryScore, Decision, Explanation, Span
from classifier.decisions.ladder import Ladder, LevelDecisions, LevelThreshold, Promise, decide_levels

__all__ = [
    "Beta",
    "Calibration",
    "Calibrator",
    "CategoryScore",
    "CategoryThresholds",
    "Decision",
    "Explanation",
    "Isotonic",
    "Ladder",
    "LevelDecisions",
    "LevelThreshold",
    "Platt",
    "Promise",
    "Span",
    "Temperature",
    "VennAbers",
    "calibrator_from_dict",
    "decide_levels",
    "decisions_of",
    "failed_decision",
    "passed_decision",
]
