"""How far a run is, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_EVERY_S = 10.0


@contextmanager
def progress_of(wanted: bool | None, *, n_before: int = 0) -> Iterator[Callable[[int], None]]:
    """A function that is told how many texts are done: a living line on a terminal, else a line every ten seconds and one at the end.

    :param wanted: None for where standard error is a terminal and standard output is not.
    :param n_before: texts that an earlier run did; they do not count for the speed.
    """
    on_terminal = sys.stderr.isatty()
    if not (wanted if wanted is not None else on_terminal and not sys.stdout.isatty()):
        yield lambda n: None
        return
    from rich.console import Console

    console, start, last, told = Console(stderr=True), time.monotonic(), n_before, time.monotonic()

    def line() -> str:
        return f"{last:,} texts, {(last - n_before) / max(time.monotonic() - start, 1e-3):,.0f} texts/s"

    if on_terminal:
        with console.status(line()) as status:

            def show(n: int) -> None:
                nonlocal last
                last = n
                status.update(line())

            yield show
    else:

        def write(n: int) -> None:
            nonlocal last, told
            last = n
            if time.monotonic() - told >= _EVERY_S:
                told = time.monotonic()
                print(line(), file=sys.stderr, flush=True)

        yield write
    print(line(), file=sys.stderr, flush=True)
