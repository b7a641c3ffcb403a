"""What a report shows beside the evaluation itself: other models' scores, results measured earlier, spans. Shared by `evaluate` and `report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from classifier.evaluation.bundle_results import BundleReport
    from classifier.evaluation.saved import SavedResults

N_EXPLAINED = 100
"""Most mistakes for which the bundle's evidence is looked up."""
BaselineScores = Annotated[
    list[str] | None,
    typer.Option("--baseline-scores", metavar="NAME=FILE", help="Scores of another model, from `classifier baseline`; may be given again."),
]
AttackFile = Annotated[Path | None, typer.Option("--attack", help="JSON of `classifier attack` on this bundle: add a section on evasion.")]
EvidenceFile = Annotated[Path | None, typer.Option("--evidence", help="JSON of `classifier evidence-check` on this bundle: add a section.")]
Spans = Annotated[
    bool | None,
    typer.Option("--spans/--no-spans", help="Underline on the page what the model went by in the worst mistakes; default where it runs anyway."),
]


def named_scores(given: Sequence[str]) -> dict[str, Path]:
    """Names and files of NAME=FILE."""
    named: dict[str, Path] = {}
    for text in given:
        name, _, path = text.partition("=")
        if not name.strip() or not path or name.strip() in named:
            raise typer.BadParameter(f"expected NAME=FILE with a name of its own, but got {text!r}", param_hint="--baseline-scores")
        named[name.strip()] = Path(path)
    return named


def saved_results(folder: Path, attack: Path | None, evidence: Path | None, *, otherwise: SavedResults | None = None) -> SavedResults:
    """The results of the files given, checked against the bundle, in the place of those that there are otherwise."""
    from classifier.bundle import load_bundle
    from classifier.errors import require

    require("scipy", extra="train")
    from classifier.evaluation.saved import SavedResults, read_attack, read_evidence

    saved = otherwise or SavedResults()
    if attack is not None:
        saved = replace(saved, attack=read_attack(attack, load_bundle(folder)))
    if evidence is not None:
        saved = replace(saved, evidence=read_evidence(evidence, load_bundle(folder)))
    return saved


def saved_of_clone(reports: Path, folder: Path, test: Path) -> SavedResults:
    """Whatever results saved in a clone of the project belong to its bundle and test texts."""
    from classifier.bundle import load_bundle
    from classifier.errors import require

    require("scipy", extra="train")
    from classifier.evaluation.saved import saved_in
    from classifier.files import sha256_of

    return saved_in(reports, load_bundle(folder), {test.name: sha256_of(test)})


def with_spans(found: BundleReport, on_step: Callable[[str], None]) -> BundleReport:
    """The report with the bundle's own evidence in the worst mistakes: of those for which it has any, acted on or sent to a person."""
    from classifier.inference import Classifier

    due = [item for item in found.mistakes.worst if item.severity > 0 or item.review][:N_EXPLAINED]
    if not due:
        return found
    on_step("explaining the worst mistakes")
    texts, sources = [item.text for item in due], [item.source for item in due]
    decisions = Classifier(found.bundle).classify_many(texts, source=sources, evidence=True)
    spans = {item.id: decision.evidence for item, decision in zip(due, decisions, strict=True)}
    return replace(found, mistakes=found.mistakes.with_model_spans(spans))
