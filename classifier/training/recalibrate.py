"""Calibrating a bundle from a file of scores."""

from __future__ import annotations

from pathlib import Path

from classifier.bundle import Bundle, load_bundle
from classifier.errors import CalibrationError
from classifier.evaluation.scores import read_scores
from classifier.training.assemble import recalibrated
from classifier.training.calibrate import DEFAULT_MISS_RATE, calibrate_scores


def calibrate_bundle(
    folder: Path,
    scores_path: Path,
    out: Path,
    *,
    seed: int,
    prevalence: float | tuple[float, float] | None = None,
    max_miss_rate: float = DEFAULT_MISS_RATE,
    leave_out_accounts: bool = False,
) -> Bundle:
    """Calibrate the bundle in ``folder`` on saved scores and write the result to ``out``.

    :raises CalibrationError: when the scores were made by another model, or are too few.
    """
    bundle = load_bundle(folder)
    scores = read_scores(scores_path, bundle.policy)
    if scores.model_fingerprint != bundle.encoder_fingerprint:
        raise CalibrationError(
            f"{scores_path}: expected scores of encoder {bundle.encoder_fingerprint}, but got those of {scores.model_fingerprint}; "
            "run `classifier score` with this bundle: calibration is never inherited from another model."
        )
    result = calibrate_scores(
        scores, bundle.policy, seed=seed, prevalence=prevalence, max_miss_rate=max_miss_rate, leave_out_accounts=leave_out_accounts
    )
    return recalibrated(
        bundle,
        out,
        calibration=result.calibration,
        category_thresholds=result.category_thresholds,
        ladder=result.ladder,
        provenance={"calibration": result.facts},
    )
