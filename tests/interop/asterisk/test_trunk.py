"""A SIP trunk between Asterisk and the engine, both ways: with a password, and over TLS with SRTP.

Each side asks the other for its password; of the media of the second trunk nothing is in clear.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from pathlib import Path

import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually

from rapida_media import Audio, Call
from rapida_media.demo.engine import HOST
from rapida_media.media.wav import read_wav as read_pcm

from ..audio import read_wav, words_within
from .conftest import Office
from .server import PASSWORD
from .test_audiosocket import sound

pytestmark = pytest.mark.interop

TRUNKS = """
[trunks.plain]
hosts = ["{host}"]
challenge = true
username = "plain"
password = "{password}"
proxy = "{host}:{sip}"
allow = ["+1"]
[trunks.secure]
hosts = ["{host}"]
challenge = true
username = "secure"
password = "{password}"
proxy = "{host}:{tls}"
transport = "tls"
srtp = "required"
allow = ["+1"]
"""
WAYS = ("plain", "secure")


async def start(office: Office, folder: Path, agent: str) -> None:
    asterisk = office.asterisk
    ports, pem = asterisk.ports, asterisk.identity.issue("engine")
    listen = f'"udp:{HOST}:{ports.engine_sip}", "tls:{HOST}:{ports.engine_tls}"'
    trunks = TRUNKS.format(host=HOST, password=PASSWORD, sip=ports.sip, tls=ports.tls)
    sip = f'[sip]\nlisten = [{listen}]\ntls_certificate = "{pem}"\ntls_key = "{pem}"\n'
    await office.start(agent, f'{sip}tls_ca = "{asterisk.identity.file}"\n{trunks}')


async def test_asterisk_calls_and_speech_crosses_both_ways(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    heard: dict[str, bytearray] = defaultdict(bytearray)

    async def agent(call: Call) -> None:
        call.write(read_pcm(speech))
        async for event in call:
            if isinstance(event, Audio):
                heard[call.id] += event.pcm

    await start(office, tmp_path, agent_named(agent))
    back = {way: tmp_path / f"{way}.wav" for way in WAYS}
    await asyncio.gather(
        *(
            office.call(way, "--play", str(speech), "--record", str(back[way]), "--duration", "3.6")
            for way in WAYS
        )
    )
    _, page = await office.desk.get("/v1/calls?provider=sip")
    ids = {each["trunk"]: each["id"] for each in page["calls"]}
    for way in WAYS:
        _, at_the_phone = read_wav(back[way])
        there, here = (
            words_within(speech, at_the_phone),
            words_within(speech, sound(heard[ids[way]])),
        )
        print(f"{way}: {there:.4f} at the phone, {here:.4f} at the agent")
        assert min(there, here) >= 0.99
    assert {each["trunk"]: each["reason"] for each in page["calls"]} == dict.fromkeys(WAYS, "bye")
    for record in page["calls"]:
        _, trace = await office.desk.get(f"/v1/calls/{record['id']}/trace")
        assert "407 Proxy Authentication Required" in trace or "401 Unauthorized" in trace


async def test_we_call_asterisk_and_hear_its_echo(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    heard: dict[str, bytearray] = defaultdict(bytearray)

    async def agent(call: Call) -> None:
        call.write(read_pcm(speech))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3.6):
                async for event in call:
                    if isinstance(event, Audio):
                        heard[call.id] += event.pcm

    await start(office, tmp_path, agent_named(agent))
    order = {"assistant": "support", "to": "+14155550100", "provider": "sip"}
    placed = [await office.desk.post("/v1/calls", {**order, "trunk": way}) for way in WAYS]
    for status, accepted in placed:
        assert status == 202, accepted
        over = await office.desk.until(accepted["call_id"], "completed", patience=15)
        assert over["reason"] == "agent_finished"
    for way, (_, accepted) in zip(WAYS, placed, strict=True):
        correlation = words_within(speech, sound(heard[accepted["call_id"]]))
        print(f"{way}: {correlation:.4f} by Asterisk's echo")
        assert correlation >= 0.99
    await eventually(lambda: not office.desk.bench.engine.active_calls)
