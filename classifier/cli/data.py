"""``classifier data``: check labelled files, and split them."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from classifier.data import CheckReport, FilesReport, SplitPlan, SplitSizes, StrictReport, check_files, parse_sizes, split_files
from classifier.errors import DataError
from classifier.policy import DEFAULT_POLICY, Policy

data_app = typer.Typer(help="Check labelled files, compare two readers of them, and split them.", no_args_is_help=True)

_Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Labelled files: .jsonl, .jsonl.gz, .csv or .parquet.")]
_PolicyName = Annotated[str, typer.Option("--policy", help="A shipped policy, or the path of a TOML file.")]
_Seed = Annotated[int, typer.Option("--seed", help="Decides everything random.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
_N_SHOWN = 10


def _sizes(text: str) -> SplitSizes:
    try:
        return parse_sizes(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


@data_app.command("check")
def check(
    files: _Files,
    policy: _PolicyName = DEFAULT_POLICY,
    strict: Annotated[bool, typer.Option("--strict", help="Also judge variety and hardness (needs the extra train).")] = False,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Print what is in labelled files; exit 1 where a record is wrong, a text has two labels, or a strict measure falls short.

    Example: classifier data check data/*.jsonl --strict
    """
    with _problems_printed(as_json):
        report = check_files(files, Policy.load(policy), strict=strict, seed=seed, max_problems=sys.maxsize)
    if as_json:
        _print_json({**dataclasses.asdict(report), "sound": report.sound})
    else:
        _print_check(report)
    raise typer.Exit(0 if report.sound else 1)


@data_app.command("split")
def split(
    files: _Files,
    out: Annotated[Path, typer.Option("--out", help="The folder to write train.jsonl, dev.jsonl, calibration.jsonl, test.jsonl and split.json to.")],
    policy: _PolicyName = DEFAULT_POLICY,
    sizes: Annotated[
        SplitSizes, typer.Option("--sizes", parser=_sizes, metavar="SIZES", help="Shares (0.1), numbers of texts (1500), or `rest` for one split.")
    ] = "train=rest,dev=0.1,calibration=0.15,test=0.15",  # type: ignore[assignment]  # typer parses the default too
    seed: _Seed = 0,
    by_time: Annotated[bool, typer.Option("--by-time", help="Give the latest texts to calibration and test.")] = False,
    as_json: _Json = False,
) -> None:
    """Split labelled files without dividing a group, an account or a cluster of near duplicates.

    Example: classifier data split data/*.jsonl --out splits --sizes train=rest,dev=0.1,calibration=1500,test=1500
    """
    with _problems_printed(as_json):
        plan = split_files(files, Policy.load(policy), out, sizes=sizes, seed=seed, by_time=by_time)
    if as_json:
        _print_json(dataclasses.asdict(plan))
    else:
        _print_plan(plan)


@data_app.command("agreement")
def agreement(
    file: Annotated[Path, typer.Argument(help="JSONL of texts that two readers labelled: id, first, second and settled.")],
    policy: _PolicyName = DEFAULT_POLICY,
    seed: _Seed = 0,
    as_json: _Json = False,
) -> None:
    """Print how far two readers agree: kappa for each category, quadratic kappa for severity, the confusion.

    Example: classifier data agreement data/second_reading.jsonl
    """
    from classifier.data import agreement as agree
    from classifier.data import read_readings

    with _problems_printed(as_json):
        loaded = Policy.load(policy)
        result = agree(read_readings(file, loaded), loaded, seed=seed)
    if as_json:
        _print_json(dataclasses.asdict(result))
    else:
        print(result.words)


@contextmanager
def _problems_printed(as_json: bool) -> Iterator[None]:
    """Print every problem of the data, and leave with 1."""
    try:
        yield
    except DataError as error:
        if as_json:
            _print_json({"sound": False, "n_problems": error.n_problems, "problems": [dataclasses.asdict(problem) for problem in error.problems]})
        else:
            print(*error.problems, sep="\n")
            print(f"{error.n_problems:,} problem(s)", file=sys.stderr)
        raise typer.Exit(1) from error


def _print_json(content: object) -> None:
    print(json.dumps(content, ensure_ascii=False, indent=1))


def _print_check(report: FilesReport) -> None:
    console = _console()
    console.print(_counts(report.check))
    console.print(_findings(report.check))
    if report.strict is not None:
        console.print(_measures(report.strict))
    for conflict in (*report.check.exact_conflicts, *report.check.near_conflicts):
        labels = f"{conflict.first_label} against {conflict.second_label}"
        print(f"{conflict.first_id}, {conflict.second_id}: {labels} (overlap {conflict.overlap:.2f})")


def _counts(check: CheckReport) -> Table:
    table = Table("what", "number of texts", title=f"{check.n_texts:,} texts", title_justify="left")
    rows: dict[str, Mapping[str, int]] = {
        "first category": check.by_first_category,
        "any category": check.by_any_category,
        "several categories": {"": check.n_several_categories},
        "severity": check.by_severity,
        "source": check.by_source,
        "tag": check.by_tag,
        "characters": check.by_length,
        "quantiles of characters": check.length_quantiles,
    }
    for name, counts in rows.items():
        table.add_row(name, "  ".join(f"{value} {count:,}".strip() for value, count in counts.items()))
    return table


def _findings(check: CheckReport) -> Table:
    table = Table("finding", "number", "the first of them", title="findings", title_justify="left")
    rows: dict[str, tuple[str, ...]] = {
        "exact duplicates inside groups": check.exact_duplicates.inside,
        "exact duplicates outside groups": check.exact_duplicates.outside,
        "near duplicates inside groups": check.near_duplicates.inside,
        "near duplicates outside groups": check.near_duplicates.outside,
        "same text, different labels": tuple(f"{c.first_id}/{c.second_id}" for c in check.exact_conflicts),
        "near duplicates, different labels": tuple(f"{c.first_id}/{c.second_id}" for c in check.near_conflicts),
        "without severity": check.without_severity,
        "violating without evidence": check.without_evidence,
        "groups with one label": check.one_label_groups,
    }
    for name, ids in rows.items():
        table.add_row(name, f"{len(ids):,}", ", ".join(ids[:_N_SHOWN]) + (" …" if len(ids) > _N_SHOWN else ""))
    return table


def _measures(strict: StrictReport) -> Table:
    table = Table("measure", "value", "holds", "why", title="strict measures", title_justify="left")
    for measure in strict.measures:
        table.add_row(measure.name, "" if measure.value is None else f"{measure.value:.4f}", "yes" if measure.holds else "NO", measure.words)
    return table


def _print_plan(plan: SplitPlan) -> None:
    table = Table("", *(part.name for part in plan.parts))
    table.add_row("texts", *(f"{part.n_texts:,}" for part in plan.parts))
    table.add_row("wanted", *(f"{part.n_wanted:,}" for part in plan.parts), end_section=True)
    for field, prefix in (("by_first_category", ""), ("by_severity", "severity "), ("by_source", "")):
        columns: list[Mapping[str, int]] = [getattr(part, field) for part in plan.parts]
        for value in columns[0]:
            table.add_row(prefix + value, *(f"{counts[value]:,}" for counts in columns))
        table.add_section()
    table.add_row("largest deviation", *(f"{part.max_deviation:.2%}" for part in plan.parts))
    table.add_row("in", *(part.deviates_in for part in plan.parts))
    _console().print(table)
    print(plan.words)


def _console() -> Console:
    """Texts may hold what rich would read as markup, such as ``[图片]``."""
    return Console(markup=False, emoji=False, highlight=False)
