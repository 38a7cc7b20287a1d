"""A ``World`` as the clock of asyncio: whoever sleeps or times out waits for it, and not for real.

    packets and frames of the world  →  everybody who was woken runs  →  the next moment

While it runs, ``loop.time`` is the world's. It moves from one packet to the next as soon as no task
has anything left to do, so a minute takes as long as its computations. Work that ``asyncio``
hands to a thread (``asyncio.to_thread``, names to resolve) takes no time at all: the clock waits
for it. What comes over a real socket is not waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from rapida_media.testing.clock import VirtualClock
from rapida_media.testing.world import World

# From a frame to what an agent does about it is a future, a task and a task group or a time-out.
ROUNDS = 5
# A world in which nothing happens: only timers of the loop may be due then.
IDLE_S = 0.01
LOOK_S = 1.0


class VirtualTime:
    """every_second: called once a second of the world."""

    def __init__(self, world: World, every_second: Callable[[], None]) -> None:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, asyncio.BaseEventLoop):
            raise TypeError(f"expected asyncio's own event loop, not {type(loop).__module__}'s")
        self._loop: Any = loop
        self._world = world
        self._every_second = every_second
        self._outside = 0  # things done in threads
        self._back = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[Any] | None = None

    def start(self) -> None:
        """Take the loop's clock over. Its present is the world's beginning."""
        self._world.clock = VirtualClock(self._loop.time())
        self._loop.time = lambda: self._world.now
        self._run_in_executor = self._loop.run_in_executor
        self._loop.run_in_executor = self._in_thread
        self._waiting = asyncio.current_task()
        self._task = self._loop.create_task(self._run(), name="virtual time")
        self._task.add_done_callback(self._over)

    async def stop(self) -> None:
        """Give the loop its own clock back. Raises what stopped the virtual one before."""
        assert self._task is not None, "it was started"
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._loop.time, self._loop.run_in_executor
        if not task.cancelled() and self._waiting is not None:
            self._waiting.cancel()  # or it would wait for a time that does not come

    async def _run(self) -> None:
        world = self._world
        looked_at = world.now
        while True:
            moment = world.next_moment()
            idle = world.now + IDLE_S
            world.run_until(idle if moment is None else min(max(moment, world.now), idle))
            if world.now - looked_at >= LOOK_S:
                looked_at = world.now
                self._every_second()
            for _ in range(ROUNDS):
                await asyncio.sleep(0)
            while self._outside:
                self._back.clear()
                await self._back.wait()

    def _in_thread(self, executor: Any, function: Any, *arguments: Any) -> Any:
        self._outside += 1
        future = self._run_in_executor(executor, function, *arguments)
        future.add_done_callback(self._came_back)
        return future

    def _came_back(self, future: Any) -> None:
        self._outside -= 1
        self._back.set()
