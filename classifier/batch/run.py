"""A run over all partitions of a folder on Ray Data: every actor loads the bundle once and takes partition after partition."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from classifier.batch.partitions import SCRATCH, BatchSettings, PartitionReport, decide_partition, partitions_of
from classifier.bundle import load_bundle
from classifier.errors import ClassifierError, DataError, require


@dataclass(frozen=True)
class BatchReport:
    """What became of all partitions; ``failed`` are those that have no output, with the reason."""

    n_partitions: int
    n_skipped: int
    n_decided: int
    n_bad: int
    failed: tuple[PartitionReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able content."""
        return asdict(self)


class PartitionDecider:
    """What an actor runs: partitions in, reports out. The bundle is loaded once, when the actor starts."""

    def __init__(self, settings: BatchSettings) -> None:
        self._settings = settings
        self._classifier = settings.load()

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, list[str]]:
        """Reports as JSON, one for each name in ``batch["name"]``."""
        return {"report": [json.dumps(asdict(self._report(str(name)))) for name in batch["name"]]}

    def _report(self, name: str) -> PartitionReport:
        try:
            return decide_partition(self._classifier, self._settings, name)
        except DataError as error:
            return PartitionReport(name, error=str(error))


def run_batch(
    settings: BatchSettings,
    *,
    n_actors: int = 1,
    address: str | None = None,
    on_report: Callable[[PartitionReport], None] = lambda report: None,
) -> BatchReport:
    """Decide about every input file that has no output yet. Only one run may write an output folder at a time.

    :param n_actors: classifiers at work at once, each with ``settings.n_threads`` cores.
    :param address: of a Ray cluster; None for one on this machine that ends with the run. A Ray that already runs in this process is used as it is.
    :param on_report: told of every partition when it ends.
    :raises BundleError: when the bundle cannot be loaded.
    :raises DataError: when the input folder holds no file.
    :raises ClassifierError: when the actors die, for instance for want of memory; the partitions done so far are kept.
    :raises MissingExtraError: when the extra ``batch`` is not installed.
    """
    ray, data = require("ray", extra="batch"), require("ray.data", extra="batch")
    settings = replace(
        settings, bundle=settings.bundle.resolve(), input_folder=settings.input_folder.resolve(), output_folder=settings.output_folder.resolve()
    )
    load_bundle(settings.bundle)
    names = partitions_of(settings.input_folder)
    shutil.rmtree(settings.output_folder / SCRATCH, ignore_errors=True)
    with _ray(ray, address, n_cpus=n_actors * settings.n_threads):
        dataset = data.from_items([{"name": name} for name in names], override_num_blocks=len(names)).map_batches(
            PartitionDecider,
            fn_constructor_args=(settings,),
            batch_size=1,
            compute=data.ActorPoolStrategy(size=n_actors),
            num_cpus=settings.n_threads,
        )
        reports = []
        try:
            for row in dataset.iter_rows():
                reports.append(PartitionReport(**json.loads(row["report"])))
                on_report(reports[-1])
        except ray.exceptions.RayError as error:
            raise ClassifierError(f"expected actors that live to the end, but got: {error}; what is done is kept, so start the run again") from error
    shutil.rmtree(settings.output_folder / SCRATCH, ignore_errors=True)
    return _summary(reports)


def _summary(reports: list[PartitionReport]) -> BatchReport:
    return BatchReport(
        len(reports),
        sum(report.skipped for report in reports),
        sum(report.n_decided for report in reports),
        sum(report.n_bad for report in reports),
        tuple(sorted((report for report in reports if report.error is not None), key=lambda report: report.name)),
    )


@contextmanager
def _ray(ray: Any, address: str | None, *, n_cpus: int) -> Iterator[None]:
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # what is moderated here is nobody else's business
    # One core more than the actors need: Ray Data keeps one for the reading of its own input.
    size = {} if address else {"num_cpus": n_cpus + 1, "include_dashboard": False}
    ray.init(address=address, logging_level="error", log_to_driver=False, **size)
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # its plans and progress are not what was asked for
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    try:
        yield
    finally:
        ray.shutdown()
