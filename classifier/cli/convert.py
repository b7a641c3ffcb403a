"""``classifier data convert``: labelled texts to and from the files of Label Studio, doccano and Argilla."""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.policy import DEFAULT_POLICY, Policy

if TYPE_CHECKING:
    from classifier.labelling import Imported, Suggestion

OURS = "records"


def convert(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="Files to read; those of several annotators may be given together.")],
    out: Annotated[Path, typer.Option(help="File that comes out: records (.jsonl, .csv, .parquet), or what the tool imports.")],
    source_format: Annotated[str, typer.Option("--from", help="records, label-studio, doccano or argilla.")] = OURS,
    target_format: Annotated[str, typer.Option("--to", help="records, label-studio, doccano or argilla.")] = OURS,
    policy: Annotated[str, typer.Option(help="A shipped policy, or the path of a TOML file.")] = DEFAULT_POLICY,
    decisions: Annotated[Path | None, typer.Option(help="Suggest what `classifier classify --format jsonl` wrote here.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Suggest what these scores (.npz) say, with --bundle.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Bundle that made the scores.")] = None,
    config: Annotated[Path | None, typer.Option(help="Also write the labelling interface (XML) of Label Studio here.")] = None,
    disputed: Annotated[Path | None, typer.Option(help="Write texts without a majority here, with all answers (JSONL).")] = None,
    text_field: Annotated[str, typer.Option(help="Key of the text among the data of an item.")] = "text",
    source: Annotated[str, typer.Option(help="post or bio, for texts that do not say it themselves.")] = "post",
    keep_going: Annotated[bool, typer.Option("--keep-going", help="Write what is sound even where items have problems.")] = False,
    seed: Annotated[int, typer.Option(help="Decides the resamples of the intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Take texts to a labelling tool, with a model's suggestions, or the answers of its annotators back; exit 1 where an item has a problem.

    Example: classifier data convert new.jsonl --to label-studio --decisions decisions.jsonl --config interface.xml --out tasks.json
    """
    from classifier.files import write_text_atomic
    from classifier.labelling import export_items, labelling_config, read_items

    if (source_format == OURS) == (target_format == OURS):
        raise typer.BadParameter("expected one of --from and --to to name a tool, and the other records", param_hint="--from/--to")
    if source not in ("post", "bio"):
        raise typer.BadParameter(f"expected post or bio, but got {source!r}", param_hint="--source")
    loaded = Policy.load(policy)
    if config is not None:
        write_text_atomic(config, labelling_config(loaded))
    if target_format != OURS:
        items = read_items(files, loaded)
        suggested = _suggestions(decisions, scores, bundle, loaded)
        export_items(out, items, target_format, suggested)
        n_suggested = sum(item.id in suggested for item in items)
        typer.echo(f"{out}: {len(items)} texts, {sum(bool(item.answers) for item in items)} labelled, {n_suggested} with a suggestion", err=True)
        return
    _import(files, source_format, loaded, out, disputed, text_field, source, keep_going=keep_going, seed=seed, as_json=as_json)


def _suggestions(decisions: Path | None, scores: Path | None, bundle: Path | None, policy: Policy) -> dict[str, Suggestion]:
    from classifier.labelling import read_decisions, read_scored

    if (scores is None) != (bundle is None) or (decisions is not None and scores is not None):
        raise typer.BadParameter("expected --decisions, or --scores together with --bundle", param_hint="--decisions")
    if scores is not None and bundle is not None:
        return read_scored(scores, bundle)
    return {} if decisions is None else read_decisions(decisions, policy)


def _import(
    files: list[Path],
    tool: str,
    policy: Policy,
    out: Path,
    disputed: Path | None,
    text_field: str,
    source: str,
    *,
    keep_going: bool,
    seed: int,
    as_json: bool,
) -> None:
    from classifier.labelling import disagreement, import_labels
    from classifier.records import write_examples

    found = import_labels(files, tool, policy, text_field=text_field, source="bio" if source == "bio" else "post")
    print(*found.problems, sep="\n", end="\n" if found.problems else "", file=sys.stderr)
    if found.problems and not keep_going:
        typer.echo(f"{len(found.problems):,} problem(s), nothing written; --keep-going writes what is sound", err=True)
        raise typer.Exit(1)
    write_examples(out, found.examples)
    if disputed is not None:
        _write_disputed(disputed, found)
    result = disagreement(found.items, policy, seed=seed)
    print(json.dumps(dataclasses.asdict(result), ensure_ascii=False, indent=1) if as_json else result.words)
    typer.echo(f"{out}: {len(found.examples)} labelled texts", err=True)
    raise typer.Exit(1 if found.problems else 0)


def _write_disputed(path: Path, found: Imported) -> None:
    from classifier.files import write_text_atomic

    rows = [{**item.record, "answers": [dataclasses.asdict(answer) for answer in item.answers]} for item in found.disputed]
    write_text_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
