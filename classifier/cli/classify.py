"""``classifier classify``: texts in, decisions out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.cli.reading import Incoming, chunks, incoming_of, output_to

if TYPE_CHECKING:
    from classifier.decisions import Decision
    from classifier.inference import Classifier

BUNDLE_VARIABLE = "TIAOWEN_BUNDLE"
_CHUNK = 512


def default_bundle() -> Path:
    """``$TIAOWEN_BUNDLE``, else ``models/default`` here, else that of the checkout this package lies in."""
    if chosen := os.environ.get(BUNDLE_VARIABLE):
        return Path(chosen)
    here = Path("models/default")
    return here if here.is_dir() else Path(__file__).parents[2] / here


def classify(
    target: Annotated[str, typer.Argument(metavar="TEXT|FILE|-", help="One text, a file (.jsonl, .csv, .parquet, else lines), or - for stdin.")],
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; default $TIAOWEN_BUNDLE or models/default.")] = None,
    source: Annotated[str, typer.Option(help="post or bio, for texts that do not say it themselves.")] = "post",
    output_format: Annotated[str, typer.Option("--format", help="jsonl, table, or auto: a table on a terminal.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Write here instead of stdout, whole or not at all.")] = None,
    evidence: Annotated[bool, typer.Option(help="Find the deciding spans where a level is reached or a person must look.")] = True,
    text_field: Annotated[str, typer.Option(help="Name of the field or column that holds the text.")] = "text",
    threads: Annotated[int | None, typer.Option(help="Threads of the encoder; default all cores.")] = None,
) -> None:
    """Decide about one text, a file or a stream: one JSON line a text, in order, or a table.

    Example: classifier classify "长期出U收U,秒结,加V详谈" --source bio
    """
    from classifier.inference import Classifier

    if output_format not in ("auto", "jsonl", "table"):
        raise typer.BadParameter(f"expected jsonl, table or auto, but got {output_format!r}", param_hint="--format")
    as_table = output_format == "table" or (output_format == "auto" and out is None and sys.stdout.isatty())
    classifier = Classifier.load(bundle or default_bundle(), n_threads=threads)
    records = incoming_of(target, source=source, text_field=text_field)
    n_failed = 0
    with output_to(out) as stream:
        for chunk, decisions in _decided(classifier, records, evidence=evidence):
            n_failed += sum(decision.error is not None for decision in decisions)
            if as_table:
                _print_table(chunk, decisions, classifier)
                continue
            for decision in decisions:
                stream.write(json.dumps(decision.to_dict(), ensure_ascii=False) + "\n")
            stream.flush()
    if n_failed:
        typer.echo(f"{n_failed} text(s) could not be classified; their decisions say why in `error`.", err=True)


def _decided(classifier: Classifier, records: Iterator[Incoming], *, evidence: bool) -> Iterator[tuple[list[Incoming], list[Decision]]]:
    for chunk in chunks(records, _CHUNK):
        texts, sources, ids = [record.text for record in chunk], [record.source for record in chunk], [record.id for record in chunk]
        yield chunk, classifier.classify_many(texts, source=sources, ids=ids, evidence=evidence)


def _print_table(chunk: list[Incoming], decisions: list[Decision], classifier: Classifier) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    names = {category.id: category.name_zh for category in classifier.policy.categories}
    table = Table(show_lines=True)
    for heading, width in (("text", 44), ("categories", 18), ("level", 12), ("review", 6), ("evidence", 30)):
        table.add_column(heading, max_width=width, overflow="fold")
    for record, decision in zip(chunk, decisions, strict=True):
        categories = "\n".join(f"{names[item.category]} {item.prob:.2f}" for item in decision.categories) or "-"
        level = f"{classifier.policy.levels[decision.severity].name_zh}\n{decision.level}" + (" ✓" if decision.certified else "")
        spans = decision.error or "\n".join(span.text.strip() for span in decision.evidence) or "-"
        cells = (_shown(record.text), categories, level, "yes" if decision.review else "no", spans)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


def _shown(text: object) -> str:
    """A text as a terminal can show it: half surrogates escaped, a long middle left out."""
    shown = str(text).encode("utf-8", errors="backslashreplace").decode("utf-8")
    return shown if len(shown) <= 120 else f"{shown[:80]} … {shown[-30:]}"
