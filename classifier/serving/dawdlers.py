"""Hanging up on clients that open a connection and never finish the head of a request; uvicorn itself would wait for ever."""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Dawdlers:
    """Watches connections; ``limit_s`` is the time for the head of a request."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since: WeakKeyDictionary[H11Protocol | HttpToolsProtocol, float] = WeakKeyDictionary()

    def hang_up(self, connections: Iterable[object], now_s: float) -> None:
        """Close the connections that have been in the middle of a head for too long; to be called several times a second."""
        for connection in list(connections):
            if not isinstance(connection, H11Protocol | HttpToolsProtocol):
                continue
            if not _in_a_head(connection):
                self._since.pop(connection, None)
            elif now_s - self._since.setdefault(connection, now_s) >= self._limit_s:
                connection.transport.close()


def _in_a_head(connection: H11Protocol | HttpToolsProtocol) -> bool:
    """Whether a head is awaited: no request yet, or the last one is answered and the timer of an idle connection was stopped by new bytes."""
    cycle = connection.cycle
    return cycle is None or (cycle.response_complete and connection.timeout_keep_alive_task is None)
