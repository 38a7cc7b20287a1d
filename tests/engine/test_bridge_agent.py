"""The agent ``bridge:``: two far ends, the engine between them as a back-to-back user agent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rapida_media.sip.message import Request

from .conftest import Bench
from .far_end import Callee, answer
from .phone import PhoneCall
from .rtp import speech
from .waiting import eventually

BRIDGE = '[assistants.desk]\nagent = "bridge:{uri}"\n'


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    made = await Callee.open()
    yield made
    made.close()


async def ring(bench: Bench, callee: Callee, more: str = "") -> tuple[PhoneCall, Request]:
    """Call the bridge; returns when the callee has the INVITE."""
    await bench.start(BRIDGE.format(uri=callee.uri) + more)
    phone = await bench.phone()
    call = phone.invite("desk")
    return call, await callee.request("INVITE")


async def connect(bench: Bench, callee: Callee, more: str = "") -> tuple[PhoneCall, Request]:
    call, invite = await ring(bench, callee, more)
    callee.rtp.remote = callee.audio_of(invite)
    callee.respond(invite, 200, body=callee.sdp())
    assert await call.final() == 200
    await callee.request("ACK")
    return call, invite


async def test_the_caller_is_answered_when_the_callee_answers(bench: Bench, callee: Callee) -> None:
    call, invite = await ring(bench, callee)
    assert b"m=audio" in invite.body
    assert (invite.from_.uri.user, invite.uri_text) == ("phone", callee.uri)
    callee.respond(invite, 180)
    await eventually(lambda: 180 in call.provisional())
    assert call.response is None
    callee.respond(invite, 200, body=callee.sdp())
    assert await call.final() == 200
    await call.bye()
    await bench.idle()


async def test_both_hear_each_other_without_transcoding(bench: Bench, callee: Callee) -> None:
    call, _ = await connect(bench, callee)
    there, back = speech(1.0, 1), speech(1.0, 2)
    await asyncio.gather(call.rtp.say(there), callee.rtp.say(back))
    await callee.rtp.hears(there)
    await call.rtp.hears(back)
    heard = [packet.payload for packet in callee.rtp.heard if packet.payload_type == 0]
    assert len(set(heard)) > 40
    await call.bye()
    await bench.idle()


async def test_the_callees_hang_up_ends_the_caller_with_its_reason(
    bench: Bench, callee: Callee
) -> None:
    call, invite = await connect(bench, callee)
    reason = 'Q.850;cause=31;text="Normal, unspecified"'
    callee.ask(invite, "BYE", 1, headers=[("Reason", reason)])
    bye = await call.hung_up()
    assert bye.header("Reason") == reason
    answer(call, bye)
    await bench.idle()
