"""A real Asterisk opens WebSockets to us: its codecs, both forms of its control, its queue."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually

from rapida_media import Call, Digit, PlaybackMarked, clock
from rapida_media.kernels import Tone

from ..audio import read_wav
from .conftest import Office
from .server import PASSWORD
from .speech import Speaker, call_and_speak, check_records

pytestmark = pytest.mark.interop

ACCOUNT = f'username = "asterisk"\npassword = "{PASSWORD}"\n'
# The codec of the WebSocket, which names the extension, and that of the phone.
CODECS = {"slin16": "g722", "ulaw": "pcmu", "alaw": "pcma", "slin48": "g722"}
AUDIO = {
    "slin16": "s16le 16000 Hz",
    "ulaw": "PCMU 8000 Hz",
    "alaw": "PCMA 8000 Hz",
    "slin48": "s16le 48000 Hz",
}


async def test_speech_crosses_both_ways_in_every_codec(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    speaker = Speaker(speech)
    await office.start(agent_named(speaker.agent), account=ACCOUNT)
    at_the_phones = await call_and_speak(office, speech, tmp_path, CODECS)
    await eventually(lambda: len(office.desk.bench.engine.provider_calls) == 0)
    await check_records(office, speaker, at_the_phones, AUDIO)


async def test_keys_and_marks_arrive_and_our_hang_up_ends_the_call(
    office: Office, agent_named: AgentNamer
) -> None:
    ways = ("slin16", "ulaw")  # JSON and plain text
    keys = dict.fromkeys(ways, "")
    marked: dict[str, tuple[bool, float]] = {}

    async def agent(call: Call) -> None:
        begun = clock.monotonic()
        call.write(Tone(440.0).read(16_000))
        call.mark("a second")
        async for event in call:
            match event:
                case PlaybackMarked(played=played):
                    marked[call.called] = played, clock.monotonic() - begun
                case Digit(digit=digit):
                    keys[call.called] += digit
            if keys[call.called] == "1A*#" and call.called in marked:
                return

    await office.start(agent_named(agent), account=ACCOUNT)
    done = await asyncio.gather(
        *(office.call(way, "--dtmf", "1A*#", "--duration", "20") for way in ways)
    )
    assert keys == dict.fromkeys(ways, "1A*#")
    for way in ways:
        played, after_s = marked[way]
        print(f"{way}: the mark after {after_s * 1000:.0f} ms")
        assert played
        assert after_s == pytest.approx(1.0, abs=0.15)
    assert {each["reason"] for each in done} == {"bye"}, "Asterisk hung up, long before 20 s"
    for record in await office.records():
        assert (record["status"], record["reason"]) == ("completed", "agent_finished")
        assert (record["quality"]["marks_unconfirmed"], record["quality"]["marks_unknown"]) == (
            0, 0,
        )  # fmt: skip


async def test_barge_in_flushes_asterisks_queue(
    office: Office, agent_named: AgentNamer, back: Path
) -> None:
    told: list[float] = []

    async def agent(call: Call) -> None:
        call.write(Tone(440.0, dbov=-16.0).read(16_000 * 20))
        async for event in call:
            if isinstance(event, Digit):
                await asyncio.sleep(1.0)
                told.append(await call.clear())

    await office.start(agent_named(agent), account=ACCOUNT)
    await office.call("slin16", "--dtmf", "#", "--duration", "3", "--record", str(back))
    _, heard = read_wav(back)
    (loud,) = np.nonzero(np.abs(heard.samples) > 500)
    loud_ms = (loud[-1] - loud[0]) * 1000 / heard.rate_hz
    print(f"{told[0]:.0f} ms told, {loud_ms:.0f} ms heard at the phone")
    assert len(told) == 1
    assert loud_ms == pytest.approx(told[0], abs=80), "200 ms more waited at Asterisk"
    assert 1000 <= loud_ms < 2000


async def test_a_wrong_password_gets_no_call(office: Office) -> None:
    await office.start("silence", account=ACCOUNT.replace(PASSWORD, "another"))
    report = await office.call("slin16", "--duration", "5")
    assert report["status"] != 200
    assert await office.records() == []
