"""``classifier monitor``: do fresh texts still look like those that the promises were certified on?"""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from classifier.bundle import Bundle
    from classifier.decisions.monitor import Sample


def monitor(
    bundle: Annotated[Path, typer.Argument(help="Folder of the calibrated bundle.")],
    calibration: Annotated[Path, typer.Argument(help="Scores of the calibration split.")],
    fresh: Annotated[Path, typer.Argument(help="Scores of fresh texts, from `classifier score`, in the order in which they came.")],
    labelled: Annotated[bool, typer.Option("--labelled", help="The fresh labels are true ones: also test whether the model is as right.")] = False,
    by_class: Annotated[
        bool, typer.Option("--by-class", help="Compare violating texts with violating ones and benign with benign: for promises at a prevalence.")
    ] = False,
    false_alarm_rate: Annotated[float, typer.Option(help="How probable any false alarm at all may be, over all time.")] = 0.01,
    void: Annotated[Path | None, typer.Option(help="When the test rejects, write a void.json here; beside a bundle it ends its promises.")] = None,
    seed: Annotated[int, typer.Option(help="Breaks ties.")] = 13,
    date: Annotated[str | None, typer.Option(help="Date in the void file; default today.")] = None,
) -> None:
    """Test by betting whether fresh scores are exchangeable with the calibration scores; exit 1 when they are not.

    Example: classifier monitor models/default runs/calibration.npz runs/march.npz --void models/default/void.json
    """
    from classifier.bundle import load_bundle
    from classifier.decisions.monitor import Void
    from classifier.decisions.monitor import monitor as compare
    from classifier.files import write_text_atomic

    loaded = load_bundle(bundle)
    before, after = (_sample(path, loaded, labelled=labelled, by_class=by_class) for path in (calibration, fresh))
    report = compare(before, after, loaded.policy.questions, false_alarm_rate=false_alarm_rate, seed=seed)
    print(json.dumps(report.to_dict(), ensure_ascii=False, indent=2))
    if report.untested_sources:
        typer.echo(f"not tested, too few calibration texts: {', '.join(report.untested_sources)}", err=True)
    if not report.rejected:
        return
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    voided = Void.of(report, model_fingerprint=loaded.model_fingerprint, date=date or today)
    typer.echo(f"{voided.question} of {voided.source} has changed (martingale {voided.martingale:.3g}); the promises are void.", err=True)
    if void is not None:
        write_text_atomic(void, json.dumps(voided.to_dict(), ensure_ascii=False, indent=2) + "\n")
    raise typer.Exit(1)


def _sample(path: Path, bundle: Bundle, *, labelled: bool, by_class: bool) -> Sample:
    """The first text of each cluster, in the order of the file."""
    import numpy as np

    from classifier.data import clusters_of
    from classifier.decisions.monitor import Sample
    from classifier.errors import CalibrationError
    from classifier.evaluation.scores import read_scores

    scores = read_scores(path, bundle.policy)
    if scores.model_fingerprint != bundle.encoder_fingerprint:
        raise CalibrationError(f"{path}: expected scores of encoder {bundle.encoder_fingerprint}, but got {scores.model_fingerprint}; score again.")
    rows = np.sort(np.unique(clusters_of(scores.examples), return_index=True)[1])
    kept = [scores.examples[i] for i in rows]
    sources = tuple(f"{e.source}:{'violating' if e.violating else 'benign'}" if by_class else e.source for e in kept)
    return Sample(scores.logits[rows], sources, scores.targets(bundle.policy)[rows] if labelled and not by_class else None)
