"""``classifier evaluate``: a bundle judged by saved scores, printed as JSON and kept in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.beside import AttackFile, BaselineScores, EvidenceFile, Spans, named_scores, saved_results
from classifier.cli.report import evaluated, progress, write_html


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the calibrated bundle.")],
    scores: Annotated[Path, typer.Argument(help="Scores of the test split, from `classifier score`.")],
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the JSON here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the report here, to read.")] = None,
    html: Annotated[Path | None, typer.Option(help="Also write the page here, as `classifier report` does.")] = None,
    baseline: Annotated[
        list[Path] | None, typer.Option("--baseline", "--train", help="Training texts: add the TF-IDF baseline and look for leaks.")
    ] = None,
    baseline_scores: BaselineScores = None,
    attack: AttackFile = None,
    evidence: EvidenceFile = None,
    spans: Spans = None,
    background: Annotated[list[Path] | None, typer.Option(help="Ordinary texts without labels, for the page.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every resample.")] = 13,
    resamples: Annotated[int, typer.Option(help="Number of bootstrap resamples.")] = 1000,
) -> None:
    """Print precision, recall, calibration and severity of a bundle with 95% intervals, by question, level, source and tag.

    Example: classifier evaluate models/default runs/test.npz --markdown report.md
    """
    from classifier.files import write_text_atomic

    if (background or spans) and html is None:
        raise ValueError("Expected --html FILE with --background or --spans, but got none; ordinary texts and spans are shown on the page only.")
    with progress() as on_step:
        named, saved = named_scores(baseline_scores or ()), saved_results(bundle, attack, evidence)
        report = evaluated(bundle, scores, train=baseline or (), named=named, saved=saved, seed=seed, resamples=resamples, on_step=on_step)
        if html is not None:
            write_html(html, report, bundle, background or (), on_step, spans=spans)
    content = json.dumps(report.to_dict(), ensure_ascii=False, indent=2)
    if json_path is not None:
        write_text_atomic(json_path, content + "\n")
    if markdown is not None:
        write_text_atomic(markdown, report.to_markdown())
    print(content)
