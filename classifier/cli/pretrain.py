"""``classifier pretrain``: texts without labels in, a base folder out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def pretrain(
    texts: Annotated[list[Path], typer.Argument(help="JSONL files whose lines have a text.")],
    out: Annotated[Path, typer.Option(help="Folder of the base that comes out; `classifier train --base` takes it.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints; --resume goes on from it.")] = Path("runs/pretrain"),
    base: Annotated[str, typer.Option(help="builtin, a folder, or a hub name.")] = "builtin",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 1,
    max_tokens: Annotated[int, typer.Option(min=8, help="Longer texts are cut.")] = 96,
    bf16: Annotated[bool, typer.Option(help="Compute in bfloat16: much faster on processors that have it.")] = False,
    seed: Annotated[int, typer.Option(help="Reaches everything random.")] = 13,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --run.")] = False,
) -> None:
    """Train a base further to guess masked tokens of your own texts, before it is tuned on labels.

    Example: classifier pretrain texts.jsonl --out runs/base
    """
    from classifier.errors import require

    require("torch", extra="train")
    from classifier.training.pretrain import pretrain_base

    made = pretrain_base(texts, out, run_dir=run, base=base, n_epochs=epochs, max_tokens=max_tokens, bf16=bf16, seed=seed, resume=resume)
    typer.echo(f"{made.folder}: {made.n_texts} texts, {made.n_steps} steps, last loss {made.last_loss:.3f} nats a masked token")
