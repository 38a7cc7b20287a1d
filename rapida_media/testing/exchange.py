"""What connects an agent's calls in a test: signalling that does at once what it is asked.

``TestPhone`` is one telephone, ``Exchange`` knows all of them and what answers when one is dialled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from rapida_media.agents.base import Agent
from rapida_media.agents.events import Ringing
from rapida_media.call.call import Call, CallInfo
from rapida_media.call.endings import Ending, ended, not_answered, turned_away
from rapida_media.call.second_leg import DialOrder, OnRinging
from rapida_media.call.signalling import Signalling
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import DialError, LocalProtocolError
from rapida_media.net.agent_task import GRACE_S, AgentTask
from rapida_media.sip.builder import REASONS
from rapida_media.testing.phone import TestPhone
from rapida_media.testing.world import World

# How long a phone that is dialled rings before it does what it is there for.
RING_S = 1.0
OK, NOT_FOUND, NO_ANSWER, TAKEN_BACK = 200, 404, 408, 487


class Extension:
    """One call of the agent's and the phone at its other end: the ``Signalling`` between them."""

    def __init__(self, exchange: Exchange, info: CallInfo) -> None:
        self._exchange = exchange
        self._agent_task: AgentTask | None = None
        self.legs: list[Extension] = []  # that this call's agent dialled
        self.phone = TestPhone(exchange.world, info, self, exchange.answered)
        self.call = self.phone.call

    def start(self, agent: Agent) -> None:
        """Run an agent on the call."""
        watched = self._exchange.watched(agent)
        self._agent_task = AgentTask(asyncio.get_running_loop(), watched, self.call)

    @property
    def task(self) -> asyncio.Task[None] | None:
        return None if self._agent_task is None else self._agent_task.task

    def finish(self, ending: Ending, cause: str | None = None) -> None:
        """End the call, whoever wants that."""
        if self.call.ended is not None:
            return
        self.call.end(ending, cause=cause)
        self.phone.disconnect()
        for leg in self.legs:
            leg.finish(ended("first_call_ended"))
        if self._agent_task is not None:
            self._agent_task.stop_soon()

    # -- Signalling ----------------------------------------------------------------------------

    def ring(self) -> None:
        self.phone.status = 180

    def progress(self) -> bool:
        self.phone.status = 183
        self.phone.connect()
        return True

    def answer(self) -> None:
        self.phone.status = OK
        self.phone.connect()
        self.call.confirm(early_agent=self._agent_task is not None)

    def reject(
        self, status: int, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        self.phone.status = status
        self.finish(turned_away(status))

    def redirect(self, uri: str) -> None:
        self.phone.status, self.phone.sent_to = 302, uri
        self.finish(ended("redirected", 302))

    @property
    def takes_digits(self) -> bool:
        return False

    def send_digits(self, digits: str, done: Callable[[bool], None]) -> None:
        raise LocalProtocolError("the phones of a test take keys in their media")

    def hold(self, held: bool, done: Callable[[bool], None]) -> None:
        self.phone.is_held = held
        done(True)

    def transfer(self, target: str | Signalling, done: Callable[[TransferOutcome], None]) -> None:
        status = OK
        if isinstance(target, str):
            self.phone.sent_to = target
            status = self._exchange.status_of(target)
        done(TransferOutcome(status, REASONS[status]))
        if status == OK:
            self.finish(ended("transferred"))

    def dial(self, order: DialOrder, ringing: OnRinging) -> Awaitable[Call]:
        return self._exchange.dial(self, order, ringing)

    def hand_over(self, agent: Agent) -> None:
        if self._agent_task is not None:
            raise LocalProtocolError("the call has an agent already")
        self._exchange.hand_over(self)
        self.start(agent)

    def hang_up(self, reason: str, cause: str | None = None) -> None:
        self.finish(ended(reason), cause)


class Exchange:
    """phones: by what an agent dials, the SIP status with which each answers; None: nobody does.

    answered: the phones that were dialled and are, or were, connected. failure: what an agent
    raised.
    """

    def __init__(self, world: World, phones: Mapping[str, int | None]) -> None:
        self.world = world
        self.answered: dict[str, TestPhone] = {}
        self.failure: BaseException | None = None
        self._phones = phones
        self._extensions: list[Extension] = []

    def open(self, info: CallInfo) -> Extension:
        extension = Extension(self, info)
        self._extensions.append(extension)
        return extension

    def watched(self, agent: Agent) -> Agent:
        """Keep what the agent raises, for the test to fail with it."""

        async def run(call: Call) -> None:
            try:
                await agent(call)
            except (Exception, SystemExit) as error:
                self.failure = self.failure or error
                raise

        return run

    def status_of(self, target: str) -> int:
        status = self._phones.get(target, NOT_FOUND)
        return NO_ANSWER if status is None else status

    async def dial(self, owner: Extension, order: DialOrder, ringing: OnRinging) -> Call:
        status = self.status_of(order.uri)
        if status == NOT_FOUND:
            raise DialError(status, REASONS[status])
        leg = self.open(
            CallInfo(
                id=f"{owner.call.id}-{len(self._extensions)}",
                provider=owner.call.provider,
                direction="outbound",
                caller=order.caller_id or owner.call.called,
                called=order.uri,
                trunk=order.trunk,
            )
        )
        owner.legs.append(leg)
        ringing(leg.call, Ringing(order.uri, 180, early_media=False))
        try:
            async with asyncio.timeout(order.timeout_s if status == NO_ANSWER else RING_S):
                await leg.call.settled()
            status = TAKEN_BACK
        except TimeoutError:
            pass
        except BaseException:  # the agent does not wait any longer
            leg.finish(ended("canceled", TAKEN_BACK))
            raise
        if status != OK:
            leg.finish(not_answered(status))
            raise DialError(status, REASONS[status])
        leg.answer()
        self.answered[order.uri] = leg.phone
        return leg.call

    def hand_over(self, leg: Extension) -> None:
        """A leg has an agent of its own: it does not end with the call that dialled it."""
        for each in self._extensions:
            if leg in each.legs:
                each.legs.remove(leg)

    def every_second(self) -> None:
        for each in self._extensions:
            each.call.look()

    async def close(self) -> bool:
        """Hang up everywhere and wait for the agents; gives whether all ended of themselves."""
        for each in self._extensions:
            each.phone.hang_up()
        tasks = [each.task for each in self._extensions if each.task is not None]
        _, late = await asyncio.wait(tasks, timeout=GRACE_S - 0.1)
        await asyncio.wait(tasks, timeout=GRACE_S)
        return not late
