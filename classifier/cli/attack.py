"""``classifier attack``: how much of what a bundle finds is left when the texts are rewritten to get past it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from classifier.attacks import Technique
    from classifier.examples import Example


def attack(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    file: Annotated[Path, typer.Argument(help="Labelled texts that the model was not trained on.")],
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the report here, to read.")] = None,
    techniques: Annotated[str | None, typer.Option(help="Names, set apart by commas; default all.")] = None,
    intensities: Annotated[str, typer.Option(help="Shares of the places that are hit, set apart by commas.")] = "0.3,0.6,1",
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many texts, drawn by the seed.")] = None,
    half: Annotated[str, typer.Option(help="Half of the substitutes: test, or train for texts to train with.")] = "test",
    rewrite_only: Annotated[Path | None, typer.Option(help="Run no model: write the rewritten texts with their labels here.")] = None,
    seed: Annotated[int, typer.Option(help="Decides the rewriting, the draw and every resample.")] = 13,
    resamples: Annotated[int, typer.Option(help="Number of bootstrap resamples.")] = 1000,
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Rewrite violating and benign texts in seventeen ways, and print recall and false positives before and after, with paired intervals.

    Example: classifier attack models/default data/test.jsonl --limit 300 --markdown attack.md
    """
    from classifier.attacks import techniques_of
    from classifier.bundle import load_bundle
    from classifier.errors import require
    from classifier.evaluation.attack import subsample
    from classifier.records import read_examples

    require("pypinyin", extra="train")
    chosen = techniques_of(None if techniques is None else [name.strip() for name in techniques.split(",")])
    shares = [_share(text) for text in intensities.split(",")]
    examples: Sequence[Example] = read_examples([file], load_bundle(bundle).policy)
    if limit is not None:
        examples = subsample(examples, limit, seed)
    if rewrite_only is not None:
        _write_rewritten(rewrite_only, examples, chosen, shares, seed, half)
        return
    _report(bundle, examples, chosen, shares, seed, half, resamples, threads, out, markdown)


def _report(
    bundle: Path,
    examples: Sequence[Example],
    techniques: Sequence[Technique],
    intensities: Sequence[float],
    seed: int,
    half: str,
    n_resamples: int,
    n_threads: int | None,
    out: Path | None,
    markdown: Path | None,
) -> None:
    from classifier.data import clusters_of
    from classifier.errors import require
    from classifier.evaluation.attack import attack_report
    from classifier.files import write_text_atomic
    from classifier.inference import Classifier

    require("scipy", extra="train")
    classifier = Classifier.load(bundle, n_threads=n_threads)
    report = attack_report(
        examples,
        classifier.policy,
        classifier.bundle.ladder,
        lambda texts, sources: classifier.predict_proba(texts, source=sources),
        techniques,
        clusters=clusters_of(examples),
        seed=seed,
        intensities=intensities,
        half=half,
        n_resamples=n_resamples,
        model_fingerprint=classifier.bundle.model_fingerprint,
        on_step=lambda name: typer.echo(name, err=True),
    )
    content = json.dumps(report.to_dict(), ensure_ascii=False, indent=2)
    if out is not None:
        write_text_atomic(out, content + "\n")
    if markdown is not None:
        write_text_atomic(markdown, report.to_markdown())
    print(content)


def _write_rewritten(
    path: Path, examples: Sequence[Example], techniques: Sequence[Technique], intensities: Sequence[float], seed: int, half: str
) -> None:
    from classifier.attacks import rewrite_example
    from classifier.records import write_examples

    tried = (rewrite_example(e, technique, share, seed, half=half) for technique in techniques for share in intensities for e in examples)
    known = {example.id for example in examples}
    rewritten = [example for example in tried if example.id not in known]
    write_examples(path, rewritten)
    typer.echo(f"{len(rewritten)} rewritten texts", err=True)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise typer.BadParameter(f"expected shares above 0 and at most 1, but got {text!r}", param_hint="--intensities")
    return value
