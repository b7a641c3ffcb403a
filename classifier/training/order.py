"""The order in which rows are seen: by length, so that batches carry little padding, and decided by seed and epoch alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

MAX_BATCHES_TOGETHER = 50
"""Rows are sorted by length among so many batches at a time: short and long batches still alternate within an epoch."""


def length_order(lengths: npt.NDArray[np.int32], batch_size: int, *, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """A shuffle in which every ``batch_size`` neighbours are about equally long.

    The rows are shuffled, sorted by falling length inside blocks of up to ``MAX_BATCHES_TOGETHER`` batches, and the whole batches shuffled again. The
    last batch alone may be short.

    :param lengths: tokens of each row, *Shape:* (n_rows,).
    :return: every position once, *Shape:* (n_rows,).

    >>> length_order(np.array([9, 2, 8, 1], dtype=np.int32), 2, seed=0, epoch=0).tolist() in ([0, 2, 1, 3], [1, 3, 0, 2])
    True
    """
    generator = np.random.default_rng([seed, epoch])
    shuffled = generator.permutation(len(lengths))
    together = batch_size * max(1, min(len(lengths) // (4 * batch_size) or len(lengths) // batch_size, MAX_BATCHES_TOGETHER))
    n_whole = len(lengths) // batch_size * batch_size
    blocks = [shuffled[start : min(start + together, n_whole)] for start in range(0, n_whole, together)]
    ordered = [block[np.argsort(-lengths[block], kind="stable")] for block in blocks]
    batches = np.concatenate(ordered).reshape(-1, batch_size) if ordered else np.empty((0, batch_size), dtype=np.int64)
    return np.concatenate([batches[generator.permutation(len(batches))].ravel(), shuffled[n_whole:]])


class LengthOrder(torch.utils.data.Sampler[int]):
    """``length_order`` of the current epoch as a sampler.

    It draws nothing from the global generators of torch: a run that starts again in the middle of an epoch sees the rest of the same order, and
    all processes of one run see one order, whatever their dropout has drawn.
    """

    def __init__(self, lengths: npt.NDArray[np.int32], batch_size: int, *, seed: int) -> None:
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
        for position in length_order(self._lengths, self._batch_size, seed=self._seed, epoch=self._epoch):
            yield int(position)
