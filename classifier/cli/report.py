"""``classifier report``: what ``classifier evaluate`` computes, as one HTML page; and the helper that both commands share."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from classifier.cli.beside import AttackFile, BaselineScores, EvidenceFile, Spans, named_scores, saved_of_clone, saved_results, with_spans
from classifier.cli.classify import default_bundle
from classifier.cli.reading import chunks, incoming_of
from classifier.errors import BundleError, CalibrationError

if TYPE_CHECKING:
    from classifier.evaluation.bundle_results import BundleReport
    from classifier.evaluation.saved import SavedResults
    from classifier.reports import NamedBackground

OnStep = Callable[[str], None]
N_STEPS = 8
"""Of the progress bar: five of the evaluation, one for ordinary texts or the scores of the demo, one to explain mistakes, one to draw."""


def report(
    bundle: Annotated[Path | None, typer.Argument(help="Folder of the calibrated bundle.")] = None,
    scores: Annotated[Path | None, typer.Argument(help="Scores of the test split, from `classifier score`.")] = None,
    out: Annotated[Path, typer.Option(help="The page that comes out.")] = Path("report.html"),
    demo: Annotated[bool, typer.Option("--demo", help="In a clone: the default bundle on data/test.jsonl, next to data/train.jsonl.")] = False,
    train: Annotated[list[Path] | None, typer.Option(help="Training texts: add the baseline and look for leaks.")] = None,
    baseline_scores: BaselineScores = None,
    attack: AttackFile = None,
    evidence: EvidenceFile = None,
    spans: Spans = None,
    background: Annotated[list[Path] | None, typer.Option(help="Ordinary texts without labels: add what happens to them.")] = None,
    seed: Annotated[int, typer.Option(help="Decides every resample.")] = 13,
    resamples: Annotated[int, typer.Option(help="Number of bootstrap resamples.")] = 1000,
) -> None:
    """Write the evaluation as one HTML page that opens without a network: verdict, curves, mistakes, honesty checks.

    Example: classifier report models/default runs/test.npz --train data/train.jsonl --out report.html
    """
    if demo and (bundle or scores):
        raise ValueError("Expected --demo alone, or BUNDLE and SCORES without it, but got both.")
    with progress() as on_step, tempfile.TemporaryDirectory() as folder:
        named, saved = named_scores(baseline_scores or ()), None
        if demo:
            made = _demo(Path(folder), train, on_step)
            bundle, scores, train, saved = made.bundle, made.scores, made.train, made.saved
        elif bundle is None or scores is None:
            raise ValueError("Expected BUNDLE and SCORES, or --demo in a clone of the project, but got neither; see `classifier report --help`.")
        saved = saved_results(bundle, attack, evidence, otherwise=saved)
        found = evaluated(bundle, scores, train=train or (), named=named, saved=saved, seed=seed, resamples=resamples, on_step=on_step)
        write_html(out, found, bundle, background or (), on_step, spans=True if demo and spans is None else spans)
    typer.echo(f"{out}: {out.stat().st_size / 1e6:.1f} MB")


def evaluated(
    bundle: Path,
    scores: Path,
    *,
    train: Sequence[Path],
    named: Mapping[str, Path],
    saved: SavedResults,
    seed: int,
    resamples: int,
    on_step: OnStep,
) -> BundleReport:
    """Evaluate a bundle on saved scores."""
    from classifier.errors import require

    require("sklearn", extra="train")
    from classifier.evaluation.bundle_report import report_bundle

    return report_bundle(
        bundle, scores, train_paths=train, baseline_scores=named, saved=saved, seed=seed, n_resamples=resamples, on_step=on_step
    )


def write_html(
    out: Path, found: BundleReport, bundle: Path, backgrounds: Sequence[Path], on_step: OnStep, *, spans: bool | None = None
) -> None:
    """Draw the page and write it, whole or not at all; ``spans`` None explains mistakes where the bundle runs anyway."""
    from classifier.errors import require

    for module in ("jinja2", "matplotlib"):
        require(module, extra="train")
    from classifier.files import write_text_atomic
    from classifier.reports import render_report

    if backgrounds:
        on_step("running over ordinary texts")
    named = [background_of(path, bundle) for path in backgrounds]
    if spans or (spans is None and backgrounds):
        found = with_spans(found, on_step)
    on_step("drawing the page")
    write_text_atomic(out, render_report(found, backgrounds=named, command=f"classifier {shlex.join(sys.argv[1:])}"))


def background_of(path: Path, bundle: Path) -> NamedBackground:
    """What a bundle does to a file of ordinary texts."""
    import numpy as np

    from classifier.evaluation import background
    from classifier.inference import Classifier
    from classifier.reports import NamedBackground

    if not path.is_file():
        raise CalibrationError(f"{path}: expected a file of ordinary texts, but there is none.")
    classifier = Classifier.load(bundle)
    texts: list[str] = []
    probs = [np.empty((0, len(classifier.policy.questions)), dtype=np.float32)]
    for chunk in chunks(incoming_of(str(path), source="post", text_field="text"), 512):
        kept = [record for record in chunk if isinstance(record.text, str) and record.text.strip()]
        texts += [record.text for record in kept]
        probs.append(classifier.predict_proba([record.text for record in kept], source=[record.source for record in kept]))
    joined = np.concatenate(probs)
    result = background(joined, classifier.policy, classifier.bundle.ladder)
    worst = [float(joined[i, classifier.policy.severity_column(1)]) for i in result.worst]
    return NamedBackground(path.name, result, tuple(texts[i] for i in result.worst), tuple(worst))


@contextmanager
def progress() -> Iterator[OnStep]:
    """A bar on standard error, where that is a terminal; gives the function that moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<30}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("reading", total=N_STEPS)

        def on_step(step: str) -> None:
            bar.update(task, description=step, advance=1)

        yield on_step


@dataclass(frozen=True)
class _Demo:
    """What the demo is made of."""

    bundle: Path
    scores: Path
    train: list[Path]
    saved: SavedResults


def _demo(folder: Path, train: list[Path] | None, on_step: OnStep) -> _Demo:
    """Score the test texts of the clone; saved results of ``docs/reports`` stand beside where they belong to its bundle."""
    from classifier.scoring import score_files

    bundle = default_bundle()
    data = next((here for here in (Path("data"), Path(__file__).parents[2] / "data") if (here / "test.jsonl").is_file()), None)
    if data is None or not bundle.is_dir():
        raise BundleError(
            "Expected data/test.jsonl and models/default, but they are not here; --demo works in a clone of the project: go there, "
            "or name BUNDLE and SCORES."
        )
    on_step("scoring the test texts")
    scores = folder / "test.npz"
    score_files(bundle, [data / "test.jsonl"], scores)
    saved = saved_of_clone(data.parent / "docs" / "reports", bundle, data / "test.jsonl")
    return _Demo(bundle, scores, train or [data / "train.jsonl"], saved)


