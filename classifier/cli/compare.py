"""``classifier compare``: what changes when bundle B takes the place of bundle A, and a gate for continuous integration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from classifier.bundle import Bundle
    from classifier.evaluation.comparison import Gate
    from classifier.examples import Example


def compare(
    first: Annotated[Path, typer.Argument(metavar="A", help="Folder of the bundle in use.")],
    second: Annotated[Path, typer.Argument(metavar="B", help="Folder of the one that may take its place.")],
    texts: Annotated[Path | None, typer.Option(help="Texts that both are run over.")] = None,
    scores: Annotated[Path | None, typer.Option(help="Instead of texts: scores of A, and of B where it has the same encoder.")] = None,
    second_scores: Annotated[Path | None, typer.Option(help="Scores of B on the same texts, where its encoder is another.")] = None,
    labelled: Annotated[bool, typer.Option("--labelled/--unlabelled", help="Whether the texts carry true labels.")] = True,
    metric: Annotated[
        str | None, typer.Option(help="Gate: macro_f1, violation_f1, acted_precision, acted_recall or severity_kappa; exit 1 when B is worse.")
    ] = None,
    margin: Annotated[float, typer.Option(min=0, help="How much worse B may be.")] = 0.0,
    sure: Annotated[bool, typer.Option("--sure", help="Fail only when the whole 95% interval lies below -margin.")] = False,
    markdown: Annotated[Path | None, typer.Option(help="Also write the report here, to read.")] = None,
    show: Annotated[int, typer.Option(min=0, help="How many texts that rise, and that fall, to list.")] = 10,
    seed: Annotated[int, typer.Option(help="Decides every resample.")] = 13,
    resamples: Annotated[int, typer.Option(help="Number of bootstrap resamples.")] = 1000,
    text_field: Annotated[str, typer.Option(help="Of unlabelled texts: the field or column that holds the text.")] = "text",
) -> None:
    """Print which decisions change from A to B, up and down, and whether B is better; with --metric exit 1 when B is worse.

    Example: classifier compare models/default runs/candidate --texts data/test.jsonl --metric violation_f1 --margin 0.01
    """
    from classifier.bundle import load_bundle
    from classifier.data import clusters_of
    from classifier.errors import require
    from classifier.evaluation.compare import Side, compare_sides
    from classifier.files import write_text_atomic

    require("scipy", extra="train")
    if (texts is None) == (scores is None):
        raise typer.BadParameter("expected either --texts or --scores", param_hint="--texts")
    bundles = load_bundle(first), load_bundle(second)
    if texts is not None:
        examples = _examples(texts, bundles[0], labelled=labelled, text_field=text_field)
        probs = [_run(bundle, examples) for bundle in bundles]
    else:
        paths = scores, second_scores or scores
        examples, probs = _saved([path for path in paths if path is not None], bundles)
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    sides = [Side(name, p, b.policy, b.ladder, b.category_thresholds) for name, p, b in zip(names, probs, bundles, strict=True)]
    clusters = clusters_of(examples)
    comparison = compare_sides(
        sides[0], sides[1], examples, labelled=labelled, clusters=clusters, seed=seed, n_resamples=resamples, n_shown=show
    )
    gate = None if metric is None else comparison.gate(metric, margin=margin, sure=sure)
    content = comparison.to_dict() | {"gate": None if gate is None else vars(gate)}
    if markdown is not None:
        write_text_atomic(markdown, comparison.to_markdown())
    print(json.dumps(content, ensure_ascii=False, indent=2))
    if gate is not None:
        _leave(gate)


def _leave(gate: Gate) -> None:
    """Say how the gate judged; exit 1 where it is shut."""
    figure = "upper end of the 95% interval" if gate.sure else "difference"
    state = "passed" if gate.passed else "failed"
    typer.echo(f"gate {state}: {gate.metric}, {figure} {gate.judged:+.4f} against {-gate.margin:+.4f}", err=True)
    if not gate.passed:
        raise typer.Exit(1)


def _examples(path: Path, bundle: Bundle, *, labelled: bool, text_field: str) -> tuple[Example, ...]:
    from classifier.cli.reading import incoming_of
    from classifier.errors import DataError, Problem
    from classifier.examples import SOURCES, Example
    from classifier.records import read_examples

    if labelled:
        return tuple(read_examples([path], bundle.policy))
    if not path.is_file():
        raise DataError((Problem(str(path), 0, "file", "expected a file of texts, but there is none"),))
    by_name = {str(name): name for name in SOURCES}
    kept = (record for record in incoming_of(str(path), source="post", text_field=text_field) if isinstance(record.text, str) and record.text.strip())
    return tuple(Example(record.id, record.text, by_name.get(record.source, SOURCES[0]), (), 0) for record in kept)


def _run(bundle: Bundle, examples: Sequence[Example]) -> npt.NDArray[np.float32]:
    from classifier.inference import Classifier

    return Classifier(bundle).predict_proba([example.text for example in examples], source=[example.source for example in examples])


def _saved(paths: Sequence[Path], bundles: Sequence[Bundle]) -> tuple[tuple[Example, ...], list[npt.NDArray[np.float32]]]:
    from classifier.errors import CalibrationError
    from classifier.evaluation.scores import read_scores

    saved = [read_scores(path, bundle.policy) for path, bundle in zip(paths, bundles, strict=True)]
    for path, scores, bundle in zip(paths, saved, bundles, strict=True):
        if scores.model_fingerprint != bundle.encoder_fingerprint:
            raise CalibrationError(
                f"{path}: expected scores of encoder {bundle.encoder_fingerprint}, but got those of {scores.model_fingerprint}; score with "
                f"{bundle.folder}, and give B its own with --second-scores."
            )
    if [example.id for example in saved[0].examples] != [example.id for example in saved[1].examples]:
        raise CalibrationError(f"{paths[1]}: expected scores of the texts of {paths[0]}, in its order, but got others; score the same file.")
    return saved[0].examples, [bundle.calibration.apply(scores.logits, scores.n_windows) for scores, bundle in zip(saved, bundles, strict=True)]
