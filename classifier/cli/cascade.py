"""``classifier cascade``: a bundle in, the bundle with a first stage out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def cascade(
    bundle: Annotated[Path, typer.Argument(help="Folder of the calibrated bundle.")],
    train: Annotated[list[Path], typer.Option(help="Labelled texts to learn from; may be given again.")],
    calibration: Annotated[list[Path], typer.Option(help="Labelled texts that nothing was trained on, to certify with; may be given again.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle that comes out; default: the bundle itself.")] = None,
    max_loss_rate: Annotated[float, typer.Option(help="Largest share of the violating texts that the bundle finds to lose.")] = 0.005,
    confidence: Annotated[float, typer.Option(help="How surely.")] = 0.95,
    ordinary: Annotated[Path | None, typer.Option(help="Texts as most are in production, without labels: how many of them pass.")] = None,
    text_field: Annotated[str, typer.Option(help="Of ordinary texts: the field or column that holds the text.")] = "text",
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 13,
) -> None:
    """Add a first stage that lets the plainly benign pass, certify how little it loses, and print what it saves.

    Example: classifier cascade models/default --train data/train.jsonl --calibration data/calibration.jsonl --out runs/cascade
    """
    from classifier.cli.reading import incoming_of
    from classifier.errors import DataError, Problem, require

    require("sklearn", extra="train")
    from classifier.training.cascade import cascade_bundle

    if ordinary is not None and not ordinary.is_file():
        raise DataError((Problem(str(ordinary), 0, "file", "expected a file of texts, but there is none"),))
    records = [] if ordinary is None else incoming_of(str(ordinary), source="post", text_field=text_field)
    report = cascade_bundle(
        bundle,
        train,
        calibration,
        out or bundle,
        seed=seed,
        max_loss_rate=max_loss_rate,
        confidence_level=confidence,
        ordinary=[record.text for record in records if isinstance(record.text, str) and record.text.strip()],
        n_threads=threads,
    )
    print(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    made = report.certificate
    typer.echo(
        f"loses at most {made.loss_rate_upper_bound:.2%} of what the bundle finds ({made.n_lost} of {made.n_trials} in calibration), confidence "
        f"{made.confidence_level:.0%}; {report.benign_passed:.1%} of the benign pass",
        err=True,
    )
