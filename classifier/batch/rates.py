"""A measured speed, read from the file of a benchmark."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from classifier.errors import DataError, Problem


@dataclass(frozen=True)
class Rate:
    """Texts a second of one machine with ``cores`` cores, how that was measured, and with which texts."""

    texts_per_s: float
    cores: int
    measured: str
    texts: str


def read_rate(path: Path) -> Rate:
    """The speed in a JSON file, as ``scripts/million.py --write FILE`` leaves it; other keys count for nothing.

    :raises DataError: when the file cannot be read, or a figure is missing or no positive number.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rate = Rate(float(content["texts_per_s"]), int(content["cores"]), str(content["measured"]), str(content["texts"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"expected texts_per_s, cores, measured and texts in JSON, but got: {error!r}; make it with scripts/million.py --write"
        raise DataError((Problem(str(path), 0, "rates", message),)) from error
    if not (rate.texts_per_s > 0 and rate.cores >= 1):
        message = f"expected a positive speed on at least one core, but got {rate.texts_per_s} on {rate.cores}; measure again"
        raise DataError((Problem(str(path), 0, "rates", message),))
    return rate
