"""Labelled files read one text at a time, for more texts than memory holds."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from classifier.examples import Example
from classifier.policy import Policy
from classifier.records.checking import Log, examples_of
from classifier.records.reading import rows_of


@dataclass(frozen=True)
class ExampleFiles:
    """The examples of some files, read again each time that they are gone through; as strict as ``read_examples``.

    A pass raises ``DataError`` with all problems at its end, so that what it gave counts only when it ends well. It remembers 12 bytes a text.
    """

    paths: tuple[Path, ...]
    policy: Policy

    def __iter__(self) -> Iterator[Example]:
        log = Log(max_problems=100)
        ids = _Ids()
        for path in self.paths:
            for line, row in rows_of(path, log):
                for example in examples_of(iter([(line, row)]), str(path), self.policy, log, {}):
                    ids.add(example.id, line)
                    yield example
            ids.end_file()
        ids.tell(self.paths, log)
        log.raise_if_any()

    def sample(self, n: int, *, seed: int) -> Sample:
        """``n`` of the examples at random, in one pass (reservoir sampling: Vitter 1985)."""
        generator = np.random.default_rng(seed)
        kept: list[Example] = []
        n_seen = 0
        for n_seen, example in enumerate(self, 1):
            if len(kept) < n:
                kept.append(example)
            elif (place := int(generator.integers(n_seen))) < n:
                kept[place] = example
        return Sample(tuple(kept), n_seen)


@dataclass(frozen=True)
class Sample:
    """Some of the examples of files, and how many there are."""

    examples: Sequence[Example]
    n_examples: int


class _Ids:
    """Ids as hashes of 8 bytes with their lines, to find those that come twice."""

    def __init__(self) -> None:
        self._hashes = array("Q")
        self._lines = array("I")
        self._ends: list[int] = []

    def add(self, example_id: str, line: int) -> None:
        self._hashes.append(int.from_bytes(blake2b(example_id.encode("utf-8"), digest_size=8).digest(), "little"))
        self._lines.append(line)

    def end_file(self) -> None:
        self._ends.append(len(self._hashes))

    def tell(self, paths: Sequence[Path], log: Log) -> None:
        """Log every id that was seen before: two of a million ids share a hash by chance once in forty million runs."""
        hashes = np.frombuffer(self._hashes, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(np.diff(hashes[order]) == 0) + 1 if len(hashes) else np.empty(0, dtype=np.int64)
        for position in np.sort(order[same]):
            path = paths[int(np.searchsorted(self._ends, position, side="right"))]
            first = int(order[np.searchsorted(hashes[order], hashes[position])])
            seen = f"{paths[int(np.searchsorted(self._ends, first, side='right'))]}:{self._lines[first]}"
            log.add(str(path), self._lines[int(position)], "id", f"expected an id of its own, but it is already at {seen}")
