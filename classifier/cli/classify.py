"""``classifier classify``: texts in, decisions out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from classifier.cli.reading import Incoming, Incomings, chunks, incomings_of

if TYPE_CHECKING:
    from classifier.cli.deciding import Decided, Engine, Recipe
    from classifier.cli.sinks import Done
    from classifier.policy import Policy

BUNDLE_VARIABLE = "TIAOWEN_BUNDLE"
_CHUNK = 256
SOME_FAILED, BROKEN_PIPE = 1, 141


def default_bundle() -> Path:
    """``$TIAOWEN_BUNDLE``, else ``models/default`` here, else that of the checkout this package lies in."""
    if chosen := os.environ.get(BUNDLE_VARIABLE):
        return Path(chosen)
    here = Path("models/default")
    return here if here.is_dir() else Path(__file__).parents[2] / here


def classify(
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TEXT|FILE...|-", help="One text; files or globs (.jsonl, .csv, .parquet, else lines; also .gz, .zst); - for stdin."),
    ],
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; default $TIAOWEN_BUNDLE or models/default.")] = None,
    source: Annotated[str, typer.Option(help="post or bio, for texts that do not say it themselves.")] = "post",
    output_format: Annotated[str, typer.Option("--format", help="jsonl, table, or auto: a table on a terminal.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Write JSONL here instead of stdout, whole or not at all; packed when named .gz or .zst.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="With --out: go on where a killed run with --resume stopped.")] = False,
    evidence: Annotated[bool, typer.Option(help="Find the deciding spans where a level is reached or a person must look.")] = True,
    text_field: Annotated[str, typer.Option(help="Name of the field or column that holds the text.")] = "text",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the encoder; default all cores, or 1 with --jobs.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; each loads the bundle. The output is the same.")] = 1,
    cascade: Annotated[bool, typer.Option("--cascade", help="Let the bundle's first stage pass what is plainly benign.")] = False,
    progress: Annotated[bool | None, typer.Option(help="Tell on stderr how far it is; default where stderr is a terminal.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with exit code 1 when a text could not be classified.")] = False,
) -> None:
    """Decide about one text, files or a stream: one JSON line a text, in order, or a table.

    Exit codes: 0 every record has its decision, or says why not; 1 with --strict when some say why not; 2 wrong use, input or bundle;
    130 interrupted; 141 the reader of the output left.

    Example: classifier classify "长期出U收U,秒结,加V详谈" --source bio

    Example: classifier classify 'posts/*.jsonl.gz' --out decisions.jsonl.gz --resume --jobs 2
    """
    from classifier.cli.deciding import Recipe, engine_of

    as_table = _as_table(output_format, out)
    incomings = incomings_of(targets, source=source, text_field=text_field)
    _check_resumable(incomings, out, resume=resume)
    recipe = Recipe(bundle or default_bundle(), threads or (1 if jobs > 1 else None), cascade, evidence)
    engine = engine_of(recipe, jobs)
    made_from = _made_from(incomings.paths, engine, recipe, source=source, text_field=text_field) if resume else None
    try:
        done = _run(incomings, engine, out, made_from=made_from, as_table=as_table, progress=progress)
    except BrokenPipeError:
        # What is still buffered has no reader; the interpreter flushes it into nothing when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(BROKEN_PIPE) from None
    if done.n_failed:
        typer.echo(f"{done.n_failed} text(s) could not be classified; their decisions say why in `error`.", err=True)
        raise typer.Exit(SOME_FAILED if strict else 0)


def _run(
    incomings: Incomings, engine: Engine, out: Path | None, *, made_from: Mapping[str, Any] | None, as_table: bool, progress: bool | None
) -> Done:
    from classifier.cli.progress import progress_of
    from classifier.cli.sinks import sink_of

    with sink_of(out, made_from=made_from) as sink, progress_of(progress, n_before=sink.done.n_texts) as tell:
        rest = islice(incomings.records, sink.done.n_texts, None)
        for chunk, decided in engine.decide(chunks(rest, _CHUNK, waiting=incomings.waiting)):
            if as_table:
                _print_table(chunk, decided, engine.bundle.policy)
            sink.write(replace(decided, lines=b"") if as_table else decided)
            tell(sink.done.n_texts)
    return sink.done


def _as_table(output_format: str, out: Path | None) -> bool:
    if output_format not in ("auto", "jsonl", "table"):
        raise typer.BadParameter(f"expected jsonl, table or auto, but got {output_format!r}", param_hint="--format")
    if output_format == "table" and out is not None:
        raise typer.BadParameter("expected jsonl or auto with --out, but got a table, which is for reading", param_hint="--format")
    return output_format == "table" or (output_format == "auto" and out is None and sys.stdout.isatty())


def _check_resumable(incomings: Incomings, out: Path | None, *, resume: bool) -> None:
    if resume and out is None:
        raise typer.BadParameter("expected --out as well: only a file can be gone on with", param_hint="--resume")
    if resume and not (incomings.paths and all(path.is_file() for path in incomings.paths)):
        raise typer.BadParameter("expected files to read from: a text or a pipe cannot be read again", param_hint="--resume")


def _made_from(paths: Sequence[Path], engine: Engine, recipe: Recipe, *, source: str, text_field: str) -> dict[str, Any]:
    """All that the output depends on; what is told by its hash may have another name or date, unless the name stands in the ids."""
    from classifier.files import sha256_of

    bundle = engine.bundle
    return {
        "format": 1,
        "input": [[str(path) if len(paths) > 1 else "".join(path.suffixes), sha256_of(path)] for path in paths],
        "bundle": dict(sorted(bundle.hashes.items())),
        "void": bundle.void is not None,
        "options": {"source": source, "text_field": text_field, "evidence": recipe.evidence, "cascade": recipe.cascade, "chunk": _CHUNK},
    }


def _print_table(chunk: list[Incoming], decided: Decided, policy: Policy) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from classifier.decisions import Decision

    names = {category.id: category.name_zh for category in policy.categories}
    table = Table(show_lines=True)
    for heading, width in (("text", 44), ("categories", 18), ("level", 12), ("review", 6), ("evidence", 30)):
        table.add_column(heading, max_width=width, overflow="fold")
    for record, line in zip(chunk, decided.lines.splitlines(), strict=True):
        decision = Decision.from_dict(json.loads(line))
        categories = "\n".join(f"{names[item.category]} {item.prob:.2f}" for item in decision.categories) or "-"
        level = f"{policy.levels[decision.severity].name_zh}\n{decision.level}" + (" ✓" if decision.certified else "")
        spans = decision.error or "\n".join(_shown(span.text.strip()) for span in decision.evidence) or "-"
        cells = (_shown(record.text), categories, level, "yes" if decision.review else "no", spans)
        table.add_row(*(Text(cell) for cell in cells))
    Console().print(table)


def _shown(text: object) -> str:
    """A text as a terminal can show it: half surrogates escaped, a long middle left out."""
    shown = str(text).encode("utf-8", errors="backslashreplace").decode("utf-8")
    return shown if len(shown) <= 120 else f"{shown[:80]} … {shown[-30:]}"
