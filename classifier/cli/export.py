"""``classifier export``: a trained model folder in, a calibrated bundle out that decides as the fp32 model does, or none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classifier.policy import DEFAULT_POLICY


def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a trained model: the `model` folder of a run, or a student.")],
    out: Annotated[Path, typer.Option(help="Folder of the bundle that comes out.")],
    calibration: Annotated[list[Path], typer.Option(help="Calibration texts: thresholds are refitted for each precision.")],
    compare: Annotated[list[Path], typer.Option(help="Labelled texts on which decisions are compared, beside the calibration texts.")],
    samples: Annotated[list[Path], typer.Option(help="Training texts, of which some show how large the activations are.")],
    precision: Annotated[str, typer.Option(help="fp32, fp16-weights (half the size, decides the same), int8-weights or int8.")] = "fp16-weights",
    config: Annotated[Path | None, typer.Option(help="TOML file of the settings that the model was trained with.")] = None,
    trained: Annotated[Path | None, typer.Option(help="The bundle that training wrote of this model, for its provenance.")] = None,
    policy: Annotated[str, typer.Option(help="A shipped policy, or the path of a TOML file.")] = DEFAULT_POLICY,
    min_equal: Annotated[float, typer.Option(help="Least share of equal decisions: level, review and categories.")] = 0.995,
    max_f1_loss: Annotated[float, typer.Option(help="Most that macro-F1 may fall.")] = 0.003,
    min_texts: Annotated[int, typer.Option(help="Fewest texts to judge on.")] = 2_000,
    below_gate: Annotated[bool, typer.Option("--below-gate", help="Write the bundle even so; the figures inside say that it fails.")] = False,
    seed: Annotated[int, typer.Option(help="Of the calibration.")] = 13,
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Export a trained model in a precision, calibrate it, and hold its decisions against fp32; exit 1 and write nothing where the gate refuses.

    Example: classifier export runs/default/train/model --out runs/small --samples train.jsonl --calibration calibration.jsonl --compare test.jsonl
    """
    from classifier.errors import require

    require("torch", extra="train")
    from classifier.evaluation.parity import ParityGate
    from classifier.training.config import TrainingConfig
    from classifier.training.gated_export import gated_export

    report = gated_export(
        model,
        out,
        precision=precision,
        policy_name=policy,
        config=TrainingConfig() if config is None else TrainingConfig.from_toml(config),
        samples=samples,
        calibration=calibration,
        compared=compare,
        gate=ParityGate(min_equal, max_f1_loss, min_texts),
        below_gate=below_gate,
        seed=seed,
        n_threads=threads,
        trained=trained,
    )
    print(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    for refusal in report.refusals:
        typer.echo(f"refused: {refusal}", err=True)
    if report.refusals and not below_gate:
        raise typer.Exit(1)
