"""``classifier train``: labelled texts in, a bundle out."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

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
    resume: Annotated[bool, typer.Option(help="Go on from the last whole checkpoint in --run.")] = False,
    track: Annotated[str, typer.Option(help="Follow the run: tensorboard, mlflow, or both with a comma.")] = "",
    setting: Annotated[list[str] | None, typer.Option("--set", help="Any other setting as NAME=VALUE, such as save_steps=200.")] = None,
) -> None:
    """Fine-tune a Chinese BERT on labelled texts and write an uncalibrated bundle; `classifier calibrate` comes next.

    On several processes or GPUs: torchrun --nproc_per_node 2 --no-python -- classifier train ...

    Example: classifier train --train data/train.jsonl --dev data/dev.jsonl --out runs/bundle --base hfl/chinese-macbert-base --set learning_rate=2e-5
    """
    from classifier.errors import require

    require("torch", extra="train")
    require("sklearn", extra="train")
    from classifier.training.arguments import process_index
    from classifier.training.config import TrainingConfig
    from classifier.training.run import train_bundle

    options = {name: value for name, value in (("base", base), ("seed", seed), ("n_epochs", epochs)) if value is not None}
    changes = {**settings_of(setting or ()), **options}
    settings = TrainingConfig.of(changes, where="options") if config is None else TrainingConfig.from_toml(config, **changes)
    bundle = train_bundle(
        train_path,
        dev_path,
        out,
        run_dir=run,
        policy_name=policy,
        config=settings,
        int8=int8,
        keep_weights=weights,
        resume=resume,
        track=[name.strip() for name in track.split(",") if name.strip()],
    )
    if process_index():
        return
    training = bundle.provenance["training"]
    typer.echo(f"{out}: {training['n_steps']} steps in {training['seconds']:.0f} s, dev average precision {training['dev_average_precision']:.3f}")


def settings_of(given: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` pairs; a value is TOML, or plain text where it is none.

    :raises ValueError: when a pair has no name or no value.

    >>> settings_of(["learning_rate=2e-5", "bf16=true", "loss=focal"])
    {'learning_rate': 2e-05, 'bf16': True, 'loss': 'focal'}
    """
    settings: dict[str, Any] = {}
    for pair in given:
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not name or not equals or not value:
            raise ValueError(f"Expected --set NAME=VALUE, such as save_steps=200, but got {pair!r}.")
        try:
            settings[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            settings[name] = value
    return settings
