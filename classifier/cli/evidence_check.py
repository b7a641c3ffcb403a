"""``classifier evidence-check``: do the spans that a bundle shows carry its decisions?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def evidence_check(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    file: Annotated[Path, typer.Argument(help="Labelled texts that the model was not trained on, with their evidence.")],
    out: Annotated[Path | None, typer.Option(help="Also write the JSON here, for `classifier report --evidence`.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Also write the report here, to read.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many texts, drawn by the seed.")] = 150,
    seed: Annotated[int, typer.Option(help="Decides the draw, the random spans and every resample.")] = 13,
    resamples: Annotated[int, typer.Option(help="Number of bootstrap resamples.")] = 1000,
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Cut the spans out, and leave nothing but them: print how far the prob falls beside random spans, and the overlap with the marks.

    Example: classifier evidence-check models/default data/test.jsonl --limit 150 --out evidence.json
    """
    from classifier.errors import require
    from classifier.inference import Classifier
    from classifier.records import read_examples

    require("scipy", extra="train")
    from classifier.evaluation.evidence_check import evidence_report
    from classifier.files import write_text_atomic

    model = Classifier.load(bundle, n_threads=threads)
    report = evidence_report(
        read_examples([file], model.policy),
        model.bundle,
        lambda examples: model.classify_many([e.text for e in examples], source=[e.source for e in examples], evidence=True),
        lambda texts, sources: model.predict_proba(texts, source=sources),
        limit=limit,
        seed=seed,
        n_resamples=resamples,
    )
    content = json.dumps(report.to_dict(), ensure_ascii=False, indent=2)
    if out is not None:
        write_text_atomic(out, content + "\n")
    if markdown is not None:
        write_text_atomic(markdown, report.to_markdown())
    print(content)
