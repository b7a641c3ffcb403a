"""``classifier batch`` and ``classifier batch-plan``: a folder of files in, a folder of decisions out, on Ray; and the machines that it takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from classifier.cli.classify import SOME_FAILED, default_bundle


def batch(
    input_folder: Annotated[Path, typer.Argument(help="Folder of .parquet, .jsonl, .csv (also .gz) files; each is one partition.")],
    output_folder: Annotated[Path, typer.Argument(help="Gets decisions/ (Parquet, one file a partition) and bad-rows/ (JSONL).")],
    bundle: Annotated[Path | None, typer.Option(help="Folder of the bundle; default $TIAOWEN_BUNDLE or models/default.")] = None,
    actors: Annotated[int, typer.Option(min=1, help="Classifiers at work at once; each loads the bundle once.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads of each, and the cores that Ray reserves for it.")] = 1,
    address: Annotated[str | None, typer.Option(help="Ray cluster; default one on this machine that ends with the run.")] = None,
    source: Annotated[str, typer.Option(help="post or bio, for rows that do not say it themselves.")] = "post",
    text_field: Annotated[str, typer.Option(help="Name of the field or column that holds the text.")] = "text",
    evidence: Annotated[bool, typer.Option(help="Find the deciding spans where a level is reached or a person must look.")] = False,
    cascade: Annotated[bool, typer.Option("--cascade", help="Let the bundle's first stage pass what is plainly benign.")] = False,
) -> None:
    """Decide about every file of a folder; partitions that are done are skipped, so that a run which was killed is started again.

    Exit codes: 0 every partition is done (bad rows are told in bad-rows/); 1 some partitions could not be read; 2 wrong use, input or bundle.

    Example: classifier batch posts/ decided/ --actors 2
    """
    from classifier.batch.partitions import BatchSettings, PartitionReport
    from classifier.batch.run import run_batch

    def tell(report: PartitionReport) -> None:
        outcome = report.error or ("done before" if report.skipped else f"{report.n_decided} decided, {report.n_bad} bad")
        typer.echo(f"{report.name}: {outcome}", err=True)

    settings = BatchSettings(bundle or default_bundle(), input_folder, output_folder, text_field, source, evidence, cascade, threads)
    report = run_batch(settings, n_actors=actors, address=address, on_report=tell)
    print(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    if report.failed:
        raise typer.Exit(SOME_FAILED)


def batch_plan(
    texts_per_s: Annotated[float | None, typer.Option(help="Of one machine; `classifier classify FILE --progress --out …` tells it.")] = None,
    rates: Annotated[Path | None, typer.Option(help="JSON of scripts/million.py --write, instead of --texts-per-s; prints a Markdown table.")] = None,
    texts_per_day: Annotated[float, typer.Option(help="How many texts a day.")] = 1e9,
    price_per_hour: Annotated[float, typer.Option(help="Of one machine, in any currency.")] = 0.0,
    utilisation: Annotated[float, typer.Option(help="Share of the day that a machine may be planned for.")] = 0.7,
) -> None:
    """Say how many machines a stream of texts takes, and what it costs.

    Example: classifier batch-plan --rates docs/benchmarks/batch.json --texts-per-day 1e9 --price-per-hour 0.1
    """
    from classifier.batch.plan import plan_for, plan_table
    from classifier.batch.rates import read_rate

    if (texts_per_s is None) is (rates is None):
        raise typer.BadParameter("expected either --texts-per-s or --rates", param_hint="--texts-per-s")
    if rates is not None:
        print(plan_table(read_rate(rates), texts_per_day=texts_per_day, price_per_hour=price_per_hour, utilisation=utilisation))
    elif texts_per_s is not None:
        plan = plan_for(texts_per_day, machine_texts_per_s=texts_per_s, price_per_hour=price_per_hour, utilisation=utilisation)
        print(json.dumps(asdict(plan), indent=2))
