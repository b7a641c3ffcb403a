"""When to send a request again, and how long to wait before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STATUSES = frozenset({429, 502, 503, 504})


@dataclass(frozen=True)
class Retry:
    """Up to ``n_retries`` further tries, after an exponential wait with full jitter: anything up to ``first_s`` · 2ⁿ, at most ``max_s``.

    Where the service says ``Retry-After``, the wait is that, and up to a quarter more, lest the refused all come back at once. A wait beyond
    ``max_s`` is not waited for.
    """

    n_retries: int = 4
    first_s: float = 0.1
    max_s: float = 20.0
    seed: int | None = None

    def delays(self) -> Delays:
        """The delays of one client, with a generator of their own."""
        return Delays(self, np.random.default_rng(self.seed))


class Delays:
    """Draws delays."""

    def __init__(self, retry: Retry, generator: np.random.Generator) -> None:
        self._retry, self._generator = retry, generator

    def next_s(self, attempt: int, *, status: int | None, retry_after_s: float | None) -> float | None:
        """Seconds to wait before trying again; None to give up.

        :param attempt: tries already made again, 0 after the first one.
        :param status: of the answer; None where the connection failed.

        >>> delays = Retry(n_retries=1, seed=1).delays()
        >>> delays.next_s(1, status=503, retry_after_s=None) is None, delays.next_s(0, status=422, retry_after_s=None) is None
        (True, True)
        """
        retry = self._retry
        if attempt >= retry.n_retries or (status is not None and status not in STATUSES):
            return None
        if retry_after_s is not None:
            return None if retry_after_s > retry.max_s else retry_after_s * float(self._generator.uniform(1.0, 1.25))
        return float(self._generator.uniform(0.0, min(retry.max_s, retry.first_s * 2.0**attempt)))
