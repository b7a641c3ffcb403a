"""Near duplicates: texts of which one shares at least half of its character 5-grams with the other.

overlap(A, B) = |A ∩ B| / min(|A|, |B|) over the sets of 5-grams (the overlap coefficient). Pairs are found by prefix filtering (Chaudhuri,
Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007): the smaller set can share enough only if one of its rarest grams is shared, so only
those are looked up in the inverted index, and every pair found is counted exactly.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.data.components import Ids, components, first_seen

N_CHARS = 5
MIN_OVERLAP = 0.5
_CHUNK = 2_000_000
"""How many candidates are held at once; bounds the memory, not the result."""


@dataclass(frozen=True)
class Similar:
    """Which texts are nearly the same.

    ``cluster`` is the near-duplicate cluster of every text and ``exact`` its class of equal normalised texts, both counted from 0 in the
    order of the first member, *Shape:* (n_texts,). ``pairs`` are the near duplicates between different classes, each given by the first
    text of its class, the earlier one first, *Shape:* (n_pairs, 2); ``overlaps`` belongs to them, *Shape:* (n_pairs,).
    ``n_capped_grams`` is 0 where the result is complete, else the number of 5-grams so common that not all their pairs were compared.
    """

    cluster: Ids
    exact: Ids
    pairs: Ids
    overlaps: npt.NDArray[np.float64]
    n_capped_grams: int


def same_text(text: str) -> str:
    """What two texts are compared by: NFKC, case folded, without white space.

    >>> same_text("Ｗ 币 圈")
    'w币圈'
    """
    return "".join(unicodedata.normalize("NFKC", text).casefold().split())


def similar_texts(texts: Sequence[str], *, min_overlap: float = MIN_OVERLAP, max_texts_per_gram: int = 500) -> Similar:
    """Find exact and near duplicates.

    :param min_overlap: inclusive lower bound on the overlap, above 0.
    :param max_texts_per_gram: a gram pairs every text with at most so many of the next larger texts that hold it. Only common grams are
        touched, and clusters stay connected through the neighbours; ``n_capped_grams`` tells whether it happened.

    >>> found = similar_texts(["今晚八点准时开盘", "今晚 八点准时开盘！", "明早九点卖豆浆油条"])
    >>> found.cluster.tolist(), found.exact.tolist(), found.pairs.tolist(), found.overlaps.tolist()
    ([0, 0, 1], [0, 1, 2], [[0, 1]], [1.0])
    """
    if not 0 < min_overlap <= 1 or max_texts_per_gram < 1:
        raise ValueError(f"Expected 0 < min_overlap <= 1 and max_texts_per_gram >= 1, but got {min_overlap} and {max_texts_per_gram}.")
    compared = [same_text(text) for text in texts]
    exact = first_seen(compared)
    first_text = np.unique(exact, return_index=True)[1]
    index = _Index.build([compared[i] for i in first_text])
    found = [_overlaps(index, block, min_overlap) for block in _candidates(index, min_overlap, max_texts_per_gram)]
    pairs = np.concatenate([np.empty((0, 2), dtype=np.int64), *(block.pairs for block in found)])
    overlaps = np.concatenate([np.empty(0), *(block.overlaps for block in found)])
    pairs = np.sort(first_text[pairs], axis=1)
    order = np.lexsort((pairs[:, 1], pairs[:, 0]))
    copies = np.column_stack([first_text[exact], np.arange(len(texts))])
    cluster = components(len(texts), [*copies.tolist(), *pairs.tolist()])
    n_capped = int(np.sum(np.bincount(index.grams, minlength=1) > max_texts_per_gram + 1))
    return Similar(cluster, exact, pairs[order], overlaps[order], n_capped)


@dataclass(frozen=True)
class _Index:
    """The distinct grams of every text, twice sorted. Texts are renumbered by their size, so that a larger number is no smaller text.

    ``grams`` are ranks by rarity, rarest first, ascending within a text, *Shape:* (n_postings,); ``starts`` says where each text begins,
    *Shape:* (n_texts + 1,). ``holders`` are the texts by gram, ascending, *Shape:* (n_postings,), and ``places`` the place of each posting
    among them; ``ends`` is where each gram's holders end, *Shape:* (n_grams,). ``original`` gives the number of a text before.
    """

    grams: Ids
    starts: Ids
    holders: Ids
    places: Ids
    ends: Ids
    original: Ids

    @classmethod
    def build(cls, texts: Sequence[str]) -> _Index:
        owners, grams, n_grams = _grams(texts)
        counts = np.bincount(grams, minlength=n_grams)
        rank = np.empty(n_grams, dtype=np.int64)
        rank[np.argsort(counts, kind="stable")] = np.arange(n_grams)
        sizes = np.bincount(owners, minlength=len(texts))
        original = np.argsort(sizes, kind="stable")
        number = np.empty(len(texts), dtype=np.int64)
        number[original] = np.arange(len(texts))
        owners, grams = number[owners], rank[grams]
        order = np.lexsort((grams, owners))
        owners, grams = owners[order], grams[order]
        by_gram = np.argsort(grams, kind="stable")
        places = np.empty(len(grams), dtype=np.int64)
        places[by_gram] = np.arange(len(grams))
        starts = np.concatenate([[0], np.cumsum(sizes[original])]).astype(np.int64)
        return cls(grams, starts, owners[by_gram], places, np.cumsum(np.sort(counts, kind="stable")), original)


def _grams(texts: Sequence[str]) -> tuple[Ids, Ids, int]:
    """The distinct (text, gram) postings and the number of grams; grams get exact dense numbers, no hash that could collide."""
    padded = [text.ljust(N_CHARS, "_") for text in texts]
    codes = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.int64)
    if not len(codes):
        return codes, codes, 0
    lengths = np.array([len(text) for text in padded])
    grams = codes = np.unique(codes, return_inverse=True)[1]
    for shift in range(1, N_CHARS):  # a gram one longer is a pair (gram, next character), numbered anew
        pairs = grams[:-1] * (int(codes.max()) + 1) + codes[shift:]
        grams = np.unique(pairs, return_inverse=True)[1]
    owners = np.repeat(np.arange(len(texts)), lengths)
    inside = owners[: len(grams)] == owners[N_CHARS - 1 :]
    n_grams = int(grams.max()) + 1
    postings = np.unique(owners[: len(grams)][inside] * n_grams + grams[inside])
    return postings // n_grams, postings % n_grams, n_grams


def _candidates(index: _Index, min_overlap: float, max_texts_per_gram: int) -> Iterator[Ids]:
    """Distinct pairs (smaller, larger) that share one of the smaller text's rarest grams, in blocks, *Shape:* (n_pairs, 2)."""
    sizes = np.diff(index.starts)
    n_prefix = sizes - np.ceil(min_overlap * sizes - 1e-9).astype(np.int64) + 1
    owners = np.repeat(np.arange(len(sizes)), sizes)
    prefix = np.flatnonzero(np.arange(len(index.grams)) - index.starts[owners] < n_prefix[owners])
    n_partners = np.minimum(index.ends[index.grams[prefix]] - index.places[prefix] - 1, max_texts_per_gram)
    prefix, n_partners = prefix[n_partners > 0], n_partners[n_partners > 0]  # most grams are rare and end here
    for block in _blocks(owners[prefix], n_partners):
        smaller = np.repeat(owners[prefix[block]], n_partners[block])
        larger = index.holders[_ranges(index.places[prefix[block]] + 1, n_partners[block])]
        keys = np.unique(smaller * len(sizes) + larger)
        yield np.column_stack([keys // len(sizes), keys % len(sizes)])


@dataclass(frozen=True)
class _Found:
    pairs: Ids
    overlaps: npt.NDArray[np.float64]


def _overlaps(index: _Index, candidates: Ids, min_overlap: float) -> _Found:
    """Count the shared grams of every candidate exactly; keep those that overlap enough."""
    sizes = np.diff(index.starts)
    shared = np.zeros(len(candidates), dtype=np.int64)
    n_grams = len(index.ends)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    postings = owners * n_grams + index.grams
    for block in _blocks(np.arange(len(candidates)), sizes[candidates[:, 0]]):
        n_looked_up = sizes[candidates[block, 0]]
        wanted = index.grams[_ranges(index.starts[candidates[block, 0]], n_looked_up)] + np.repeat(candidates[block, 1], n_looked_up) * n_grams
        at = np.minimum(np.searchsorted(postings, wanted), len(postings) - 1)
        shared[block] = np.add.reduceat(postings[at] == wanted, np.cumsum(n_looked_up) - n_looked_up, dtype=np.int64)
    overlaps = shared / sizes[candidates[:, 0]]
    near = overlaps >= min_overlap
    return _Found(index.original[candidates[near]], overlaps[near])


def _blocks(owners: Ids, weights: Ids) -> Iterator[slice]:
    """Cut a list into runs of about ``_CHUNK`` weight, never between two entries of one owner."""
    total = np.cumsum(weights)
    start = 0
    while start < len(owners):
        limit = _CHUNK + (total[start - 1] if start else 0)
        end = int(np.searchsorted(total, limit, side="right"))
        end = int(np.searchsorted(owners, owners[max(end - 1, start)], side="right"))
        yield slice(start, end)
        start = end


def _ranges(starts: Ids, lengths: Ids) -> Ids:
    """The numbers ``start … start + length - 1`` of every range, one after the other."""
    ends = np.cumsum(lengths)
    numbers: Ids = np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
    return numbers
