"""Whole calls that have to go the same on every platform: audio, barge-in, a goodbye."""

from __future__ import annotations

import asyncio
from collections import Counter

import numpy as np
import pytest
from control.conftest import AgentNamer
from engine.collector import left_to_the_collector
from engine.waiting import eventually
from providers.deployment import Deployment
from providers.hearing import (
    SPEECH_PCM,
    TONE_PCM,
    correlation,
    echo_delays_ms,
    heard_by,
    hertz,
    middle,
    samples,
)

from rapida_media import Audio, Call, Digit, HangUp, PlaybackMarked, clock
from rapida_media.agents.builtin import echo
from rapida_media.kernels import Tone, level_dbov
from rapida_media.legs.stream_audio import from_bus
from rapida_media.testing.line import PlatformLine


def coded(line: PlatformLine, pcm: bytes) -> bytes:
    """Give what becomes of bus audio at the line's rate and in its encoding."""
    return from_bus(line.audio)(pcm + bytes(-len(pcm) % 640))


async def audio_crosses_both_ways(
    site: Deployment, agent_named: AgentNamer, *, chunk_ms: int
) -> None:
    """A tone and speech cross, and an echo is back within 60 ms and the platform's chunk."""
    heard: dict[str, bytearray] = {}

    async def agent(call: Call) -> None:
        said = str(call.parameters["said"])
        if said == "echo":
            await echo(call)
        pcm = heard[said] = bytearray()
        call.write(TONE_PCM if said == "tone" else SPEECH_PCM)
        async for event in call:
            if isinstance(event, Audio):
                pcm += event.pcm

    await site.start(agent_named(agent))
    spoken = {"tone": TONE_PCM, "speech": SPEECH_PCM, "echo": SPEECH_PCM}
    calls = {name: site.call(pcm, f"?said={name}") for name, pcm in spoken.items()}
    lines = {name: await call.streams() for name, call in calls.items()}
    await asyncio.sleep(3.6)
    for call in calls.values():
        call.hang_up()
    for name, call in calls.items():
        record = await site.ended(call)
        assert (record["status"], record["reason"], call.errors) == ("completed", "bye", []), name
        assert not lines[name].warnings
    rate_hz = lines["tone"].audio.rate_hz
    there = middle(heard_by(lines["tone"]), rate_hz)
    here = middle(bytes(heard["tone"]), 16_000)
    for pcm, rate in ((there, rate_hz), (here, 16_000)):
        print(f"tone: {hertz(pcm, rate):.2f} Hz, {level_dbov(pcm):.2f} dBov")
        assert hertz(pcm, rate) == pytest.approx(1000, abs=1)
        assert level_dbov(pcm) == pytest.approx(-16, abs=0.3)
        assert len(pcm) / 2 / rate == pytest.approx(1.8, abs=0.02), "nothing is missing"
    line = lines["speech"]
    out = correlation(line.linear(coded(line, SPEECH_PCM)), heard_by(line))
    back = correlation(SPEECH_PCM, bytes(heard["speech"]))
    print(f"speech: correlation {out:.4f} at the caller, {back:.4f} at the agent")
    assert min(out, back) >= 0.99
    delays = sorted(echo_delays_ms(lines["echo"]))
    p95 = delays[int(0.95 * (len(delays) - 1))]
    print(f"round trip: {len(delays)} words, p50 {delays[len(delays) // 2]} ms, p95 {p95} ms")
    assert p95 <= 60 + chunk_ms


async def barge_in_is_heard_and_told(
    site: Deployment, agent_named: AgentNamer, *, lead_ms: int
) -> None:
    """Twenty seconds are queued at once and cut off after three."""
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
                case PlaybackMarked(played=played):
                    marks.append(played)

    await site.start(agent_named(agent))
    call = site.call()
    line = await call.streams()
    await asyncio.sleep(3.0)
    await call.press("#")
    await eventually(lambda: line.cleared)
    await asyncio.sleep(0.3)
    call.hang_up()
    await site.ended(call)
    (at, heard_ms), cleared = told[0], line.cleared[0]
    assert line.began_at is not None
    loud = np.flatnonzero(samples(heard_by(line)))
    silent_ms = (int(loud[-1]) / line.audio.rate_hz - (at - line.began_at)) * 1000
    print(
        f"clear: silent after {silent_ms:.1f} ms, {heard_ms} ms told, "
        f"{cleared.heard_ms:.1f} ms by the platform's clock, {cleared.dropped_ms:.0f} ms dropped"
    )
    assert silent_ms <= 40
    assert heard_ms == pytest.approx(cleared.heard_ms, abs=20)
    assert cleared.dropped_ms <= lead_ms + 20, "no more than the lead waited at the platform"
    assert marks == [False]


async def a_goodbye_is_heard_whole(site: Deployment, agent_named: AgentNamer) -> None:
    goodbye = SPEECH_PCM[: 2 * (16_000 + 333)]

    async def agent(call: Call) -> None:
        call.write(goodbye)

    await site.start(agent_named(agent))
    call = site.call()
    record = await site.ended(call)
    assert (record["status"], record["reason"], call.errors) == ("completed", "agent_finished", [])
    line = call.line
    assert line is not None
    assert line.first_heard_at is not None
    expected = coded(line, goodbye)
    width = len(line.heard) // len(samples(heard_by(line)))
    heard = bytes(line.heard[line.first_heard_at * width :])
    assert heard[: len(expected)] == expected, "every octet, in order and without a gap"


async def calls_leave_nothing_to_the_garbage_collector(
    site: Deployment, agent_named: AgentNamer
) -> None:
    """One that the caller ends and one that the agent does; see engine/test_gone_at_once.py."""

    async def agent(call: Call) -> None:
        call.detect_speech()
        call.write(TONE_PCM)
        call.mark("said")
        async for event in call:
            match event:
                case PlaybackMarked():
                    await call.clear()
                case Digit() | HangUp():
                    return

    await site.start(agent_named(agent))
    left_to_the_collector()
    for hangs_up in ("caller", "agent"):
        call = site.call(SPEECH_PCM)
        await call.streams()
        await asyncio.sleep(0.2)
        if hangs_up == "caller":
            call.hang_up()
        else:
            await call.press("#")
        record = await site.ended(call)
        assert record["reason"] == {"caller": "bye", "agent": "agent_finished"}[hangs_up]
        del call
        await asyncio.sleep(0.1)  # the far end closes its side
        assert left_to_the_collector() == Counter(), hangs_up
