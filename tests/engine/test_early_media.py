"""Media before the answer: both directions, as callee and as caller."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rapida_media.agents.events import Answered, Audio
from rapida_media.call.call import Call
from rapida_media.net.sip_call import SipCall
from rapida_media.net.softphone import CallOptions, place_call
from rapida_media.sip.message import Request, Response

from .conftest import AgentNamer, Bench
from .far_end import Callee
from .phone import PhoneCall
from .rtp import speech
from .waiting import eventually

DECIDES = '[assistants.desk]\nagent = "{agent}"\nanswer = "agent"\n'
RELIABLE = [("Supported", "100rel")]


class Desk:
    """An agent that opens the media, echoes, and answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.answered_at: list[int] = []
        self.heard = 0
        self.open: bool | None = None

    async def __call__(self, call: Call) -> None:
        self.open = await call.progress()
        answering = asyncio.create_task(self.answer(call))
        async for event in call:
            match event:
                case Audio():
                    self.heard += 1
                    call.write(event.pcm)
                case Answered():
                    self.answered_at.append(self.heard)
        await answering

    async def answer(self, call: Call) -> None:
        await self.may_answer.wait()
        if call.ended is None:
            await call.answer()


async def provisional(call: PhoneCall, status: int) -> Response:
    def find() -> Response | None:
        for message in call.phone.received:
            if isinstance(message, Response) and message.status == status:
                return message
        return None

    found: Response = await eventually(find)
    return found


@pytest.mark.parametrize("headers", [[], RELIABLE])
async def test_caller_and_agent_hear_each_other_before_the_answer(
    bench: Bench, agent_named: AgentNamer, headers: list[tuple[str, str]]
) -> None:
    desk = Desk()
    await bench.start(DECIDES.format(agent=agent_named(desk)))
    call = (await bench.phone()).invite("desk", headers=headers)
    progress = await provisional(call, 183)
    call.listen_to(progress.body.decode())
    call.to_tag = progress.to.tag
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert desk.heard >= 30
    assert desk.open is True
    desk.may_answer.set()
    if headers:
        rack = ("RAck", f"{progress.header('RSeq')} {call.cseq} INVITE")
        call.phone.send(call._request("PRACK", 10, headers=[rack]))
        assert (await call.phone.response(call.call_id, "PRACK", 10)).status == 200
    assert await call.final() == 200
    assert call.response is not None
    assert bool(call.response.body) is not bool(headers)
    await eventually(lambda: desk.answered_at)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    call.cseq = 11
    assert await call.bye() == 200
    assert len(desk.answered_at) == 1


async def test_a_late_offer_opens_the_media_with_the_prack(
    bench: Bench, agent_named: AgentNamer
) -> None:
    desk = Desk()
    await bench.start(DECIDES.format(agent=agent_named(desk)))
    call = (await bench.phone()).invite("desk", sdp="", headers=RELIABLE)
    progress = await provisional(call, 183)
    call.listen_to(progress.body.decode())
    call.to_tag = progress.to.tag
    rack = ("RAck", f"{progress.header('RSeq')} {call.cseq} INVITE")
    call.phone.send(call._request("PRACK", 10, headers=[rack], body=call.sdp()))
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    desk.may_answer.set()
    assert await call.final() == 200
    call.cseq = 11
    assert await call.bye() == 200


async def test_a_caller_that_could_not_answer_an_early_offer_hears_that_it_rings(
    bench: Bench, agent_named: AgentNamer
) -> None:
    """RFC 3261 section 13.2.1: an offer only goes in a reliable message, and it knows no other
    than the 200."""
    desk = Desk()
    await bench.start(DECIDES.format(agent=agent_named(desk)))
    call = (await bench.phone()).invite("desk", sdp="")
    await eventually(lambda: desk.open is not None)
    assert desk.open is False
    assert (await provisional(call, 180)).body == b""
    desk.may_answer.set()
    assert await call.final(answer=call.sdp()) == 200
    assert await call.bye() == 200


async def test_a_caller_that_never_acknowledges_early_media_is_refused(
    bench: Bench, agent_named: AgentNamer
) -> None:
    desk = Desk()
    await bench.start(DECIDES.format(agent=agent_named(desk)))
    call = (await bench.phone()).invite("desk", headers=RELIABLE)
    assert await call.final() == 504
    assert bench.logged("ended: prack_timeout")
    desk.may_answer.set()
    await bench.idle()


# We call.


class Listener:
    """An agent on an outbound call that counts what it hears, and when it was answered."""

    def __init__(self) -> None:
        self.heard = 0
        self.heard_at_answer: int | None = None
        self.started = False

    async def __call__(self, call: Call) -> None:
        self.started = True
        if call.answered:
            self.heard_at_answer = 0
        async for event in call:
            match event:
                case Audio():
                    self.heard += 1
                case Answered():
                    self.heard_at_answer = self.heard


@pytest.fixture
async def callee(bench: Bench) -> AsyncIterator[Callee]:
    await bench.start()
    made = await Callee.open()
    yield made
    made.close()


async def dial(bench: Bench, callee: Callee, agent: Listener, *, early_agent: bool) -> SipCall:
    target = await callee.target()
    return bench.engine.dial(target, agent, early_agent=early_agent)


async def invited(callee: Callee) -> Request:
    invite = await callee.request("INVITE")
    callee.rtp.remote = callee.audio_of(invite)
    return invite


@pytest.mark.parametrize("early_agent", [True, False])
@pytest.mark.parametrize("reliable", [True, False])
async def test_an_announcement_before_the_answer_is_heard_by_an_agent_that_wants_it(
    bench: Bench, callee: Callee, early_agent: bool, reliable: bool
) -> None:
    listener = Listener()
    call = await dial(bench, callee, listener, early_agent=early_agent)
    invite = await invited(callee)
    headers = [("Require", "100rel"), ("RSeq", "1")] if reliable else []
    callee.respond(invite, 183, headers=headers, body=callee.sdp())
    if reliable:
        callee.respond(await callee.request("PRACK"), 200)
    await callee.rtp.say(speech(0.4))
    await eventually(lambda: callee.rtp.heard)
    if early_agent:
        await eventually(lambda: listener.heard >= 15)
    else:
        assert not listener.started
    assert not call.call.answered
    callee.respond(invite, 200, body="" if reliable else callee.sdp())
    await callee.request("ACK")
    await eventually(lambda: listener.heard_at_answer is not None)
    assert (listener.heard_at_answer or 0) >= (15 if early_agent else 0)
    assert listener.heard < 5 or early_agent
    call.hang_up("enough")
    callee.respond(await callee.request("BYE"), 200)
    await call.finished


async def test_an_announcement_and_then_another_callee(bench: Bench, callee: Callee) -> None:
    listener = Listener()
    call = await dial(bench, callee, listener, early_agent=True)
    invite = await invited(callee)
    callee.respond(invite, 183, body=callee.sdp().replace(str(callee.rtp.port), "9"), tag="one")
    callee.respond(invite, 200, body=callee.sdp(), tag="two")
    await callee.request("ACK")
    await eventually(lambda: callee.rtp.heard)
    call.hang_up("enough")
    callee.respond(await callee.request("BYE"), 200)
    await call.finished


async def test_early_media_without_a_common_codec_does_not_end_the_call(
    bench: Bench, callee: Callee
) -> None:
    call = await dial(bench, callee, Listener(), early_agent=True)
    invite = await invited(callee)
    callee.respond(invite, 183, body=callee.sdp().replace("AVP 0 101", "AVP 18"))
    callee.respond(invite, 200, body=callee.sdp())
    await callee.request("ACK")
    await eventually(lambda: callee.rtp.heard)
    call.hang_up("enough")
    callee.respond(await callee.request("BYE"), 200)
    await call.finished


async def test_the_callee_changes_the_session_before_it_answers(
    bench: Bench, callee: Callee
) -> None:
    call = await dial(bench, callee, Listener(), early_agent=True)
    invite = await invited(callee)
    reliable = [("Require", "100rel"), ("RSeq", "1")]
    callee.respond(invite, 183, headers=reliable, body=callee.sdp())
    callee.respond(await callee.request("PRACK"), 200)
    callee.ask(invite, "UPDATE", 1, body=callee.sdp(version=2))
    answer = await callee.response("UPDATE")
    assert (answer.status, b"m=audio" in answer.body) == (200, True)
    callee.respond(invite, 200)
    await callee.request("ACK")
    await eventually(lambda: call.call.answered)
    call.hang_up("enough")
    callee.respond(await callee.request("BYE"), 200)
    await call.finished


async def test_an_agent_that_has_heard_enough_takes_the_call_back(
    bench: Bench, callee: Callee
) -> None:
    async def agent(call: Call) -> None:
        return

    target = await callee.target()
    call = bench.engine.dial(target, agent, early_agent=True)
    invite = await invited(callee)
    callee.respond(invite, 183, body=callee.sdp())
    callee.respond(await callee.request("CANCEL"), 200)
    callee.respond(invite, 487)
    await call.finished
    assert bench.logged("ended: agent_finished")


async def test_the_softphone_records_what_came_before_the_answer(
    callee: Callee, tmp_path: Path
) -> None:
    path = tmp_path / "call.wav"
    placing = asyncio.create_task(place_call(CallOptions(callee.uri, record=path, duration_s=0.3)))
    invite = await invited(callee)
    callee.respond(invite, 183, body=callee.sdp())
    await callee.rtp.say(speech(0.6))
    callee.respond(invite, 200, body=callee.sdp())
    callee.respond(await callee.request("BYE"), 200)
    report = await placing
    assert report.answered
    with wave.open(str(path)) as recording:
        assert recording.getnframes() / recording.getframerate() >= 0.8
