"""``classifier evaluate``: a bundle judged by saved scores, printed as JSON and kept in files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    bundle: Annotated[Path, typer.Argument(help="Folder of the calibrated bundle.")],
    scores: Annotated[Path, typer.Argument(help="Scores of the test split, from `classifier score`.")],
    json_path: Annotated[Path | None, typer.Option("--json", help="Also write the JSON here.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the report here, to read.")] = None,
    baseline: Annotated[list[Path] | None, typer.Option(help="Training texts: add the TF-IDF baseline and look for leaks.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every resample.")] = 13,
    resamples: Annotated[int, typer.Option(help="Number of bootstrap resamples.")] = 1000,
) -> None:
    """Print precision, recall, calibration and severity of a bundle with 95% intervals, by question, level, source and tag.

    Example: classifier evaluate models/default runs/test.npz --markdown report.md
    """
    from classifier.errors import require

    require("sklearn", extra="train")
    from classifier.evaluation.bundle_report import report_bundle
    from classifier.files import write_text_atomic

    report = report_bundle(bundle, scores, train_paths=baseline or (), seed=seed, n_resamples=resamples)
    content = json.dumps(report.to_dict(), ensure_ascii=False, indent=2)
    if json_path is not None:
        write_text_atomic(json_path, content + "\n")
    if markdown is not None:
        write_text_atomic(markdown, report.to_markdown())
    print(content)
