"""``classifier certify-accounts``: labelled accounts in, a bundle that knows which account levels it may promise out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def certify_accounts(
    bundle: Annotated[Path, typer.Argument(help="Folder of the calibrated bundle.")],
    outcomes: Annotated[Path, typer.Argument(help='JSONL, one account a line: {"account_id", "level"}, as a careful moderator chose.')],
    examples: Annotated[list[Path], typer.Argument(help="Labelled files with the texts of the accounts; nothing may have been fitted to them.")],
    out: Annotated[Path | None, typer.Option(help="Folder of the certified bundle; default: the bundle itself.")] = None,
    seed: Annotated[int, typer.Option(help="Decides which account of a cluster is drawn.")] = 13,
) -> None:
    """Certify the levels of whole accounts, and print which promise holds and what is missing for the others.

    Example: classifier certify-accounts runs/bundle data/accounts.jsonl data/calibration.jsonl
    """
    from classifier.errors import require

    require("sklearn", extra="train")
    from classifier.training.account_certificate import certify_bundle_accounts

    result = certify_bundle_accounts(bundle, outcomes, examples, out or bundle, seed=seed)
    ladder = result.bundle.account_ladder
    content = {"n_accounts": result.n_accounts, "confusion": result.confusion, "ladder": None if ladder is None else ladder.to_dict()}
    print(json.dumps(content, ensure_ascii=False, indent=2))
