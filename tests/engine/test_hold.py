"""Hold by re-INVITE (RFC 3264 section 8.4): answered, RTP really stops, the agent is told."""

from __future__ import annotations

import asyncio

import pytest

from rapida_media.agents.events import Audio, Hold
from rapida_media.call.call import Call

from .conftest import AgentNamer, Bench
from .phone import PhoneCall
from .rtp import PACKET_S, speech
from .waiting import eventually

QUIET_S = 0.3


async def hold(call: PhoneCall, way: str) -> str:
    """Hold the call; gives the direction of the answer."""
    sdp = call.sdp(address=way, version=2) if way == "0.0.0.0" else call.sdp(way, version=2)
    answer = (await call.reinvite(sdp)).body.decode()
    return next(line[2:] for line in answer.split("\r\n") if line in DIRECTIONS)


DIRECTIONS = {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}


async def packets_come(call: PhoneCall) -> bool:
    """Tell whether any RTP arrives during fifteen packet times."""
    await asyncio.sleep(2 * PACKET_S)  # what was under way
    before = len(call.rtp.heard)
    await asyncio.sleep(QUIET_S)
    return len(call.rtp.heard) > before


@pytest.mark.parametrize(
    ("way", "answered"),
    [("sendonly", "recvonly"), ("inactive", "inactive"), ("0.0.0.0", "recvonly")],
)
async def test_a_held_call_falls_silent_until_it_is_taken_back(
    bench: Bench, agent_named: AgentNamer, way: str, answered: str
) -> None:
    holds: list[bool] = []
    heard_while_held = 0

    async def agent(call: Call) -> None:
        nonlocal heard_while_held
        async for event in call:
            match event:
                case Hold(held):
                    holds.append(held)
                case Audio():
                    heard_while_held += bool(holds and holds[-1])
                    call.write(event.pcm)

    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    await eventually(lambda: call.rtp.heard)

    assert await hold(call, way) == answered
    await eventually(lambda: holds == [True])
    assert not await packets_come(call)
    await call.rtp.say(speech(0.1))
    if answered == "recvonly":
        await eventually(lambda: heard_while_held >= 4)  # music on hold is heard
    else:
        assert heard_while_held == 0

    answer = await call.reinvite(call.sdp(version=3))
    assert b"a=sendrecv" in answer.body
    await eventually(lambda: holds == [True, False])
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_a_far_end_behind_a_nat_is_still_found_after_a_hold(bench: Bench) -> None:
    await bench.start()
    call = PhoneCall(await bench.phone(), "echo")

    def sdp(direction: str, version: int) -> str:
        """Describe a port that only exists behind the NAT."""
        return call.sdp(direction, version=version).replace(f"audio {call.rtp.port} ", "audio 9 ")

    call.send_invite(sdp("sendrecv", 1))
    assert await call.final() == 200
    await call.rtp.say(speech(0.2))
    await eventually(lambda: call.rtp.heard)
    await call.reinvite(sdp("sendonly", 2))
    assert not await packets_come(call)
    await call.reinvite(sdp("sendrecv", 3))
    assert await packets_come(call)
    assert await call.bye() == 200


async def test_a_held_call_is_not_taken_for_a_dead_one(bench: Bench) -> None:
    await bench.start(
        '[sip]\nlisten = ["udp:127.0.0.1:0"]\n[rtp]\nports = "30000-32766"\nmedia_timeout = 0.5\n'
    )
    phone = await bench.phone()
    held, listening, dead = await phone.call(), await phone.call(), await phone.call()
    await held.reinvite(held.sdp("sendonly", version=2))
    await listening.reinvite(listening.sdp("recvonly", version=2))
    await dead.hung_up()
    assert bench.logged("ended: media_timeout")
    assert not held.requests("BYE")
    assert not listening.requests("BYE")
    assert await held.bye() == await listening.bye() == 200


async def test_a_hold_that_asks_for_the_impossible_leaves_the_call_as_it_was(bench: Bench) -> None:
    await bench.start()
    call = await (await bench.phone()).call()
    call.send_invite(call.sdp("inactive", version=2).replace("RTP/AVP 0 101", "RTP/AVP 18"))
    assert await refused(call) == 488
    assert call.response is not None
    assert (call.response.header("Warning") or "").startswith("305 rapida-media ")
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_a_call_may_begin_without_a_stream_and_have_one_for_a_while(
    bench: Bench, agent_named: AgentNamer
) -> None:
    """As controllers of calls between others begin them (RFC 3725 section 4.4): no m= line; and a
    stream that is closed by port 0 (RFC 3264 section 8.2) is no end of the call."""
    holds: list[bool] = []

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, Hold):
                holds.append(event.held)
            elif isinstance(event, Audio):
                call.write(event.pcm)

    await bench.start(
        '[rtp]\nports = "30000-32766"\nmedia_timeout = 0.5\n', agent=agent_named(agent)
    )
    phone = await bench.phone()
    call = phone.new_call()
    whole = call.sdp()
    nothing, closed = (
        whole[: whole.index("m=")],
        whole.replace(f"m=audio {call.rtp.port}", "m=audio 0"),
    )
    call.send_invite(nothing)
    response = await phone.response(call.call_id, "INVITE", 1)
    assert response.status == 200
    assert b"m=" not in response.body
    call.to_tag, call._target = response.to.tag, response.contacts[0].uri_text
    call.acknowledge()
    await eventually(lambda: holds == [True])
    said = speech(0.8)
    for version in (2, 4):
        call.send_invite(call.sdp(version=version))
        assert await call.final() == 200
        await call.rtp.say(said)
        await call.rtp.hears(said)
        assert holds[-1] is False
        call.send_invite(closed.replace("o=- 7 1", f"o=- 7 {version + 1}"))
        assert await call.final() == 200
        assert call.response is not None
        assert b"m=audio 0 RTP/AVP 0 101\r\n" in call.response.body
        await eventually(lambda: holds[-1])
        assert not await packets_come(call)
    await asyncio.sleep(0.7)
    assert not call.requests("BYE")
    assert await call.bye() == 200
    await bench.idle()


async def refused(call: PhoneCall) -> int:
    tag = call.to_tag
    status = await call.final()
    call.to_tag = tag
    return status
