"""``classifier distil``: a trained model in, a smaller one out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.policy import DEFAULT_POLICY


def distil(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of the trained teacher: the `model` folder of a run.")],
    train: Annotated[Path, typer.Argument(help="Labelled texts.")],
    dev: Annotated[Path, typer.Argument(help="Labelled texts to choose the epoch by.")],
    out: Annotated[Path, typer.Option(help="Folder of the student that comes out.")],
    layers: Annotated[int, typer.Option(help="Layers of the student.")] = 6,
    unlabelled: Annotated[list[Path] | None, typer.Option(help="More texts, without labels; may be given several times.")] = None,
    epochs: Annotated[int, typer.Option(help="Passes over all texts.")] = 4,
    temperature: Annotated[float, typer.Option(help="Divides the logits before they are compared.")] = 2.0,
    hard_share: Annotated[float, typer.Option(help="Share of the labels in the loss.")] = 0.2,
    hidden_weight: Annotated[float, typer.Option(help="Weight of the distance of the last hidden states; 0 for none.")] = 0.0,
    augment_share: Annotated[float, typer.Option(help="Share of the labelled texts that are also seen rewritten.")] = 0.5,
    learning_rate: Annotated[float, typer.Option(help="Of the layers; pooler and head learn twice as fast.")] = 1e-4,
    max_tokens: Annotated[int, typer.Option(help="Tokens of a window; at most what the teacher can hold.")] = 192,
    max_steps: Annotated[int, typer.Option(help="End the run early; 0 for never.")] = 0,
    policy: Annotated[str, typer.Option(help="A shipped policy, or the path of a TOML file.")] = DEFAULT_POLICY,
    seed: Annotated[int, typer.Option(help="Reaches everything random.")] = 13,
) -> None:
    """Teach a smaller student to answer as a trained model does; `classifier export` makes a bundle of it.

    Example: classifier distil runs/default/train/model data/train.jsonl data/dev.jsonl --layers 6 --out runs/student-6 --unlabelled posts.jsonl
    """
    from classifier.errors import require

    require("torch", extra="train")
    require("sklearn", extra="train")
    from classifier.training.distil import DistilConfig, distil_files

    config = DistilConfig(
        n_layers=layers,
        n_epochs=epochs,
        temperature=temperature,
        hard_share=hard_share,
        hidden_weight=hidden_weight,
        augment_share=augment_share,
        learning_rate=learning_rate,
        head_learning_rate=2 * learning_rate,
        max_tokens=max_tokens,
        max_steps=max_steps,
        seed=seed,
    )
    student = distil_files(model, train, dev, unlabelled or (), policy, config, out)
    typer.echo(
        f"{out}: layers {', '.join(map(str, student.layers))} of the teacher, {student.n_steps} steps over {student.n_rows} rows, "
        f"loss {student.losses[0]:.4f} to {student.losses[-1]:.4f}, dev average precision {student.dev_average_precision:.3f}"
    )
