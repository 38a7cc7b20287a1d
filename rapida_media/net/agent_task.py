"""Runs one agent on one call, in a task of its own, and contains whatever it does.

A task root: the only place where an agent's exception ends up.
"""

from __future__ import annotations

import asyncio
import logging

from rapida_media.agents.base import Agent
from rapida_media.call.call import Call

log = logging.getLogger(__name__)

# What an agent may still do (store a transcript, close a session) after the call is over.
GRACE_S = 10.0


class AgentTask:
    """The task of one agent; ``stop_soon`` bounds what it may do after the call."""

    def __init__(self, loop: asyncio.AbstractEventLoop, agent: Agent, call: Call) -> None:
        self._loop = loop
        self._call = call
        self._deadline: asyncio.TimerHandle | None = None
        self.task = loop.create_task(self._run(agent), name=f"agent {call.id}")
        self.task.add_done_callback(self._done)

    def stop_soon(self) -> None:
        """The call is over: give the agent its grace, then cancel it."""
        if not self.task.done():
            self._deadline = self._loop.call_later(GRACE_S, self._cancel)

    def _cancel(self) -> None:
        log.warning("the agent did not end after its call", extra={"call_id": self._call.id})
        self.task.cancel()

    def _done(self, task: asyncio.Task[None]) -> None:
        if self._deadline is not None:
            self._deadline.cancel()

    async def _run(self, agent: Agent) -> None:
        call = self._call
        try:
            await agent(call)
            if call.answered:
                await call.drain()
            # A caller that was left undecided may go on ringing; a callee would ring for nobody.
            if call.answered or call.direction == "outbound":
                await call.hang_up("agent_finished")
        except GeneratorExit:
            raise
        except BaseException:
            # An agent may call sys.exit, raise KeyboardInterrupt (which would end the event loop,
            # and is no signal: those are handled), await a task of its own that was cancelled, or
            # have this one cancelled: cancel scopes of libraries do. We cancel it only once its
            # call is over; whoever else does leaves a caller on the line.
            cancelled = self.task.cancelling() > 0
            if cancelled and call.ended is not None:
                raise
            log.exception("the agent failed", extra={"call_id": call.id})
            await call.hang_up("agent_error")
            if cancelled:
                raise


class AgentsAtWork:
    """Agents whose call is over: they may still store what they learnt. idle: set while none is."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def __len__(self) -> int:
        return len(self._tasks)

    def outlives(self, agent: AgentTask | None) -> None:
        """A call is over: note its agent if that has still something to do."""
        if agent is None or agent.task.done():
            return
        self._tasks.add(agent.task)
        self.idle.clear()
        agent.task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not self._tasks:
            self.idle.set()
