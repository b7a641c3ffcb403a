"""``classifier thresholds``: the ladder of a bundle, and what it would do to production traffic."""

from __future__ import annotations

import json
from bisect import bisect_left
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer

from classifier.cli.prevalence import ends_of, prevalence_of

if TYPE_CHECKING:
    from classifier.decisions.ladder import Ladder
    from classifier.decisions.review import PlanRow
    from classifier.policy import Policy

_PER = 10_000


def thresholds(
    bundle: Annotated[Path, typer.Argument(help="Folder of the calibrated bundle.")],
    scores: Annotated[Path, typer.Argument(help="Scores of labelled texts from `classifier score`; best of texts that calibrated nothing.")],
    plan: Annotated[bool, typer.Option("--plan", help="Also say what happens to 10,000 texts at each level.")] = False,
    prevalence: Annotated[str, typer.Option(help="Share of violating texts in production, or a range: 0.01:0.05.")] = "0.01",
    capacity: Annotated[float | None, typer.Option(help="Texts that people can review: replaces the review threshold.")] = None,
    per: Annotated[int, typer.Option(min=1, help="The capacity counts texts of so many.")] = _PER,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Print each level's threshold, promise and evidence, and with --plan what the ladder would do to 10,000 texts.

    Example: classifier thresholds models/default runs/test.npz --plan --prevalence 0.01:0.05 --capacity 200
    """
    from classifier.bundle import load_bundle
    from classifier.decisions.review import plan_table
    from classifier.errors import CalibrationError, require
    from classifier.evaluation.scores import read_scores

    require("scipy", extra="train")
    shares = ends_of(prevalence_of(prevalence) or 0.01)
    loaded = load_bundle(bundle)
    policy, ladder = loaded.policy, loaded.ladder
    saved = read_scores(scores, policy)
    if saved.model_fingerprint != loaded.encoder_fingerprint:
        raise CalibrationError(f"{scores}: expected scores of encoder {loaded.encoder_fingerprint}, but got {saved.model_fingerprint}; score again.")
    probs, targets = loaded.calibration.apply(saved.logits, saved.n_windows).astype(np.float64), saved.targets(policy)
    if capacity is not None:
        # The more texts violate, the more are reviewed: what fits at the upper end fits the whole range.
        review = review_threshold_at(probs, targets, ladder, policy, prevalence=shares[-1], capacity=capacity, per=per)
        if review is None:
            raise CalibrationError(f"Expected a capacity that the switched-off levels do not use up alone, but got {capacity:g} of {per}; raise it.")
        ladder = ladder.with_review_threshold(review)
    tables = {share: plan_table(probs, targets, ladder, policy, prevalence=share, per=_PER) for share in shares} if plan else {}
    if as_json:
        content: dict[str, object] = {"model": loaded.model_fingerprint, "policy": policy.fingerprint, "ladder": ladder.to_dict()}
        if tables:
            plans = [{"prevalence": share, "per": _PER, "levels": [asdict(row) for row in rows]} for share, rows in tables.items()]
            content["plan"] = plans[0] if len(plans) == 1 else plans
        print(json.dumps(content, ensure_ascii=False, indent=2))
        return
    _print_ladder(ladder)
    for share, rows in tables.items():
        _print_plan(rows, share)


def review_threshold_at(
    probs: npt.ArrayLike,
    targets: npt.ArrayLike,
    ladder: Ladder,
    policy: Policy,
    *,
    prevalence: float | None,
    capacity: float,
    per: int = _PER,
) -> float | None:
    """The lowest review threshold that sends at most ``capacity`` of ``per`` texts to a person where a share ``prevalence`` violates.

    It is ``review_threshold_for_capacity`` for labelled texts that are not mixed as in production.

    :param probs: calibrated, *Shape:* (n_texts, n_questions).
    :param targets: 0/1, *Shape:* (n_texts, n_questions).
    :return: None when the switched-off levels alone take more than the capacity.
    :raises CalibrationError: when a shape or value is wrong, or a kind of text that the prevalence asks for is missing.
    """
    from classifier.decisions.review import plan_table

    def n_reviewed(threshold: float | None) -> float:
        tried = ladder.with_review_threshold(threshold)
        return sum(row.n_reviewed for row in plan_table(probs, targets, tried, policy, prevalence=prevalence, per=per))

    # Sums of weights are exact to about 1e-12 only: a capacity that is met exactly must count as met.
    allowed = capacity * (1 + 1e-9)
    if n_reviewed(None) > allowed:
        return None
    if n_reviewed(0.0) <= allowed:
        return 0.0
    reached = np.unique(np.asarray(probs, dtype=np.float64)[:, policy.severity_column(1)])
    first = bisect_left(reached, -allowed, key=lambda threshold: -n_reviewed(float(threshold)))
    return float(reached[first]) if first < reached.size else float(np.nextafter(reached[-1], 2.0))


def _print_ladder(ladder: Ladder) -> None:
    from rich.console import Console
    from rich.table import Table

    headings = ("level", "threshold", "certified", "promise", "acted / errors", "certifiable", "more labels")
    table = Table(*headings, title=f"review threshold {_number(ladder.review_threshold)}; {ladder.method}", title_justify="left")
    for level in ladder.levels:
        promise = f">= {level.target_precision:.2f} at {level.confidence_level:.0%}"
        more = "never" if level.n_more_needed is None else str(level.n_more_needed)
        threshold = "off" if level.threshold is None else _number(level.threshold)
        counts = f"{level.n_acted} / {level.n_errors}"
        table.add_row(level.level_id, threshold, "yes" if level.certified else "no", promise, counts, _number(level.certifiable_precision), more)
    Console(width=120).print(table)


def _print_plan(rows: tuple[PlanRow, ...], prevalence: float) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("level", "decided", "wrong", "reviewed", "missed", "precision or above")
    table.title = f"of {_PER:,} texts, {prevalence:.2%} of them violating"
    for row in rows:
        numbers = (f"{value:.1f}" for value in (row.n_acted, row.n_wrong, row.n_reviewed, row.n_missed))
        table.add_row(row.level_id, *numbers, _number(row.precision_or_above))
    Console(width=120).print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
