"""``classifier noise``: which labels look wrong, and what a review of them makes of the labels."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.policy import DEFAULT_POLICY, Policy

if TYPE_CHECKING:
    from classifier.examples import Example
    from classifier.labelling.out_of_fold import Vectors

FEATURES = ("characters", "encoder")


def noise(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Labelled files.")],
    out: Annotated[Path | None, typer.Option(help="Review file (.jsonl, .csv) that comes out; with --apply the corrected labels.")] = None,
    apply: Annotated[Path | None, typer.Option(help="Reviewed file: correct the labels as its verdicts say.")] = None,
    plant: Annotated[float | None, typer.Option(help="Plant this share of wrong labels and print how many would be found.")] = None,
    review: Annotated[float, typer.Option(help="Share of the texts that a person will look at.")] = 0.3,
    features: Annotated[str, typer.Option(help="characters (TF-IDF), or encoder: also the vectors of an untuned encoder.")] = "characters",
    base: Annotated[str, typer.Option(help="That encoder: builtin, a folder or a hub name.")] = "builtin",
    scores: Annotated[Path | None, typer.Option(help="Scores (.npz) of a model that has not seen the texts, instead of fitting one.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Calibrate the scores as this bundle does.")] = None,
    policy: Annotated[str, typer.Option(help="Shipped policy or TOML file.")] = DEFAULT_POLICY,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines (with --plant).")] = False,
) -> None:
    """Rank labels by how wrong they look, with reasons, for a person to review; then turn the verdicts into labels.

    Example: classifier noise data/train.jsonl --out review.jsonl; classifier noise data/train.jsonl --apply reviewed.jsonl --out corrected.jsonl
    """
    from classifier.errors import require
    from classifier.records import read_examples

    if (out is None) == (plant is None) or (apply is not None and out is None):
        raise typer.BadParameter("expected --out, with --apply or without, or --plant", param_hint="--out")
    if features not in FEATURES:
        raise typer.BadParameter(f"expected one of {', '.join(FEATURES)}, but got {features!r}", param_hint="--features")
    loaded = Policy.load(policy)
    examples = read_examples(files, loaded)
    if apply is not None and out is not None:
        _apply(examples, apply, out, loaded)
        return
    for module in ("sklearn", "cleanlab"):
        require(module, extra="train")
    from classifier.labelling.noise import plant_report, scored_probs, suspects_in
    from classifier.labelling.review import write_review

    probs = None if scores is None else scored_probs(scores, bundle, examples, loaded)
    vectors = _vectors(base) if features == "encoder" else None
    if plant is not None:
        report = plant_report(examples, loaded, share=plant, seed=seed, review_share=review, vectors=vectors, probs=probs)
        print(json.dumps(dataclasses.asdict(report), indent=1) if as_json else report.words)
    elif out is not None:
        suspects = suspects_in(examples, loaded, seed=seed, review_share=review, vectors=vectors, probs=probs)
        write_review(out, suspects)
        n_flagged = sum(suspect.flagged for suspect in suspects)
        typer.echo(f"{out}: the {len(suspects):,} most suspicious of {len(examples):,} labels, {n_flagged:,} of them flagged", err=True)


def _apply(examples: Sequence[Example], reviewed: Path, out: Path, policy: Policy) -> None:
    from classifier.labelling.review import apply_review
    from classifier.records import write_examples

    result = apply_review(examples, reviewed, policy)
    write_examples(out, result.examples)
    typer.echo(f"{out}: {result.n_corrected:,} labels corrected, {result.n_kept:,} kept, {result.n_open:,} rows without a verdict", err=True)


def _vectors(base: str) -> Vectors:
    from functools import partial

    from classifier.errors import require

    require("torch", extra="train")
    from classifier.training.vectors import mean_vectors

    return partial(mean_vectors, base=base)
