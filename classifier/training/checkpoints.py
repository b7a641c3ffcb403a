"""Checkpoints that are whole or do not count: each is sealed by a list of its files, written last."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from classifier.errors import DataError, Problem
from classifier.files import sha256_of, write_text_atomic
from classifier.training.spent import Spent

SEAL = "whole.json"
_NAME = re.compile(r"checkpoint-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint: its folder, the run that it belongs to, and what the run had spent when it was written."""

    folder: Path
    run_fingerprint: str
    spent: Spent


def seal(folder: Path, run_fingerprint: str, spent: Spent) -> None:
    """Declare a checkpoint whole: all its files stand as they are now."""
    files = {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL}
    content = {"run": run_fingerprint, "spent": asdict(spent), "files": files}
    write_text_atomic(folder / SEAL, json.dumps(content, indent=1) + "\n")


def last_whole(folder: Path, run_fingerprint: str) -> Checkpoint | None:
    """The newest whole checkpoint below ``folder``; half-written and damaged ones are passed over, None where there is no whole one.

    :raises DataError: when it was made by a run with other settings or data.
    """
    for path in reversed(_in_order(folder)):
        checkpoint = _read(path)
        if checkpoint is None:
            continue
        if checkpoint.run_fingerprint != run_fingerprint:
            message = (
                f"expected a checkpoint of this run ({run_fingerprint}), but it was made with other settings or data ({checkpoint.run_fingerprint}); "
                "name another --run, or start anew without --resume"
            )
            raise DataError((Problem(str(path), 0, "run", message),))
        return checkpoint
    return None


def sweep(folder: Path, *, keep: set[str]) -> None:
    """Take away every checkpoint below ``folder`` but those whose names are in ``keep``, the oldest first."""
    for path in _in_order(folder):
        if path.name not in keep:
            # Its seal first: what is left of it when this is cut short must not look whole.
            (path / SEAL).unlink(missing_ok=True)
            shutil.rmtree(path)


def _in_order(folder: Path) -> list[Path]:
    """Folders of checkpoints by their step."""
    return [path for _, path in sorted(_numbered(folder))]


def _numbered(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _NAME.fullmatch(path.name)
        if found and path.is_dir():
            yield int(found.group(1)), path


def _read(path: Path) -> Checkpoint | None:
    try:
        content = json.loads((path / SEAL).read_text(encoding="utf-8"))
        whole = all(sha256_of(path / name) == digest for name, digest in content["files"].items())
        return Checkpoint(path, content["run"], Spent(**content["spent"])) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
