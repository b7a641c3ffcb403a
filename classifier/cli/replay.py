"""``classifier replay``: decide again about recorded texts and accounts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def replay(
    records: Annotated[str, typer.Argument(help="JSONL file of records, or URL of the database.")],
    bundle: Annotated[Path | None, typer.Argument(help="The bundle that decided: nothing may differ.")] = None,
    against: Annotated[Path | None, typer.Option(help="Another bundle: list where level or review would change.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Decide again about what was recorded with --record-texts: one JSON line a difference, and a summary on stderr.

    Exit code 1 when a decision of the same bundle differs.

    Example: classifier replay decisions.jsonl models/default
    """
    from classifier.inference import Classifier
    from classifier.serving.reading_records import stored_records
    from classifier.serving.replay import replay as run

    folder = against or bundle
    if folder is None or (bundle is not None and against is not None):
        raise typer.BadParameter("expected either BUNDLE or --against", param_hint="BUNDLE")
    report = run(stored_records(records), Classifier.load(folder, n_threads=threads), against=against is not None)
    for difference in report.differences:
        typer.echo(json.dumps(difference.to_dict(), ensure_ascii=True))
    typer.echo(json.dumps(report.to_dict()), err=True)
    if report.n_torn:
        typer.echo(f"{report.n_torn} line(s) were torn, as by a crash; no answer ever said that they were recorded.", err=True)
    if report.differences and against is None:
        raise typer.Exit(1)
