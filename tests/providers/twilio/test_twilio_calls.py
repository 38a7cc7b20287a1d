"""Whole calls: a simulated Twilio, a real server, sockets and agents between them."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually
from numpy.typing import NDArray
from recorded_twilio import ACCOUNT, START, text
from simulated_twilio import PUBLIC, Twilio
from simulated_twilio import agent_named as agent_named
from simulated_twilio import bench as bench
from simulated_twilio import desk as desk
from simulated_twilio import twilio as twilio

import rapida_media
from rapida_media import Audio, Call, Digit, clock
from rapida_media.agents.builtin import echo
from rapida_media.kernels import PayloadEncoder, Tone, level_dbov, ulaw_decode
from rapida_media.media.wav import read_wav
from rapida_media.providers.twilio.stream import TwilioStream
from rapida_media.testing.twilio import Callee, StreamLine, TwilioPlatform

SPEECH = Path(rapida_media.__file__).parent / "demo" / "speech.wav"
SPEECH_PCM = read_wav(SPEECH)[: 2 * 16_000 * 3]
TONE_PCM = Tone(1000.0, dbov=-16.0).read(16_000 * 2)


def ulaw(pcm: bytes) -> bytes:
    return PayloadEncoder("PCMU").encode(pcm)


# -- what is measured ------------------------------------------------------------------------------


def samples(pcm: bytes) -> NDArray[np.float64]:
    return np.frombuffer(pcm, "<i2").astype(np.float64)


def correlation(sent: bytes, heard: bytes) -> float:
    """Align and compare, fractions of a sample included; both s16le at the same rate."""
    left, right = samples(sent), samples(heard)
    size = 1 << (len(left) + len(right)).bit_length()
    spectrum = np.conj(np.fft.rfft(left, size)) * np.fft.rfft(right, size)
    lag = int(np.argmax(np.fft.irfft(spectrum, size)[: len(right)]))
    part = right[lag : lag + len(left)]
    # Between the samples: the filters' delay is no whole number of them.
    width = 1 << len(left).bit_length()
    near = np.conj(np.fft.rfft(left, width)) * np.fft.rfft(part, width)
    fine = np.fft.irfft(near, 4 * width).max() * 4
    return float(fine / np.sqrt(np.dot(left, left) * np.dot(part, part)))


def hertz(pcm: bytes, rate_hz: int) -> float:
    """The strongest frequency, to a small part of a hertz."""
    wave = samples(pcm) * np.hanning(len(pcm) // 2)
    size = 1 << 18
    return float(np.argmax(np.abs(np.fft.rfft(wave, size))) * rate_hz / size)


def middle(pcm: bytes, rate_hz: int) -> bytes:
    """Cut what is loud out of silence, and a tenth of a second off both its ends."""
    loud = np.flatnonzero(np.abs(samples(pcm)) > 500)
    edge = rate_hz // 10
    return pcm[2 * (int(loud[0]) + edge) : 2 * (int(loud[-1]) - edge)]


def echo_delays_ms(line: StreamLine) -> list[float]:
    """How much later each quarter of a second of speech was heard than it was said."""
    said, heard = samples(ulaw_decode(bytes(line.said))), samples(ulaw_decode(bytes(line.heard)))
    delays = []
    for at in range(0, len(said) - 6000, 2000):
        word = said[at : at + 2000]
        if np.sqrt(np.mean(word**2)) < 300:
            continue
        window = heard[at : at + 6000]
        delays.append(float(np.argmax(np.correlate(window, word))) / 8)
    return delays


# -- audio -----------------------------------------------------------------------------------------


async def test_tone_and_speech_cross_both_ways_and_an_echo_is_soon_back(
    twilio: Twilio, agent_named: AgentNamer
) -> None:
    heard: dict[str, bytearray] = {}

    async def agent(call: Call) -> None:
        if call.parameters["said"] == "echo":
            await echo(call)
        pcm = heard[str(call.parameters["said"])] = bytearray()
        call.write(TONE_PCM if call.parameters["said"] == "tone" else SPEECH_PCM)
        async for event in call:
            if isinstance(event, Audio):
                pcm += event.pcm

    await twilio.start(agent_named(agent))
    url = f"{PUBLIC}/v1/talk/twilio/call/support?said="
    calls = {
        "tone": twilio.platform.call(f"{url}tone", microphone=TONE_PCM),
        "speech": twilio.platform.call(f"{url}speech", microphone=SPEECH_PCM),
        "echo": twilio.platform.call(f"{url}echo", microphone=SPEECH_PCM),
    }
    lines = {name: await call.streams() for name, call in calls.items()}
    await asyncio.sleep(3.6)
    for call in calls.values():
        call.hang_up()
    for name, call in calls.items():
        record = await twilio.ended(call)
        assert (record["status"], record["reason"], call.errors) == ("completed", "bye", []), name
        assert not lines[name].warnings
    there = middle(ulaw_decode(bytes(lines["tone"].heard)), 8000)
    here = middle(bytes(heard["tone"]), 16_000)
    for pcm, rate_hz in ((there, 8000), (here, 16_000)):
        print(f"tone: {hertz(pcm, rate_hz):.2f} Hz, {level_dbov(pcm):.2f} dBov")
        assert hertz(pcm, rate_hz) == pytest.approx(1000, abs=1)
        assert level_dbov(pcm) == pytest.approx(-16, abs=0.3)
        assert len(pcm) / 2 / rate_hz == pytest.approx(1.8, abs=0.02), "nothing is missing"
    said = ulaw_decode(ulaw(SPEECH_PCM))
    out = correlation(said, ulaw_decode(bytes(lines["speech"].heard)))
    back = correlation(SPEECH_PCM, bytes(heard["speech"]))
    print(f"speech: correlation {out:.4f} at the caller, {back:.4f} at the agent")
    assert min(out, back) >= 0.99
    delays = sorted(echo_delays_ms(lines["echo"]))
    p95 = delays[int(0.95 * (len(delays) - 1))]
    print(f"round trip: {len(delays)} words, p50 {delays[len(delays) // 2]} ms, p95 {p95} ms")
    assert p95 <= 80  # 60 ms and the platform's own chunk of 20 ms


async def test_barge_in_is_heard_at_once_and_told_truly(
    twilio: Twilio, agent_named: AgentNamer
) -> None:
    told: list[tuple[float, float]] = []
    marks: list[bool] = []

    async def agent(call: Call) -> None:
        call.write(Tone(440.0).read(16_000 * 20))
        call.mark("the end")
        async for event in call:
            match event:
                case Digit(digit="#"):
                    at = clock.monotonic()
                    told.append((at, await call.clear()))
                case rapida_media.PlaybackMarked(played=played):
                    marks.append(played)

    await twilio.start(agent_named(agent))
    call = twilio.call()
    line = await call.streams()
    await asyncio.sleep(3.0)
    await call.press("#")
    await eventually(lambda: line.cleared)
    await asyncio.sleep(0.3)
    call.hang_up()
    await twilio.ended(call)
    (at, heard_ms), cleared = told[0], line.cleared[0]
    assert line.began_at is not None
    loud = np.flatnonzero(np.frombuffer(bytes(line.heard), np.uint8) != 0xFF)
    silent_ms = (int(loud[-1]) / 8000 - (at - line.began_at)) * 1000
    print(
        f"clear: silent after {silent_ms:.1f} ms, {heard_ms} ms told, "
        f"{cleared.heard_ms:.1f} ms by the platform's clock, {cleared.dropped_ms:.0f} ms dropped"
    )
    assert silent_ms <= 40
    assert heard_ms == pytest.approx(cleared.heard_ms, abs=20)
    assert cleared.dropped_ms <= 220, "no more than the lead waited at the platform"
    assert marks == [False]


async def test_a_goodbye_is_heard_to_its_last_sample(
    twilio: Twilio, agent_named: AgentNamer
) -> None:
    goodbye = SPEECH_PCM[: 2 * (16_000 + 333)]

    async def agent(call: Call) -> None:
        call.write(goodbye)

    await twilio.start(agent_named(agent))
    call = twilio.call()
    record = await twilio.ended(call)
    assert (record["status"], record["reason"], call.errors) == ("completed", "agent_finished", [])
    stream = TwilioStream()
    list(stream.receive(text(START)))
    padded = goodbye + bytes(-len(goodbye) % 640)
    sent = json.loads(stream.media(padded))["media"]["payload"]
    line = call.line
    assert line is not None
    assert line.first_heard_at is not None
    heard = bytes(line.heard[line.first_heard_at :])
    expected = base64.b64decode(sent)
    assert heard[: len(expected)] == expected, "every octet, in order and without a gap"


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_becomes_a_call(twilio: Twilio) -> None:
    twilio.platform.callee = Callee(microphone=TONE_PCM)
    await twilio.start("echo")
    call_id = await twilio.order()
    await twilio.desk.until(call_id, "in-progress")
    (call,) = twilio.platform.calls.values()
    line = await call.streams()
    assert (call.from_, call.to, call.direction) == ("+15005550006", "+14155550100", "outbound-api")
    await asyncio.sleep(0.5)
    assert (await twilio.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    over = await twilio.desk.until(call_id, "completed")
    await call.over()
    assert (over["reason"], over["provider_call_id"], call.state) == (
        "operator", call.id, "completed",
    )  # fmt: skip
    assert hertz(middle(ulaw_decode(bytes(line.heard)), 8000), 8000) == pytest.approx(1000, abs=3)
    told = [fields.get("CallStatus") for _, fields, status in twilio.platform.callbacks if status]
    assert [each for each in told if each] == ["initiated", "ringing", "in-progress", "completed"]
    assert {status for _, _, status in twilio.platform.callbacks} == {204}


@pytest.mark.parametrize(
    ("ending", "failure_class", "retryable"),
    [("busy", "callee", True), ("no-answer", "callee", True), ("failed", "network", True)],
)
async def test_a_callee_that_does_not_answer_is_told(
    twilio: Twilio, ending: str, failure_class: str, retryable: bool
) -> None:
    twilio.platform.callee = Callee(ending)
    await twilio.start()
    over = await twilio.desk.until(await twilio.order(), ending)
    assert (over["raw_status"], over["failure_class"], over["retryable"]) == (
        ending, failure_class, retryable,
    )  # fmt: skip


async def test_an_order_taken_back_stops_the_ringing(twilio: Twilio) -> None:
    twilio.platform.callee = Callee(ring_s=60.0)
    await twilio.start()
    call_id = await twilio.order()
    await twilio.desk.until(call_id, "ringing")
    assert (await twilio.desk.post(f"/v1/calls/{call_id}/hangup"))[0] == 200
    (call,) = twilio.platform.calls.values()
    assert (await call.over()).state == "canceled"
    assert (await twilio.desk.until(call_id, "canceled"))["reason"] == "canceled"


async def test_a_refusal_of_twilios_is_told_to_programs(twilio: Twilio) -> None:
    twilio.platform.numbers = frozenset({"+15005550099"})
    await twilio.start()
    over = await twilio.desk.until(await twilio.order(), "failed")
    assert (over["reason"], over["code"], over["failure_class"], over["retryable"]) == (
        "provider_refused", 21210, "configuration", False,
    )  # fmt: skip


async def test_a_call_is_sent_on(twilio: Twilio) -> None:
    await twilio.start("silence")
    call = twilio.call()
    await call.streams()
    record = await twilio.record(call)
    await twilio.desk.until(record["id"], "in-progress")
    path = f"/v1/calls/{record['id']}/transfer"
    status, said = await twilio.desk.post(path, {"to": "+15550123"})
    assert status == 200, said
    await eventually(lambda: call.dialled == "+15550123")
    assert call.state == "in-progress", "it goes on without us"
    assert (await twilio.desk.until(record["id"], "completed"))["reason"] == "transferred"
    call.hang_up()
    assert (await call.over()).state == "completed"


async def test_there_is_no_room(twilio: Twilio) -> None:
    await twilio.start("silence", "[limits]\nmax_calls = 1\n")
    first = twilio.call()
    await first.streams()
    assert (await twilio.call().over()).state == "busy"
    first.hang_up()
    await twilio.ended(first)


async def test_forgeries_and_replays_are_refused(twilio: Twilio) -> None:
    await twilio.start("silence")
    async with TwilioPlatform(ACCOUNT, "another token", reach=twilio.reach) as forger:
        forged = await forger.call(f"{PUBLIC}/v1/talk/twilio/call/support").over()
        assert (forged.state, forged.errors) == ("completed", [11200])
        fields = {"CallSid": forged.id, "From": "+14155550100", "To": "+15005550006"}
        url = f"{PUBLIC}/v1/talk/twilio/call/support"
        _, _, body = await twilio.platform.ask(url, fields)
        stream_url = body.decode().split('url="', 1)[1].split('"', 1)[0]
        refusals = []
        for platform in (forger, twilio.platform, twilio.platform):
            try:
                await platform.connect(stream_url)
            except aiohttp.WSServerHandshakeError as refused:
                refusals.append(refused.status)
            else:
                refusals.append(101)
        assert refusals == [403, 101, 410], "the forger did not use it up, and it works once"
        _, _, again = await twilio.platform.ask(url, {**fields, "CallSid": "CA2"})
        _, _, told_twice = await twilio.platform.ask(url, {**fields, "CallSid": "CA2"})
        assert again == told_twice, "announced twice, it is one call"
