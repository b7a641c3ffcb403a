"""``classifier calibrate``: saved scores of the calibration split in, a calibrated bundle out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.prevalence import prevalence_of


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle that made the scores.")],
    scores: Annotated[Path, typer.Argument(help="Scores of the calibration split, from `classifier score`.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the calibrated bundle; default: the bundle itself.")] = None,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 13,
    prevalence: Annotated[str | None, typer.Option(help="Share of violating texts in production, or a range: 0.01:0.05; default: as scored.")] = None,
    max_miss_rate: Annotated[float, typer.Option(help="Largest share of violating texts that may pass unseen.")] = 0.10,
    leave_out_accounts: Annotated[bool, typer.Option("--leave-out-accounts", help="Keep texts of accounts for `certify-accounts`.")] = False,
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
    )
    print(json.dumps(calibrated.ladder.to_dict(), ensure_ascii=False, indent=2))
    for level in calibrated.ladder.levels:
        state = f"threshold {level.threshold:.3f}" if level.threshold is not None else f"off, {level.n_more_needed} more labels needed"
        typer.echo(f"{level.level_id}: {state}; promise {level.target_precision:.2f} at {level.confidence_level:.0%}", err=True)
