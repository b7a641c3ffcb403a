"""Draws that respect clusters: texts of one account, one group or one set of near-duplicates are not independent of each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from classifier.decisions.arrays import Bools, Ints, as_clusters
from classifier.errors import CalibrationError


def one_per_cluster(clusters: npt.ArrayLike, *, seed: int) -> Ints:
    """One text of each cluster, drawn evenly among its members and without a look at any score.

    The exact binomial tests need independent draws, and between clusters they are independent. A large cluster counts as much as
    a small one from here on: what is promised is promised for a text drawn from a drawn cluster.

    :param clusters: integers, *Shape:* (n_texts,).
    :return: ascending positions, *Shape:* (n_clusters,).

    >>> one_per_cluster([7, 7, 7, 2], seed=0).tolist()
    [2, 3]
    """
    numbers = as_clusters(clusters, np.size(np.asarray(clusters)))
    order = np.random.default_rng(seed).permutation(numbers.size)
    _, first = np.unique(numbers[order], return_index=True)
    return np.sort(order[first]).astype(np.int64)


def split_clusters(clusters: npt.ArrayLike, *, share: float, seed: int) -> Bools:
    """Split texts in two without tearing a cluster, for instance to fit calibrators on one part and certify on the other.

    :param clusters: integers, *Shape:* (n_texts,).
    :param share: share of the clusters that go to the first part, above 0 and below 1.
    :return: True for the texts of the first part, *Shape:* (n_texts,).
    :raises CalibrationError: when there are fewer than two clusters.
    """
    if not 0 < share < 1:
        raise ValueError(f"Expected a share above 0 and below 1, but got {share}.")
    numbers = as_clusters(clusters, np.size(np.asarray(clusters)))
    names, index = np.unique(numbers, return_inverse=True)
    if names.size < 2:
        raise CalibrationError(f"Expected at least two clusters to split, but got {names.size}; add texts of other accounts or groups.")
    n_first = min(max(round(share * names.size), 1), names.size - 1)
    chosen = np.zeros(names.size, dtype=np.bool_)
    chosen[np.random.default_rng(seed).permutation(names.size)[:n_first]] = True
    return np.asarray(chosen[index], dtype=np.bool_)


def fold_of_cluster(clusters: Ints, targets: npt.NDArray[np.int8], *, n_folds: int, seed: int) -> Ints:
    """A fold for each text, whole clusters only, the clusters that hold a yes dealt evenly over the folds.

    :param clusters: integers, *Shape:* (n_texts,).
    :param targets: 0/1 answers to one question, *Shape:* (n_texts,).
    :return: fold numbers 0 … n_folds - 1, *Shape:* (n_texts,).
    """
    _, index = np.unique(clusters, return_inverse=True)
    has_yes = np.bincount(index, weights=targets) > 0
    generator = np.random.default_rng(seed)
    fold = np.zeros(has_yes.size, dtype=np.int64)
    for members in (np.flatnonzero(has_yes), np.flatnonzero(~has_yes)):
        fold[generator.permutation(members)] = np.arange(members.size) % n_folds
    return fold[index]
