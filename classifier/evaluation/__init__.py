"""What a model is worth on labelled texts: saved scores, metrics, intervals, slices, a baseline. Needs SciPy; inference never comes here."""

from classifier.evaluation.background import Background, BackgroundRate, background
from classifier.evaluation.baselines import PairedDifference, paired_difference, tfidf_baseline
from classifier.evaluation.bootstrap import CONFIDENCE_LEVEL, Estimate, Resamples, exact_shares, plan_resamples
from classifier.evaluation.curves import BrierParts, CalibrationResult, CurvePoint, Curves, ReliabilityBin
from classifier.evaluation.evaluate import evaluate
from classifier.evaluation.honesty import Honesty
from classifier.evaluation.mistakes import Mistake, Mistakes
from classifier.evaluation.results import Evaluation, LevelResult, QuestionResult, SeverityResult, ViolationResult
from classifier.evaluation.scores import Scores, read_scores, write_scores
from classifier.evaluation.slices import SliceResult

__all__ = [
    "CONFIDENCE_LEVEL",
    "Background",
    "BackgroundRate",
    "BrierParts",
    "CalibrationResult",
    "CurvePoint",
    "Curves",
    "Estimate",
    "Evaluation",
    "Honesty",
    "LevelResult",
    "Mistake",
    "Mistakes",
    "PairedDifference",
    "QuestionResult",
    "ReliabilityBin",
    "Resamples",
    "Scores",
    "SeverityResult",
    "SliceResult",
    "ViolationResult",
    "background",
    "evaluate",
    "exact_shares",
    "paired_difference",
    "plan_resamples",
    "read_scores",
    "tfidf_baseline",
    "write_scores",
]
