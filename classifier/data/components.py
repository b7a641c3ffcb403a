"""Connected components of a graph given by its edges."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int64]


def components(n_nodes: int, edges: Iterable[Sequence[int]]) -> Ids:
    """Number the connected components in the order of their first node (union-find with path halving).

    :param edges: pairs of nodes.
    :return: the component of every node, counted from 0, *Shape:* (n_nodes,).

    >>> components(5, [(0, 3), (3, 4)]).tolist()
    [0, 1, 2, 0, 0]
    """
    parent = list(range(n_nodes))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first, second in edges:
        a, b = root(first), root(second)
        parent[max(a, b)] = min(a, b)  # the smallest node stays the root, so the numbering below follows the first nodes
    return first_seen([root(node) for node in range(n_nodes)])


def first_seen(keys: Sequence[Hashable]) -> Ids:
    """Number equal keys alike, in the order in which they are first seen.

    :return: *Shape:* (n_keys,).

    >>> first_seen(["b", "a", "b"]).tolist()
    [0, 1, 0]
    """
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)
