"""The agent holds the call: re-INVITE from our side, media paused, glare and refusal survived."""

from __future__ import annotations

import asyncio
from itertools import pairwise

from rapida_media.agents.events import Audio, Hold
from rapida_media.call.call import Call

from .conftest import AgentNamer, Bench
from .far_end import answer, request_number
from .phone import PhoneCall
from .rtp import speech
from .waiting import eventually


class Holder:
    """An agent that holds and resumes when the test says so, echoing meanwhile."""

    def __init__(self) -> None:
        self._call: Call | None = None
        self.heard = 0
        self.holds: list[bool] = []

    @property
    def call(self) -> Call:
        assert self._call is not None
        return self._call

    async def started(self) -> None:
        await eventually(lambda: self._call)

    async def __call__(self, call: Call) -> None:
        self._call = call
        async for event in call:
            if isinstance(event, Audio):
                self.heard += 1
                call.write(event.pcm)
            elif isinstance(event, Hold):
                self.holds.append(event.held)


async def talking(bench: Bench, agent_named: AgentNamer) -> tuple[Holder, PhoneCall]:
    """Have a phone call a holder; both hear the other."""
    holder = Holder()
    await bench.start(agent=agent_named(holder))
    call = await (await bench.phone()).call()
    await eventually(lambda: call.rtp.heard)
    await holder.started()
    return holder, call


async def test_the_far_end_on_hold_is_not_heard_until_it_is_taken_back(
    bench: Bench, agent_named: AgentNamer
) -> None:
    holder, call = await talking(bench, agent_named)

    holding = asyncio.create_task(holder.call.hold())
    reinvite = await request_number(call, "INVITE")
    assert b"a=sendonly" in reinvite.body
    answer(call, reinvite, body=call.sdp("recvonly", version=2))
    assert await holding is True
    await request_number(call, "ACK")
    await asyncio.sleep(0.1)
    heard, packets = holder.heard, len(call.rtp.heard)
    await call.rtp.say(speech(0.2))
    await asyncio.sleep(0.1)
    assert holder.heard == heard
    assert len(call.rtp.heard) > packets + 5  # it may hear music meanwhile

    resuming = asyncio.create_task(holder.call.resume())
    reinvite = await request_number(call, "INVITE", 2)
    assert b"a=sendrecv" in reinvite.body
    answer(call, reinvite, body=call.sdp(version=3))
    assert await resuming is True
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert holder.holds == []
    assert await call.bye() == 200


async def test_a_hold_that_crosses_the_far_ends_own_change_is_offered_again(
    bench: Bench, agent_named: AgentNamer
) -> None:
    holder, call = await talking(bench, agent_named)
    holding = asyncio.create_task(holder.call.hold())
    reinvite = await request_number(call, "INVITE")
    call.send_invite(call.sdp(version=2))
    answer(call, reinvite, 491)
    assert (await call.phone.response(call.call_id, "INVITE", call.cseq)).status == 491
    again = await request_number(call, "INVITE", 2)  # we are not the owner: within 2 s
    answer(call, again, body=call.sdp("recvonly", version=3))
    assert await holding is True
    assert await call.bye() == 200


async def test_a_refused_hold_tells_the_agent_and_the_call_goes_on(
    bench: Bench, agent_named: AgentNamer
) -> None:
    holder, call = await talking(bench, agent_named)
    holding = asyncio.create_task(holder.call.hold())
    answer(call, await request_number(call, "INVITE"), 488)
    assert await holding is False
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_a_hold_answered_without_a_common_codec_ends_the_call(
    bench: Bench, agent_named: AgentNamer
) -> None:
    holder, call = await talking(bench, agent_named)
    holding = asyncio.create_task(holder.call.hold())
    unknown = call.sdp("recvonly", version=2).replace("RTP/AVP 0 101", "RTP/AVP 18")
    answer(call, await request_number(call, "INVITE"), body=unknown)
    await call.hung_up()
    assert await holding is False
    assert bench.logged("ended: no_common_codec")


async def test_the_codec_changes_in_mid_call(bench: Bench, agent_named: AgentNamer) -> None:
    _, call = await talking(bench, agent_named)
    assert call.rtp.heard[-1].payload_type == 0
    pcma = call.sdp(version=2).replace("RTP/AVP 0", "RTP/AVP 8").replace("0 PCMU", "8 PCMA")
    assert b"RTP/AVP 8 101" in (await call.reinvite(pcma)).body
    await eventually(lambda: call.rtp.heard[-1].payload_type == 8)
    numbers = [packet.sequence_number for packet in call.rtp.heard]
    assert {(b - a) % 2**16 for a, b in pairwise(numbers)} == {1}
    assert await call.bye() == 200
