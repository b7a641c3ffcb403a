"""``classifier baseline``: scores of a simple model, to hold a bundle's against."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.policy import DEFAULT_POLICY


def baseline(
    kind: Annotated[str, typer.Argument(help="keywords, tfidf (jieba words), ngrams (fastText on characters) or neighbours (untuned encoder).")],
    test: Annotated[list[Path], typer.Option(help="Labelled texts to score; may be given again.")],
    out: Annotated[Path, typer.Option(help="File of the scores, .npz.")],
    train: Annotated[list[Path] | None, typer.Option(help="Labelled texts to learn from; may be given again.")] = None,
    policy: Annotated[str, typer.Option(help="Shipped policy or TOML file.")] = DEFAULT_POLICY,
    base: Annotated[str, typer.Option(help="Encoder of the neighbours: builtin, a folder or a hub name.")] = "builtin",
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 13,
) -> None:
    """Train a baseline and save its scores as `classifier score` does.

    Example: classifier baseline tfidf --train data/train.jsonl --test data/test.jsonl --out runs/tfidf.npz
    """
    from classifier.errors import require
    from classifier.policy import Policy

    for module in ("sklearn", "torch"):
        require(module, extra="train")
    from classifier.training.baseline import baseline_scores

    scores = baseline_scores(kind, train or [], test, out, Policy.load(policy), seed=seed, base=base)
    typer.echo(f"{len(scores.examples)} texts scored into {out}", err=True)
