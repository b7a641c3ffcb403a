"""``classifier select``: which unlabelled texts to label next."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from classifier.policy import DEFAULT_POLICY, Policy


def select(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Texts to choose from (JSONL); labelled ones with --simulate.")],
    out: Annotated[Path | None, typer.Option(help="File of the chosen texts (JSONL) that comes out.")] = None,
    budget: Annotated[int, typer.Option(help="How many texts to choose; with --simulate, in each round.")] = 100,
    train: Annotated[list[Path] | None, typer.Option(help="Labelled texts: to learn from, and not to choose again; may be given again.")] = None,
    decisions: Annotated[Path | None, typer.Option(help="Decisions about the texts (`classifier classify --format jsonl`), with --bundle.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Bundle that decided; its thresholds count.")] = None,
    simulate: Annotated[bool, typer.Option("--simulate", help="Compare with drawing at random, on labelled texts.")] = False,
    rounds: Annotated[int, typer.Option(help="Rounds of the simulation.")] = 5,
    repetitions: Annotated[int, typer.Option(help="Repetitions of the simulation, each with its own seed.")] = 5,
    policy: Annotated[str, typer.Option(help="Shipped policy or TOML file.")] = DEFAULT_POLICY,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines (with --simulate).")] = False,
) -> None:
    """Choose texts near a threshold and unlike each other, to label next; `classifier data convert` takes them to a labelling tool.

    Example: classifier select new.jsonl --train data/train.jsonl --budget 200 --out next.jsonl
    """
    from classifier.errors import require
    from classifier.records import read_examples

    if (out is None) != simulate:
        raise typer.BadParameter("expected --out, or --simulate, and not both", param_hint="--out")
    if (decisions is None) != (bundle is None):
        raise typer.BadParameter("expected --decisions and --bundle together", param_hint="--decisions")
    require("sklearn", extra="train")
    loaded = Policy.load(policy)
    if out is None:
        from classifier.labelling.simulate import simulate as simulated

        result = simulated(read_examples(files, loaded), loaded, budget=budget, seed=seed, n_rounds=rounds, n_seeds=repetitions)
        print(json.dumps(dataclasses.asdict(result), indent=1) if as_json else result.words)
        return
    from classifier.labelling import read_items
    from classifier.labelling.select import select_by_decisions, select_by_training, write_chosen

    items, known = read_items(files, loaded), read_examples(train or [], loaded)
    if decisions is not None and bundle is not None:
        chosen = select_by_decisions(items, decisions, bundle, loaded, budget=budget, seed=seed, known=known)
    else:
        chosen = select_by_training(items, known, loaded, budget=budget, seed=seed)
    write_chosen(out, chosen)
    typer.echo(f"{out}: {len(chosen)} of {len(items)} texts", err=True)
