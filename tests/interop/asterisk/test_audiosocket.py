"""A real Asterisk brings calls by AudioSocket: its application (8 kHz) and its channel driver."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually

from rapida_media import Call, Digit

from .conftest import Office
from .speech import Speaker, call_and_speak, check_records

pytestmark = pytest.mark.interop

# The codec of the phone, and what comes by AudioSocket.
WAYS = {"application": "pcmu", "channel": "g722"}
AUDIO = {"application": "s16le 8000 Hz", "channel": "s16le 16000 Hz"}


async def test_speech_crosses_both_ways_at_8_and_16_khz(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    speaker = Speaker(speech)
    await office.start(agent_named(speaker.agent))
    at_the_phones = await call_and_speak(office, speech, tmp_path, WAYS)
    await eventually(lambda: len(office.desk.bench.engine.provider_calls) == 0)
    await check_records(office, speaker, at_the_phones, AUDIO)


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
