"""``classifier parity``: does the int8 bundle decide as the fp32 one?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def parity(
    fp32: Annotated[Path, typer.Argument(metavar="FP32_BUNDLE", help="Folder of the calibrated fp32 bundle.")],
    int8: Annotated[Path, typer.Argument(metavar="INT8_BUNDLE", help="Folder of the int8 one, calibrated for itself; the figures go into it.")],
    files: Annotated[list[Path], typer.Argument(help="Labelled files, 2,000 texts or more.")],
    min_equal: Annotated[float, typer.Option(help="Least share of equal decisions: level, review and categories.")] = 0.995,
    max_f1_loss: Annotated[float, typer.Option(help="Most that macro-F1 may fall.")] = 0.003,
    min_texts: Annotated[int, typer.Option(help="Fewest texts to judge on.")] = 2_000,
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Compare the decisions of an int8 bundle with those of its fp32 form, keep the figures in the int8 bundle; exit 1 when the gate refuses.

    Example: classifier parity runs/fp32 runs/int8 data/test.jsonl data/dev.jsonl data/calibration.jsonl
    """
    from classifier.errors import require

    require("scipy", extra="train")
    from classifier.evaluation.parity import ParityGate
    from classifier.training.parity import check_parity

    report = check_parity(fp32, int8, files, gate=ParityGate(min_equal, max_f1_loss, min_texts), n_threads=threads)
    print(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    for refusal in report.refusals:
        typer.echo(f"refused: {refusal}", err=True)
    if report.refusals:
        raise typer.Exit(1)
