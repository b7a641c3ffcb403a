"""Calibrating a bundle from a file of scores; the encoder runs only over the long texts that the correction for length is fitted on."""

from __future__ import annotations

from pathlib import Path

from classifier.bundle import Bundle, load_bundle
from classifier.errors import CalibrationError
from classifier.evaluation.scores import read_scores
from classifier.inference import Classifier
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
    correct_length: bool = True,
) -> Bundle:
    """Calibrate the bundle in ``folder`` on saved scores and write the result to ``out``.

    :param correct_length: fit a correction of the logits of long texts; some hundred texts joined from the calibration texts are encoded for it.
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
        scores,
        bundle.policy,
        seed=seed,
        prevalence=prevalence,
        max_miss_rate=max_miss_rate,
        leave_out_accounts=leave_out_accounts,
        encode=Classifier(bundle).encode if correct_length else None,
        max_tokens=bundle.settings.max_tokens,
    )
    return recalibrated(
        bundle,
        out,
        calibration=result.calibration,
        category_thresholds=result.category_thresholds,
        ladder=result.ladder,
        provenance={"calibration": result.facts},
    )
