"""An agent on the telephone, without sockets and in virtual time: a minute is a blink.

    async with agent_under_test(agent) as line:
        await line.hears("hello.wav")
        line.press("1")
        await line.is_hung_up()

The agent holds a real ``Call`` on a real RTP leg, whose packets cross the network of a ``World``;
only the signalling is made up (``exchange.py``). Whoever waits in asyncio meanwhile waits for
virtual time (``virtual_time.py``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

from rapida_media.agents.base import Agent
from rapida_media.call.call import CallInfo
from rapida_media.testing.exchange import Exchange
from rapida_media.testing.network import Conditions, Network
from rapida_media.testing.phone import TestPhone
from rapida_media.testing.virtual_time import VirtualTime
from rapida_media.testing.world import World


@asynccontextmanager
async def agent_under_test(
    agent: Agent,
    *,
    parameters: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
    caller: str = "+15550111",
    called: str = "+15550100",
    answer: Literal["auto", "agent"] = "auto",
    phones: Mapping[str, int | None] | None = None,
    network: Conditions | None = None,
    seed: int = 0,
) -> AsyncIterator[TestPhone]:
    """Call an agent; gives the caller's telephone.

    parameters, headers, caller, called: what the call knows of itself. answer: as in the
    assistant's table; with "agent" it rings until the agent decides.
    phones: who is there when the agent dials or transfers: a SIP status by URI or number, 200 for
    one that picks up after a second, None for one that rings on. Everything else is a 404.
    network: how packets fare, the same for the same seed; 10 ms and no loss if not told otherwise.

    At the end the caller hangs up. What the agent raised is raised then; AssertionError where it
    is still not done ten seconds after its call, when the engine would cancel it.
    """
    world = World(network=Network(seed, network))
    exchange = Exchange(world, phones or {})
    time = VirtualTime(world, exchange.every_second)
    time.start()
    try:
        info = CallInfo(
            "test", "sip", "inbound", caller, called, None, None, parameters or {}, headers or {}
        )
        extension = exchange.open(info)
        if answer == "auto":
            extension.answer()
        extension.start(agent)
        try:
            yield extension.phone
        finally:
            in_time = await exchange.close()
            if exchange.failure is not None:
                raise exchange.failure
        assert in_time, "the agent did not end within ten seconds of its call"
    finally:
        await time.stop()
