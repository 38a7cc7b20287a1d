"""A real Asterisk brings calls by AudioSocket: its application (8 kHz) and its channel driver."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually

from rapida_media import Audio, Call, Digit
from rapida_media.media.wav import read_wav as read_pcm

from ..audio import Sound, read_wav, words_within
from .conftest import Office

pytestmark = pytest.mark.interop

WAYS = ("application", "channel")
RATES = {"application": "s16le 8000 Hz", "channel": "s16le 16000 Hz"}


def sound(pcm: bytes) -> Sound:
    return Sound(16_000, np.frombuffer(pcm, "<i2").astype(np.float64))


async def test_speech_crosses_both_ways_at_8_and_16_khz(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    heard: dict[str, bytearray] = {way: bytearray() for way in WAYS}

    async def agent(call: Call) -> None:
        call.write(read_pcm(speech))
        async for event in call:
            if isinstance(event, Audio):
                heard[call.called] += event.pcm

    await office.start(agent_named(agent))
    back = {way: tmp_path / f"{way}.wav" for way in WAYS}
    await asyncio.gather(
        *(
            office.call(
                way,
                *("--play", str(speech), "--record", str(back[way])),
                *("--duration", "3.6", "--codec", "g722" if way == "channel" else "pcmu"),
            )
            for way in WAYS
        )
    )
    for way in WAYS:
        _, at_the_phone = read_wav(back[way])
        there, here = words_within(speech, at_the_phone), words_within(speech, sound(heard[way]))
        print(f"{way}: {there:.4f} at the phone, {here:.4f} at the agent")
        assert min(there, here) >= 0.99
    await eventually(lambda: len(office.desk.bench.engine.provider_calls) == 0)
    for record in await office.records():
        assert (record["status"], record["reason"]) == ("completed", "bye"), "the phone hung up"
        assert record["quality"]["codec"] == RATES[record["to"]]
        assert record["quality"].get("messages_malformed", 0) == 0


async def test_keys_arrive_and_our_hang_up_returns_to_the_dialplan(
    office: Office, agent_named: AgentNamer
) -> None:
    keys: dict[str, str] = dict.fromkeys(WAYS, "")

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, Digit):
                keys[call.called] += event.digit
                if event.digit == "#":
                    return

    await office.start(agent_named(agent))
    done = await asyncio.gather(
        *(office.call(way, "--dtmf", "1A*#", "--duration", "20") for way in WAYS)
    )
    assert keys == {"application": "1A*#", "channel": "1A*#"}
    for each in done:
        assert each["reason"] == "bye", "Asterisk hung up, long before 20 s"
    assert "behind the AudioSocket of" in office.asterisk.log
    for record in await office.records():
        assert (record["status"], record["reason"]) == ("completed", "agent_finished")
