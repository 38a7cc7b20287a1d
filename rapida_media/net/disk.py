"""A thread for what touches the disk, which waits there and never in the event loop."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

Job = tuple[Callable[[], object], Callable[[], None]]


class DiskThread:
    """A ``call.recording.DiskWriter``; the thread starts with the first job."""

    def __init__(self, loop: asyncio.AbstractEventLoop, name: str = "disk") -> None:
        self._loop = loop
        self._name = name
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, job: Callable[[], object], done: Callable[[], None]) -> None:
        """Run ``job`` on the thread, then ``done`` on the loop."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()
        self._unfinished += 1
        self._idle.clear()
        self._jobs.put((job, done))

    async def flushed(self) -> None:
        """Wait until nothing is to be done."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Do what is left, then end the thread."""
        await self.flushed()
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            try:
                job()
            except Exception:  # a root: one job's fault is not the others'
                log.exception("writing to the disk failed")
            self._loop.call_soon_threadsafe(self._finish, done)

    def _finish(self, done: Callable[[], None]) -> None:
        try:
            done()
        finally:
            self._unfinished -= 1
            if self._unfinished == 0:
                self._idle.set()
