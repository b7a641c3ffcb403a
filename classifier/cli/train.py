"""``classifier train``: labelled texts in, a bundle out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from classifier.policy import DEFAULT_POLICY


def train(
    train_path: Annotated[list[Path], typer.Option("--train", help="Labelled texts to fit; may be given several times.")],
    dev_path: Annotated[list[Path], typer.Option("--dev", help="Labelled texts to stop early by.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle that comes out.")],
    run: Annotated[Path, typer.Option(help="Folder for checkpoints and logs; --resume goes on from it.")] = Path("runs/train"),
    config: Annotated[Path | None, typer.Option(help="TOML file of training settings.")] = None,
    policy: Annotated[str, typer.Option(help="A shipped policy, or the path of a TOML file.")] = DEFAULT_POLICY,
    base: Annotated[str | None, typer.Option(help="builtin, a folder, or a hub name.")] = None,
    seed: Annotated[int | None, typer.Option(help="Reaches everything random.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Most passes over the training texts.")] = None,
    int8: Annotated[bool, typer.Option(help="Export int8 instead of fp32.")] = False,
    weights: Annotated[bool, typer.Option(help="Keep model.safetensors, so that plain transformers loads the bundle.")] = True,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint in --run.")] = False,
) -> None:
    """Fine-tune a Chinese BERT on labelled texts and write an uncalibrated bundle; `classifier calibrate` comes next.

    Example: classifier train --train data/train.jsonl --dev data/dev.jsonl --out runs/bundle
    """
    from classifier.errors import require

    require("torch", extra="train")
    require("sklearn", extra="train")
    from classifier.training.config import TrainingConfig
    from classifier.training.run import train_bundle

    changes = {name: value for name, value in (("base", base), ("seed", seed), ("n_epochs", epochs)) if value is not None}
    settings = TrainingConfig.of(changes, where="options") if config is None else TrainingConfig.from_toml(config, **changes)
    bundle = train_bundle(
        train_path, dev_path, out, run_dir=run, policy_name=policy, config=settings, int8=int8, keep_weights=weights, resume=resume
    )
    training = bundle.provenance["training"]
    typer.echo(f"{out}: {training['n_steps']} steps in {training['seconds']:.0f} s, dev average precision {training['dev_average_precision']:.3f}")
