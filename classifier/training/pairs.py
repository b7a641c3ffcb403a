"""Batches that keep twins together: a violating text and the benign one that was written beside it differ in little but the act."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch

_POOL = 50
"""Batches that are sorted by length together, as the trainer's own sampler does."""


def couples(groups: Sequence[int], violating: Sequence[bool]) -> list[tuple[int, int]]:
    """Rows that stay together: a violating and a benign one of one group, as many such couples as there are.

    :param groups: number of the group of each row, -1 for none.

    >>> couples([0, -1, 0, 0], [True, False, False, False])
    [(0, 2)]
    """
    waiting: dict[tuple[int, bool], list[int]] = {}
    found = []
    for row, (group, kind) in enumerate(zip(groups, violating, strict=True)):
        twins = waiting.get((group, not kind), []) if group >= 0 else []
        if twins:
            found.append((twins.pop(0), row))
        else:
            waiting.setdefault((group, kind), []).append(row)
    return found


class PairSampler(torch.utils.data.Sampler[int]):
    """Order of the rows of an epoch: random, twins side by side, rows of about one length in a batch.

    Rows without a twin are put together by two as well, so that cutting after every even number of rows tears no couple.
    """

    def __init__(self, groups: Sequence[int], violating: Sequence[bool], lengths: Sequence[int], *, batch_size: int, seed: int) -> None:
        if batch_size % 2:
            raise ValueError(f"Expected an even number of texts in a pass, so that twins fit, but got {batch_size}; change `batch_size`.")
        self._couples = couples(groups, violating)
        self._others = sorted(set(range(len(lengths))) - {row for couple in self._couples for row in couple})
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = 0

    def __len__(self) -> int:
        return len(self._lengths)

    def set_epoch(self, epoch: int) -> None:
        """Another order for another epoch."""
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = np.random.default_rng([self._seed, self._epoch])
        others = [row for (row,) in self._mixed([(row,) for row in self._others], generator)]
        left = others[len(others) // 2 * 2 :]
        by_two = list(zip(others[::2], others[1::2], strict=False))
        rows = [row for unit in self._mixed([*self._couples, *by_two], generator) for row in unit] + left
        full = len(rows) - len(rows) % self._batch_size
        starts = generator.permutation(np.arange(0, full, self._batch_size))
        yield from (row for start in (*starts, full) for row in rows[start : start + self._batch_size])

    def _mixed(self, units: Sequence[tuple[int, ...]], generator: np.random.Generator) -> list[tuple[int, ...]]:
        """Shuffled, then sorted by falling length inside pools."""
        shuffled = [units[int(i)] for i in generator.permutation(len(units))]
        size = max(1, min(len(units) // 4, _POOL * self._batch_size))
        pools = (sorted(shuffled[start : start + size], key=self._length, reverse=True) for start in range(0, len(units), size))
        return [unit for pool in pools for unit in pool]

    def _length(self, unit: tuple[int, ...]) -> int:
        return max(self._lengths[row] for row in unit)
