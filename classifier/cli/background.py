"""``classifier background``: how often ordinary texts would be acted on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.classify import default_bundle
from classifier.cli.reading import chunks, incoming_of


def background(
    file: Annotated[Path, typer.Argument(help="Ordinary texts without labels: .jsonl, .csv, .parquet or lines.")],
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; default $TIAOWEN_BUNDLE or models/default.")] = None,
    text_field: Annotated[str, typer.Option(help="Name of the field or column that holds the text.")] = "text",
    worst: Annotated[int, typer.Option(help="How many of the worst texts to list.")] = 10,
) -> None:
    """Count per 10,000 ordinary texts how many would be acted on or reviewed, with exact 95% intervals, and list the worst.

    Example: classifier background ordinary.jsonl
    """
    import numpy as np

    from classifier.evaluation.background import background as rates_of
    from classifier.inference import Classifier

    classifier = Classifier.load(bundle or default_bundle())
    texts: list[str] = []
    probs = []
    for chunk in chunks(incoming_of(str(file), source="post", text_field=text_field), 512):
        kept = [record for record in chunk if isinstance(record.text, str) and record.text.strip()]
        texts += [record.text for record in kept]
        probs.append(classifier.predict_proba([record.text for record in kept], source=[record.source for record in kept]))
    result = rates_of(np.concatenate(probs), classifier.policy, classifier.bundle.ladder, n_worst=worst)
    print(json.dumps({**result.to_dict(), "worst_texts": [texts[i][:80] for i in result.worst]}, ensure_ascii=False, indent=2))
