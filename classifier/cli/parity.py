"""``classifier parity``: does the smaller form of a bundle decide as the fp32 one?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def parity(
    fp32: Annotated[Path, typer.Argument(metavar="FP32_BUNDLE", help="Folder of the calibrated fp32 bundle.")],
    other: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder of the smaller form; the figures go into it.")],
    files: Annotated[list[Path], typer.Argument(help="Labelled files, 2,000 texts or more.")],
    calibration: Annotated[list[Path] | None, typer.Option(help="Calibrate both anew on these texts first; else each must be calibrated.")] = None,
    seed: Annotated[int, typer.Option(help="Of the calibration.")] = 13,
    min_equal: Annotated[float, typer.Option(help="Least share of equal decisions: level, review and categories.")] = 0.995,
    max_f1_loss: Annotated[float, typer.Option(help="Most that macro-F1 may fall.")] = 0.003,
    min_texts: Annotated[int, typer.Option(help="Fewest texts to judge on.")] = 2_000,
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Compare the decisions of a smaller form of a bundle with those of its fp32 form, keep the figures in it; exit 1 when the gate refuses.

    Example: classifier parity runs/fp32 runs/int8 data/calibration.jsonl data/test.jsonl --calibration data/calibration.jsonl
    """
    from classifier.errors import require

    require("scipy", extra="train")
    from classifier.evaluation.parity import ParityGate
    from classifier.training.parity import check_parity, refitted_parity

    gate = ParityGate(min_equal, max_f1_loss, min_texts)
    if calibration:
        report = refitted_parity(fp32, other, files, calibration=calibration, seed=seed, gate=gate, n_threads=threads)
    else:
        report = check_parity(fp32, other, files, gate=gate, n_threads=threads)
    print(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    for refusal in report.refusals:
        typer.echo(f"refused: {refusal}", err=True)
    if report.refusals:
        raise typer.Exit(1)
