"""``classifier card``: the model card of a bundle, made from its evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def card(
    bundle: Annotated[Path, typer.Argument(help="Folder of the bundle.")],
    evaluation: Annotated[Path | None, typer.Option(help="JSON of `classifier evaluate`: put its figures into the card.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the bundle that comes out; default: the bundle itself.")] = None,
) -> None:
    """Write the card of a bundle anew (README.md): data, settings, certified levels, measured figures, limits, time and energy.

    Example: classifier card runs/bundle --evaluation runs/evaluation.json
    """
    from classifier.bundle import LAYOUT
    from classifier.training.complete_card import complete_card

    made = complete_card(bundle, out or bundle, evaluation_path=evaluation)
    print((made.folder / LAYOUT.card).read_text(encoding="utf-8"), end="")
