"""``classifier calibrate``: saved scores of the calibration split in, a calibrated bundle out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.prevalence import prevalence_of
from classifier.decisions.length import LengthCorrection


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle that made the scores.")],
    scores: Annotated[Path, typer.Argument(help="Scores of the calibration split, from `classifier score`.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the calibrated bundle; default: the bundle itself.")] = None,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 13,
    prevalence: Annotated[str | None, typer.Option(help="Share of violating texts in production, or a range: 0.01:0.05; default: as scored.")] = None,
    max_miss_rate: Annotated[float, typer.Option(help="Largest share of violating texts that may pass unseen.")] = 0.10,
    leave_out_accounts: Annotated[bool, typer.Option("--leave-out-accounts", help="Keep texts of accounts for `certify-accounts`.")] = False,
    correct_length: Annotated[bool, typer.Option(help="Take off what the highest of many windows has by chance alone.")] = True,
) -> None:
    """Fit calibrators, certify the thresholds of every level, and say which level keeps its promise.

    Example: classifier calibrate runs/bundle runs/calibration.npz --prevalence 0.01:0.05
    """
    from classifier.errors import require

    require("sklearn", extra="train")
    from classifier.training.recalibrate import calibrate_bundle

    calibrated = calibrate_bundle(
        bundle,
        scores,
        out or bundle,
        seed=seed,
        prevalence=prevalence_of(prevalence),
        max_miss_rate=max_miss_rate,
        leave_out_accounts=leave_out_accounts,
        correct_length=correct_length,
    )
    print(json.dumps(calibrated.ladder.to_dict(), ensure_ascii=False, indent=2))
    for level in calibrated.ladder.levels:
        state = f"threshold {level.threshold:.3f}" if level.threshold is not None else f"off, {_missing(level.n_more_needed)}"
        typer.echo(f"{level.level_id}: {state}; promise {level.target_precision:.2f} at {level.confidence_level:.0%}", err=True)
    for line in length_lines(calibrated.calibration.length):
        typer.echo(line, err=True)


def length_lines(length: LengthCorrection | None) -> list[str]:
    """What the correction for length does, a line for each number of windows."""
    if length is None or length.note:
        return [] if length is None else [length.note]
    lines = []
    for figure in length.figures:
        windows = f"{figure.min_windows}" if figure.min_windows == figure.max_windows else f"{figure.min_windows}-{figure.max_windows}"
        benign = f"benign above the cut {_percent(figure.benign_plain)} -> {_percent(figure.benign_corrected)} of {figure.n_benign}"
        violating = f"violating {_percent(figure.violating_plain)} -> {_percent(figure.violating_corrected)} of {figure.n_violating}"
        lines.append(f"windows {windows}: {benign}; {violating}")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _missing(n_more_needed: int | None) -> str:
    if n_more_needed is None:
        return "and at the present precision no number of labels would switch it on: better training, or a lower target"
    return f"{n_more_needed} more labels of texts at this level needed"
