"""Markdown from numbers: nothing is computed here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from classifier.evaluation.bootstrap import Estimate


def shown(estimate: Estimate) -> str:
    """Value and interval, a dash where there is none.

    >>> shown(Estimate(0.8251, 0.7, 0.9, 40))
    '0.825 [0.700, 0.900]'
    """
    if math.isnan(estimate.value):
        return "–"
    if math.isnan(estimate.low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    r"""A table; what would break a cell (a bar, a line break) is escaped.

    >>> print(markdown_table(["a", "b"], [[1, "x|y"]]))
    | a | b |
    |---|---|
    | 1 | x\|y |
    """
    lines = [headers, *rows]
    cells = ["| " + " | ".join(str(cell).replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines]
    return "\n".join([cells[0], "|" + "---|" * len(headers), *cells[1:]])
