"""Reads the configuration again when ``serve`` gets SIGHUP: all of it is taken over, or nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from rapida_media.config import Config
from rapida_media.control.app import ControlServer
from rapida_media.errors import RapidaError

log = logging.getLogger(__name__)


class Reloader:
    """read: gives the configuration as it is now; called in a thread, since it reads files."""

    def __init__(self, read: Callable[[], Config]) -> None:
        self._read = read
        self._asked = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def ask(self) -> None:
        """Reload soon: once the server runs, and after a reload that is under way."""
        self._asked.set()

    def start(self, server: ControlServer) -> None:
        self._task = asyncio.create_task(self._run(server), name="reloading")

    def stop(self) -> None:
        """Reload no more; one that is under way changes nothing."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self, server: ControlServer) -> None:
        """Task root of all reloading."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._reload(server)
            except RapidaError as error:
                log.error("the configuration was not reloaded, the earlier one stays: %s", error)
            except (Exception, SystemExit):  # whatever an agent's module does when it is imported
                log.exception("the configuration was not reloaded, the earlier one stays")

    async def _reload(self, server: ControlServer) -> None:
        newer = await asyncio.to_thread(self._read)
        left = await server.reload(newer)
        log.info(
            "the configuration was reloaded: %d assistants, %d credentials, %d trunks",
            *(len(newer.assistants), len(newer.credentials), len(newer.trunks)),
        )
        if left:
            log.warning("a restart is needed for what changed in %s", ", ".join(left))
