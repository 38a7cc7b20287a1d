"""A SIP trunk between Asterisk and the engine, both ways: with a password, over TLS with SRTP, and
with SHA-256 where we have registered.

Each side asks the other for its password. Of the media of the second trunk nothing is in clear, and
on the third Asterisk knows no MD5.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually

from rapida_media.demo.engine import HOST

from .conftest import Office
from .server import PASSWORD
from .speech import SECONDS, Speaker, call_and_speak

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
[trunks.sha]
hosts = ["{host}"]
challenge = true
username = "sha"
password = "{password}"
proxy = "{host}:{sip}"
register = true
allow = ["+1"]
"""
WAYS = ("plain", "secure", "sha")


async def start(office: Office, folder: Path, agent: str) -> None:
    asterisk = office.asterisk
    ports, pem = asterisk.ports, asterisk.identity.issue("engine")
    listen = f'"udp:{HOST}:{ports.engine_sip}", "tls:{HOST}:{ports.engine_tls}"'
    trunks = TRUNKS.format(host=HOST, password=PASSWORD, sip=ports.sip, tls=ports.tls)
    sip = f'[sip]\nlisten = [{listen}]\ntls_certificate = "{pem}"\ntls_key = "{pem}"\n'
    sip += 'digest = ["SHA-256", "MD5"]\n'
    await office.start(agent, f'{sip}tls_ca = "{asterisk.identity.file}"\n{trunks}')
    engine = office.desk.bench.engine
    await eventually(lambda: engine.trunk_health()["sha"]["registered"])


async def test_asterisk_calls_and_speech_crosses_both_ways(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    speaker = Speaker(speech)
    await start(office, tmp_path, agent_named(speaker.agent))
    at_the_phones = await call_and_speak(office, speech, tmp_path, dict.fromkeys(WAYS, "pcmu"))
    _, page = await office.desk.get("/v1/calls?provider=sip")
    for record in page["calls"]:
        there, here = at_the_phones[record["trunk"]], speaker.understood(record["id"])
        print(f"{record['trunk']}: {there:.4f} at the phone, {here:.4f} at the agent")
        assert min(there, here) >= 0.99
    assert {each["trunk"]: each["reason"] for each in page["calls"]} == dict.fromkeys(WAYS, "bye")
    for record in page["calls"]:
        _, trace = await office.desk.get(f"/v1/calls/{record['id']}/trace")
        assert "407 Proxy Authentication Required" in trace or "401 Unauthorized" in trace


async def test_we_call_asterisk_and_hear_its_echo(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    speaker = Speaker(speech, SECONDS)
    await start(office, tmp_path, agent_named(speaker.agent))
    order = {"assistant": "support", "to": "+14155550100", "provider": "sip"}
    placed = [await office.desk.post("/v1/calls", {**order, "trunk": way}) for way in WAYS]
    for status, accepted in placed:
        assert status == 202, accepted
        over = await office.desk.until(accepted["call_id"], "completed", patience=15)
        assert over["reason"] == "agent_finished"
    for way, (_, accepted) in zip(WAYS, placed, strict=True):
        correlation = speaker.understood(accepted["call_id"])
        print(f"{way}: {correlation:.4f} by Asterisk's echo")
        assert correlation >= 0.99
        challenge = office.desk.bench.engine.trace(accepted["call_id"], whole=True)
        assert ("algorithm=SHA-256" in challenge) is (way == "sha")
    await eventually(lambda: not office.desk.bench.engine.active_calls)
