"""Agents that misbehave on a call that a provider streams: what its caller hears, and others."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from control.conftest import AgentNamer
from engine.waiting import eventually
from providers.deployment import Deployment
from providers.hearing import SPEECH_PCM, heard_by, samples
from simulated_twilio import agent_named as agent_named
from simulated_twilio import bench as bench
from simulated_twilio import desk as desk
from simulated_twilio import twilio as twilio

from rapida_media import Call
from rapida_media.agents.builtin import echo
from rapida_media.net import agent_task
from rapida_media.testing.listening import find
from rapida_media.testing.twilio import StreamLine

SPEECH = SPEECH_PCM[: 2 * 16_000 * 2]
TEN_MINUTES = 2 * 16_000 * 600


async def raises(call: Call) -> None:
    call.write(SPEECH * 2)
    await asyncio.sleep(0.5)
    raise ValueError("a mistake of the agent's author")


async def never_returns(call: Call) -> None:
    await asyncio.Event().wait()


async def writes_ten_minutes(call: Call) -> None:
    assert call.write(SPEECH.ljust(TEN_MINUTES, b"\0")) == TEN_MINUTES // 2
    assert call.write(SPEECH) == 0
    await call.drain()


async def never_reads(call: Call) -> None:
    call.write(SPEECH)
    await asyncio.Event().wait()


AGENTS = {each.__name__: each for each in (raises, never_returns, writes_ten_minutes, never_reads)}


def heard(line: StreamLine) -> bytes:
    """Give what the caller heard so far, at 16 kHz."""
    pcm = samples(heard_by(line))
    fine = 2 * np.fft.irfft(np.fft.rfft(pcm), 2 * len(pcm)) if len(pcm) else pcm
    return fine.clip(-32768, 32767).astype("<i2").tobytes()


async def hears(line: StreamLine, *sounds: bytes) -> None:
    """Wait until one of the sounds was heard."""

    def heard_one() -> bool:
        return any(find(sound, heard(line)) is not None for sound in sounds)

    await eventually(heard_one, every=0.2)


async def test_callers_of_bad_agents_hear_what_was_sent_and_the_others_notice_nothing(
    twilio: Deployment, agent_named: AgentNamer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agent_task, "GRACE_S", 0.1)
    monkeypatch.setattr("rapida_media.call.conversation.EVENT_LIMIT", 20)

    async def agent(call: Call) -> None:
        await AGENTS.get(str(call.parameters["kind"]), echo)(call)

    await twilio.start(agent_named(agent))
    twilio.desk.bench.expected_errors = 1
    kinds = [*AGENTS, "echo"]
    calls = {kind: twilio.call(SPEECH, f"?kind={kind}") for kind in kinds}
    lines = {kind: await call.streams() for kind, call in calls.items()}
    await calls["raises"].over()
    failed = await twilio.record(calls["raises"])
    assert (failed["reason"], failed["failure_class"]) == ("agent_error", "agent")
    assert 0.2 < len(lines["raises"].heard) / 8000 < 1.5  # of four seconds

    await hears(lines["writes_ten_minutes"], SPEECH)
    await hears(lines["never_reads"], SPEECH)
    # An echo has no buffer: on a busy machine it may stumble, but not in every half second.
    await hears(lines["echo"], *(SPEECH[at : at + 16_000] for at in range(0, 64_000, 16_000)))
    assert not any(heard(lines["never_returns"]))
    assert lines["writes_ten_minutes"].queued_ms < 2000
    for kind, call in calls.items():
        call.hang_up()
        await call.over()
        assert not call.errors, kind
        assert not lines[kind].warnings, kind
    await eventually(lambda: not len(twilio.desk.bench.engine.provider_calls))
    records = {kind: await twilio.record(call) for kind, call in calls.items()}
    assert {records[kind]["reason"] for kind in kinds[1:]} == {"bye"}
    assert records["writes_ten_minutes"]["quality"]["dropped_samples"] == len(SPEECH) // 2
    assert records["never_reads"]["quality"]["events_dropped"] > 50
    assert records["echo"]["quality"]["events_dropped"] == 0
