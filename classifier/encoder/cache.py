"""A bounded memory of what the encoder said: a text that comes again is not encoded again.

What is kept is the row of pooled logits, bit for bit, so that no decision changes. Keys are digests of the normalised text and its token type: an
entry is equally small for a text of twenty and of twenty thousand characters, and no text stays in memory.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.encoder.runtime import Encoded

DEFAULT_CACHE_SIZE = 50_000
"""Entries of about 300 bytes: 15 MB, half of what the shipped model takes, for the last minutes of a full stream, when copies of a post come."""

Encode = Callable[[Sequence[str], Sequence[int]], Encoded]


@dataclass(frozen=True)
class CacheCounts:
    """Texts answered without the encoder (``n_hits``: remembered, or twice in one call), texts encoded, entries now, and the most there may be."""

    n_hits: int
    n_misses: int
    n_entries: int
    max_entries: int


class EncodingCache:
    """The least recently used entries give way; threads may share one object.

    Two threads that meet the same new text at the same moment both encode it, and get the same logits.
    """

    def __init__(self, max_entries: int = DEFAULT_CACHE_SIZE) -> None:
        """:param max_entries: 0 remembers nothing between calls; copies within a call are still encoded once."""
        if max_entries < 0:
            raise ValueError(f"Expected a cache of 0 entries or more, but got {max_entries}.")
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, tuple[bytes, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._n_hits = self._n_misses = 0

    @property
    def counts(self) -> CacheCounts:
        """Counted since the beginning."""
        with self._lock:
            return CacheCounts(self._n_hits, self._n_misses, len(self._entries), self._max_entries)

    def encode(self, texts: Sequence[str], source_numbers: Sequence[int], encode: Encode) -> Encoded:
        """What ``encode`` gives for all texts, asked only for those that are new, each once.

        :param texts: normalised, at least one.
        :param encode: must give a text the same logits whatever comes with it.
        """
        keys = [_key(text, source_number) for text, source_number in zip(texts, source_numbers, strict=True)]
        known = self._remembered(keys)
        new = {key: row for row, key in reversed([*enumerate(keys)]) if key not in known}
        rows = sorted(new.values())
        if rows:
            fresh = encode([texts[row] for row in rows], [source_numbers[row] for row in rows])
            made = {keys[row]: (fresh.logits[i].tobytes(), int(fresh.n_windows[i])) for i, row in enumerate(rows)}
            known |= made
            self._remember(made)
        with self._lock:
            self._n_misses += len(rows)
            self._n_hits += len(keys) - len(rows)
        logits = np.frombuffer(b"".join(known[key][0] for key in keys), dtype=np.float32).reshape(len(keys), -1)
        n_windows: npt.NDArray[np.int32] = np.array([known[key][1] for key in keys], dtype=np.int32)
        return Encoded(logits.copy(), n_windows)

    def _remembered(self, keys: Sequence[bytes]) -> dict[bytes, tuple[bytes, int]]:
        found: dict[bytes, tuple[bytes, int]] = {}
        with self._lock:
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None:
                    self._entries.move_to_end(key)
                    found[key] = entry
        return found

    def _remember(self, made: dict[bytes, tuple[bytes, int]]) -> None:
        with self._lock:
            self._entries |= made
            while len(self._entries) > self._max_entries:
                self._entries.popitem(last=False)


def _key(text: str, source_number: int) -> bytes:
    """256 bits, so that no two texts are ever taken for one, not even by somebody who tries."""
    return hashlib.blake2b(text.encode("utf-8", errors="surrogatepass"), digest_size=32, salt=bytes((source_number,))).digest()
