"""``classifier score``: run the encoder once over labelled texts and save the logits; everything after reads only those."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def score(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    files: Annotated[list[Path], typer.Argument(help="Labelled files.")],
    out: Annotated[Path, typer.Option(help="File of scores (.npz) that comes out.")],
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Score labelled texts and save logits, labels and fingerprints.

    Example: classifier score runs/bundle data/calibration.jsonl --out runs/calibration.npz
    """
    from classifier.scoring import score_files

    scores = score_files(bundle, files, out, n_threads=threads)
    typer.echo(f"{out}: {len(scores.examples)} texts, encoder {scores.model_fingerprint}")
