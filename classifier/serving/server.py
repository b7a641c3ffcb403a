"""The process: uvicorn on one port, signals, and an end that answers what was accepted."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from types import FrameType

import uvicorn

from classifier.errors import ClassifierError
from classifier.serving.app import create_app
from classifier.serving.connections import bounded_protocol
from classifier.serving.dawdlers import Dawdlers
from classifier.serving.logs import start_logging
from classifier.serving.service import Service
from classifier.serving.settings import ServeSettings

_SWITCH_INTERVAL_S = 0.0005
"""How long the workers' Python may hold the interpreter while the event loop waits for it; the default of 5 ms would be as long as a decision."""
_KEEP_ALIVE_S = 75
"""Longer than the 60 s after which balancers let go of an idle connection: else they send requests into one that just closes."""
_log = logging.getLogger(__name__)


class _Server(uvicorn.Server):
    """Uvicorn with our signals: SIGTERM and SIGINT drain and stop, SIGHUP reloads the bundle. Dawdling clients are hung up on."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._dawdlers = Dawdlers(service.settings.limits.body_timeout_s)
        self._reloads: set[asyncio.Task[None]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.connections = self.server_state.connections
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self._loop.add_signal_handler(signal.SIGHUP, self._start_reload)
        _log.info("serving", extra={"model": self._service.live.now.fingerprints.model, "port": self.config.port})

    async def on_tick(self, counter: int) -> bool:
        self._dawdlers.hang_up(self.server_state.connections, self._loop.time())
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._service.draining:
            self.should_exit = True
            self.force_exit = sig == signal.SIGINT
            return
        self._service.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._service.settings.drain_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True

    def _start_reload(self) -> None:
        task = self._loop.create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        try:
            await self._service.live.reload()
        except ClassifierError:
            return  # told in the log where it was refused


def serve(settings: ServeSettings) -> None:
    """Serve until a signal ends it.

    :raises ClassifierError: when bundle, keys or records are not in order.
    """
    start_logging()
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    service = Service(settings)
    # What was made until here stays to the end: the collector need not walk over it again, which would hold up a request now and then.
    gc.collect()
    gc.freeze()
    config = uvicorn.Config(
        create_app(service),
        host=settings.host,
        port=settings.port,
        http=bounded_protocol(settings.limits.max_connections),
        log_config=None,
        access_log=False,
        server_header=False,
        ws="none",
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=int(settings.limits.request_timeout_s) + 5,
    )
    _Server(config, service).run()
