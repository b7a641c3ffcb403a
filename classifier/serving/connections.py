"""A bound on open connections: a little above it they are still answered, with 503; beyond that they are hung up on at once."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


def room_for_refusals(max_connections: int) -> int:
    """Connections that may be open beyond the bound, only to be told so.

    >>> room_for_refusals(800), room_for_refusals(1)
    (100, 8)
    """
    return max(8, max_connections // 8)


def bounded_protocol(max_connections: int) -> type[HttpToolsProtocol]:
    """The protocol of uvicorn, without a connection beyond bound and room for refusals.

    Uvicorn's own ``limit_concurrency`` would answer in plain text and without ``Retry-After``, and only once a whole head has come.
    """

    class BoundedProtocol(HttpToolsProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as its parent does
            super().connection_made(transport)
            if len(self.connections) > max_connections + room_for_refusals(max_connections):
                transport.abort()

    return BoundedProtocol
