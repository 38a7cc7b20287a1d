"""The agent ``bridge:``: two far ends, the engine between them as a back-to-back user agent."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from rapida_media.kernels import alaw_decode
from rapida_media.sip.message import Request, Response

from .conftest import Bench
from .far_end import Callee, answer
from .phone import PhoneCall
from .rtp import EVENT_TYPE, Samples, share_heard, speech
from .waiting import eventually

REASON = 'Q.850;cause=31;text="Normal, unspecified"'
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


@pytest.mark.parametrize(("came_with", "goes_with"), [(3, 2), (1, 0), (70, 69)])
async def test_the_callee_is_one_hop_further(
    bench: Bench, callee: Callee, came_with: int, goes_with: int
) -> None:
    await bench.start(BRIDGE.format(uri=callee.uri))
    phone = await bench.phone()
    phone.max_forwards = came_with
    call = phone.invite("desk")
    invite = await callee.request("INVITE")
    assert invite.max_forwards == goes_with
    callee.respond(invite, 486)
    assert await call.final() == 486


async def test_a_redirected_call_has_no_more_hops_than_before(bench: Bench, callee: Callee) -> None:
    await bench.start(BRIDGE.format(uri=callee.uri))
    phone = await bench.phone()
    phone.max_forwards = 3
    call = phone.invite("desk")
    moved = ("Contact", f"<sip:moved@127.0.0.1:{callee.port}>")
    callee.respond(await callee.request("INVITE"), 302, headers=[moved])
    invite = await callee.request("INVITE", 2)
    assert (invite.uri.user, invite.max_forwards) == ("moved", 2)
    callee.respond(invite, 486)
    assert await call.final() == 486


PRIVATE = [
    ("P-Asserted-Identity", "<sip:+442079460018@carrier.example>"),
    ("Privacy", "id"),
]
CARRIER = """
[trunks.carrier]
hosts = ["127.0.0.1"]
"""
OUT = """
[trunks.out]
hosts = ["192.0.2.1"]
domain = "out.example"
proxy = "127.0.0.1:{port}"
allow = ["*"]
caller_id = "+15550100"
"""


async def test_a_caller_that_is_not_to_be_shown_is_not(bench: Bench, callee: Callee) -> None:
    await bench.start(BRIDGE.format(uri=callee.uri) + CARRIER)
    call = (await bench.phone()).invite("desk", headers=PRIVATE)
    # The callee is at the trunk's host here, which makes it the trunk's: see below for the others.
    invite = await callee.request("INVITE")
    assert invite.from_.uri_text == "sip:anonymous@anonymous.invalid"
    assert invite.header("P-Asserted-Identity") == "<sip:+442079460018@127.0.0.1>"
    assert invite.header("Privacy") == "id"
    callee.respond(invite, 486)
    assert await call.final() == 486


async def test_one_that_is_not_to_be_shown_is_not_told_beyond_the_trunks(
    bench: Bench, callee: Callee
) -> None:
    stranger = await Callee.open("127.0.0.2")
    try:
        uri = f"sip:desk@127.0.0.2:{stranger.port}"
        await bench.start(BRIDGE.format(uri=uri) + CARRIER)
        call = (await bench.phone()).invite("desk", headers=PRIVATE)
        invite = await stranger.request("INVITE")
        assert invite.from_.uri_text == "sip:anonymous@anonymous.invalid"
        assert b"2079460018" not in invite.raw
        stranger.respond(invite, 486)
        assert await call.final() == 486
    finally:
        stranger.close()


async def test_a_caller_without_a_number_is_not_asserted_to_be_anybody(
    bench: Bench, callee: Callee
) -> None:
    await bench.start(BRIDGE.format(uri="sip:+15550199@out.example") + OUT.format(port=callee.port))
    phone = await bench.phone()
    phone.user = "anonymous"
    call = phone.invite("desk")
    invite = await callee.request("INVITE")
    assert invite.from_.uri_text == "sip:anonymous@anonymous.invalid"
    assert invite.header("P-Asserted-Identity") == "<sip:+15550100@out.example>"
    assert invite.header("Privacy") == "id"
    callee.respond(invite, 486)
    assert await call.final() == 486


async def test_a_call_that_went_round_too_often_goes_no_further(
    bench: Bench, callee: Callee
) -> None:
    await bench.start(BRIDGE.format(uri=callee.uri))
    phone = await bench.phone()
    phone.max_forwards = 0
    call = phone.invite("desk")
    assert await call.final() == 483
    assert callee.received == []


async def test_a_bridge_to_itself_comes_to_an_end(bench: Bench) -> None:
    engine = await bench.start(agent="echo")
    port = engine.sip_addresses[0].port
    await bench.stop()
    itself = f"sip:desk@127.0.0.1:{port}"
    listen = f'[sip]\nlisten = ["udp:127.0.0.1:{port}"]\n'
    await bench.start(listen + BRIDGE.format(uri=itself))
    phone = await bench.phone()
    phone.max_forwards = 12
    call = phone.invite("desk")
    assert await call.final() == 483
    await bench.idle()


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
    await nothing_is_left(bench)


@pytest.mark.parametrize(
    ("said", "passed_on", "again"),
    [
        (486, 486, "30"),
        (503, 500, None),
        # What needs a header field that only its sender can fill in: Allow, Accept, Unsupported …
        *((status, 500, None) for status in (405, 420, 421, 422, 423, 494)),
        (415, 488, None),
    ],
)
async def test_the_caller_learns_why_the_callee_was_not_reached(
    bench: Bench, callee: Callee, said: int, passed_on: int, again: str | None
) -> None:
    call, invite = await ring(bench, callee)
    callee.respond(invite, said, headers=[("Reason", REASON), ("Retry-After", "30")])
    assert await call.final() == passed_on
    assert call.response is not None
    assert call.response.header("Reason") == REASON
    assert call.response.header("Retry-After") == again
    await nothing_is_left(bench)


async def test_a_callee_whose_answer_has_no_codec_of_ours_is_a_matter_of_the_media(
    bench: Bench, callee: Callee
) -> None:
    call, invite = await ring(bench, callee)
    callee.respond(invite, 200, body=callee.sdp().replace("AVP 0 101", "AVP 18"))
    callee.respond(await callee.request("BYE"), 200)
    assert await call.final() == 488
    await nothing_is_left(bench)


async def test_both_hear_each_other_without_transcoding(bench: Bench, callee: Callee) -> None:
    call, _ = await connect(bench, callee)
    there, back = speech(1.0, 1), speech(1.0, 2)
    await asyncio.gather(call.rtp.say(there), callee.rtp.say(back))
    await callee.rtp.hears(there)
    await call.rtp.hears(back)
    heard = [packet.payload for packet in callee.rtp.heard if packet.payload_type == 0]
    assert len(set(heard)) > 40
    await call.bye()
    await nothing_is_left(bench)


async def test_the_callees_hang_up_ends_the_caller_with_its_reason(
    bench: Bench, callee: Callee
) -> None:
    call, invite = await connect(bench, callee)
    callee.ask(invite, "BYE", 1, headers=[("Reason", REASON)])
    bye = await call.hung_up()
    assert bye.header("Reason") == REASON
    answer(call, bye)
    await nothing_is_left(bench)


async def test_the_callers_hang_up_ends_the_callee(bench: Bench, callee: Callee) -> None:
    call, _ = await connect(bench, callee)
    assert await call.bye() == 200
    bye = await callee.request("BYE")
    assert bye.header("Reason") == 'Q.850;cause=16;text="Normal call clearing"'
    callee.respond(bye, 200)
    await nothing_is_left(bench)


@pytest.mark.parametrize(
    ("refusal", "told"), [(486, 486), (404, 404), (603, 603), (401, 403), (503, 500), (302, 480)]
)
async def test_a_refusal_of_the_callee_is_the_callers(
    bench: Bench, callee: Callee, refusal: int, told: int
) -> None:
    call, invite = await ring(bench, callee)
    callee.respond(invite, refusal, headers=[("WWW-Authenticate", 'Digest realm="x", nonce="y"')])
    assert await call.final() == told
    await nothing_is_left(bench)


async def test_a_target_that_cannot_be_found_is_404(bench: Bench) -> None:
    await bench.start(BRIDGE.format(uri="sip:bob@nowhere.invalid"))
    call = (await bench.phone()).invite("desk")
    assert await call.final() == 404
    await nothing_is_left(bench)


async def test_nobody_answers(bench: Bench, callee: Callee) -> None:
    await bench.start("[limits]\nring_seconds = 0.6\n" + BRIDGE.format(uri=callee.uri))
    call = (await bench.phone()).invite("desk")
    invite = await callee.request("INVITE")
    callee.respond(invite, 180)
    cancel = await callee.request("CANCEL")
    callee.respond(cancel, 200)
    callee.respond(invite, 487)
    assert await call.final() == 480
    await nothing_is_left(bench)


@pytest.mark.parametrize("stage", ["before 180", "ringing", "early media"])
async def test_a_caller_that_gives_up_takes_the_callee_back(
    bench: Bench, callee: Callee, stage: str
) -> None:
    call, invite = await ring(bench, callee)
    if stage == "ringing":
        callee.respond(invite, 180)
        await eventually(lambda: 180 in call.provisional())
    elif stage == "early media":
        callee.respond(invite, 183, body=callee.sdp())
        await eventually(lambda: 183 in call.provisional())
    else:
        callee.respond(invite, 100)
    call.cancel()
    assert await call.final() == 487
    callee.respond(await callee.request("CANCEL"), 200)
    callee.respond(invite, 487)
    await nothing_is_left(bench)


async def test_an_answer_that_crosses_the_cancel_is_hung_up(bench: Bench, callee: Callee) -> None:
    call, invite = await ring(bench, callee)
    callee.respond(invite, 180)
    await eventually(lambda: 180 in call.provisional())
    call.cancel()
    assert await call.final() == 487
    callee.respond(await callee.request("CANCEL"), 200)
    callee.respond(invite, 200, body=callee.sdp())
    callee.respond(await callee.request("BYE"), 200)
    await nothing_is_left(bench)


async def test_early_media_of_the_callee_is_heard_by_the_caller(
    bench: Bench, callee: Callee
) -> None:
    call, invite = await ring(bench, callee)
    callee.rtp.remote = callee.audio_of(invite)
    callee.respond(invite, 183, body=callee.sdp())
    progress = await eventually(lambda: progress_of(call))
    call.listen_to(progress.body.decode())
    announcement = speech(0.8, 3)
    await callee.rtp.say(announcement)
    await call.rtp.hears(announcement)
    callee.respond(invite, 486)
    assert await call.final() == 486
    await nothing_is_left(bench)


async def test_keys_and_hold_reach_the_callee(bench: Bench, callee: Callee) -> None:
    call, _ = await connect(bench, callee)
    silence = speech(0.2) * 0
    await asyncio.gather(call.rtp.say(silence), callee.rtp.say(silence))
    await call.rtp.press(7)
    pressed = await eventually(
        lambda: [p for p in callee.rtp.heard if p.payload_type == EVENT_TYPE][6:]
    )
    assert pressed[-1].payload[0] == 7
    holding = asyncio.create_task(call.reinvite(call.sdp("sendonly", version=2)))
    held = await callee.request("INVITE", 2)
    assert b"a=sendonly" in held.body
    callee.respond(held, 200, body=callee.sdp("recvonly", version=2))
    await holding
    await call.bye()
    callee.respond(await callee.request("BYE"), 200)
    await nothing_is_left(bench)


async def test_the_recording_has_both_parties(bench: Bench, callee: Callee) -> None:
    more = f'record = true\n[store]\nrecordings = "{bench.folder}"\n'
    call, _ = await connect(bench, callee, more)
    there, back = speech(1.0, 1), speech(1.0, 2)
    await asyncio.gather(call.rtp.say(there), callee.rtp.say(back))
    await callee.rtp.hears(there)
    await call.rtp.hears(back)
    await call.bye()
    callee.respond(await callee.request("BYE"), 200)
    await nothing_is_left(bench)
    (path,) = bench.folder.glob("*.wav")
    with wave.open(str(path)) as recording:
        samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
    assert share_heard(there, samples[0::2][::2]) >= 0.75
    assert share_heard(back, samples[1::2][::2]) >= 0.75


async def test_codecs_that_differ_are_transcoded(bench: Bench, callee: Callee) -> None:
    call, invite = await ring(bench, callee)
    callee.rtp.remote = callee.audio_of(invite)
    alaw = callee.sdp().replace("RTP/AVP 0", "RTP/AVP 8").replace("0 PCMU", "8 PCMA")
    callee.respond(invite, 200, body=alaw)
    assert await call.final() == 200
    there = speech(1.0, 1)
    await asyncio.gather(call.rtp.say(there), callee.rtp.say(speech(0.3)))
    await eventually(lambda: [p for p in callee.rtp.heard if p.payload_type == 8][40:])
    heard = b"".join(p.payload for p in callee.rtp.heard if p.payload_type == 8)
    assert share_heard(there, np.frombuffer(alaw_decode(heard), "<i2")) >= 0.75
    await call.bye()
    callee.respond(await callee.request("BYE"), 200)
    await nothing_is_left(bench)


async def test_the_engine_stops_with_a_bridge_in_progress(bench: Bench, callee: Callee) -> None:
    call, _ = await connect(bench, callee)
    stopping = asyncio.create_task(bench.stop())
    answer(call, await call.hung_up())
    callee.respond(await callee.request("BYE"), 200)
    await stopping


async def test_a_greeted_caller_is_answered_first(bench: Bench, callee: Callee) -> None:
    write_wav(bench.folder / "hello.wav", speech(0.3))
    config = BRIDGE.format(uri=callee.uri) + f'greeting = "{bench.folder}/hello.wav"\n'
    await bench.start(config)
    call = (await bench.phone()).invite("desk")
    assert await call.final() == 200
    invite = await callee.request("INVITE")
    callee.respond(invite, 486)
    answer(call, await call.hung_up())
    await nothing_is_left(bench)


def progress_of(call: PhoneCall) -> Response | None:
    for message in call.phone.received:
        if isinstance(message, Response) and message.status == 183:
            return message
    return None


def write_wav(path: Path, samples: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())


async def nothing_is_left(bench: Bench) -> None:
    await bench.idle()
    await eventually(lambda: not any(bench.engine.figures().values()))
