"""Attended transfers with a real Asterisk, in each of the three parts that we may have in one
(RFC 5589 section 7): who orders it, who is sent elsewhere, and whose call is replaced.
"""

from __future__ import annotations

import asyncio
import wave
from pathlib import Path
from typing import Any

import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually

from rapida_media import Audio, Call, HangUp, TransferOutcome, Transferred
from rapida_media.demo.engine import HOST
from rapida_media.media.wav import read_wav as read_pcm

from ..audio import read_wav, words_within
from .conftest import Office
from .server import PASSWORD
from .speech import SECONDS, Speaker

pytestmark = pytest.mark.interop

CONFIG = """
[sip]
listen = ["udp:{host}:{engine}"]
dial_hosts = []
[trunks.plain]
hosts = ["{host}"]
challenge = true
username = "plain"
password = "{password}"
proxy = "{host}:{asterisk}"
allow = ["+1"]
[assistants.support]
agent = "{agent}"
follow_transfers = true
answer = "{answer}"
"""
SILENCE_S = 1.0
PATIENCE_S = 15.0


async def start(office: Office, agent: str, answer: str = "auto") -> None:
    ports = office.asterisk.ports
    await office.desk.open(
        CONFIG.format(
            host=HOST,
            engine=ports.engine_sip,
            asterisk=ports.sip,
            password=PASSWORD,
            agent=agent,
            answer=answer,
        )
    )


@pytest.fixture
def late_speech(speech: Path, tmp_path: Path) -> Path:
    """The speech after a while of silence, in which calls are connected anew."""
    path = tmp_path / "late.wav"
    with wave.open(str(speech), "rb") as part, wave.open(str(path), "wb") as late:
        late.setparams(part.getparams())
        late.writeframes(bytes(2 * int(SILENCE_S * part.getframerate())))
        late.writeframes(part.readframes(part.getnframes()))
    return path


async def test_our_agent_connects_the_far_ends_of_its_two_calls(
    office: Office, agent_named: AgentNamer, speech: Path, late_speech: Path, tmp_path: Path
) -> None:
    calls: list[Call] = []
    outcomes: list[TransferOutcome] = []

    async def agent(call: Call) -> None:
        calls.append(call)
        if len(calls) == 2:  # from now on the phones speak
            await asyncio.gather(*(each.answer() for each in calls))
            await asyncio.sleep(0.3)  # Asterisk puts them through to their phones
            outcomes.append(await calls[0].transfer(calls[1]))
        async for _ in call:
            pass

    await start(office, agent_named(agent), answer="agent")
    back = [tmp_path / f"{number}.wav" for number in range(2)]
    reports = await asyncio.gather(
        *(
            office.call(
                "plain", "--play", str(late_speech), "--record", str(path), "--duration", "4.6"
            )
            for path in back
        )
    )
    assert outcomes == [TransferOutcome(200, "OK")]
    assert [call.ended and call.ended.reason for call in calls] == ["transferred", "bye"]
    assert all(report["answered"] for report in reports)
    for path in back:
        correlation = words_within(speech, read_wav(path)[1])
        print(f"{correlation:.4f} at one phone, of what the other said")
        assert correlation >= 0.99


class Moved(Speaker):
    """An agent that speaks once another party is there, and then keeps what it hears."""

    def __init__(self, speech: Path) -> None:
        super().__init__(speech)
        self.calls: list[Call] = []
        self.parties: list[str] = []

    async def agent(self, call: Call) -> None:
        self.calls.append(call)
        async for event in call:
            match event:
                case Transferred(party=party):
                    self.parties.append(party)
                    call.write(read_pcm(self._speech))
                case Audio(pcm=pcm) if self.parties:
                    self._heard[call.id] += pcm
                case HangUp():
                    pass


class Dialplan:
    """How far Asterisk comes in its dialplan from now on."""

    def __init__(self, office: Office) -> None:
        self._office = office
        self._before = len(office.asterisk.log)

    async def reaches(self, place: str) -> None:
        await eventually(
            lambda: f"[{place}]" in self._office.asterisk.log[self._before :], PATIENCE_S
        )


async def test_asterisk_takes_a_call_of_ours_over_from_another_phone(
    office: Office, agent_named: AgentNamer, speech: Path, tmp_path: Path
) -> None:
    moved = Moved(speech)
    await start(office, agent_named(moved.agent))
    dialplan = Dialplan(office)
    first = asyncio.create_task(office.call("first", "--duration", "30"))
    await dialplan.reaches("s@noted:3")
    back = tmp_path / "back.wav"
    await office.call(
        "second", "--play", str(speech), "--record", str(back), "--duration", str(SECONDS)
    )
    left: Any = await first
    assert left["reason"] == "bye"
    assert len(moved.calls) == 1
    assert len(moved.parties) == 1
    there = words_within(speech, read_wav(back)[1])
    here = moved.understood(moved.calls[0].id)
    print(f"{there:.4f} at the phone, {here:.4f} at the agent")
    assert min(there, here) >= 0.99
    await eventually(lambda: not office.desk.bench.engine.active_calls)


async def test_asterisk_sends_our_call_into_another_of_its_own(
    office: Office, agent_named: AgentNamer, speech: Path
) -> None:
    moved = Moved(speech)
    await start(office, agent_named(moved.agent))
    dialplan = Dialplan(office)
    waiting = asyncio.create_task(office.call("waiting", "--duration", "30"))
    await dialplan.reaches("waiting@callers:4")
    await office.call("sent", "--duration", "30")
    await eventually(lambda: moved.parties, PATIENCE_S)
    assert (await waiting)["reason"] == "bye"
    await asyncio.sleep(SECONDS)
    here = moved.understood(moved.calls[0].id)
    print(f"{here:.4f} by Asterisk's echo")
    assert here >= 0.99
    await moved.calls[0].hang_up()
    await eventually(lambda: not office.desk.bench.engine.active_calls)
