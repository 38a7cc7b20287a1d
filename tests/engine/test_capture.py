"""A live call is captured from any moment on, and notices nothing of it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rapida_media.call.call import Call
from rapida_media.errors import RapidaError
from rapida_media.net.capture import Capture

from .conftest import AgentNamer, Bench
from .rtp import speech
from .waiting import eventually


def payloads(path: Path) -> list[bytes]:
    """Read a capture of IPv4."""
    data = path.read_bytes()
    found, at = [], 24
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at + 8)
        found.append(data[at + 16 + 28 : at + 16 + size])
        at += 16 + size
    return found


async def test_a_capture_that_begins_in_mid_call_has_its_past_messages_and_its_packets(
    bench: Bench, agent_named: AgentNamer, tmp_path: Path
) -> None:
    calls: list[Call] = []

    async def agent(call: Call) -> None:
        calls.append(call)
        async for event in call:
            if hasattr(event, "pcm"):
                call.write(event.pcm)

    engine = await bench.start(agent=agent_named(agent))
    phone_call = await (await bench.phone()).call()
    await phone_call.rtp.say(speech(0.2))
    (call,) = await eventually(lambda: calls)
    path = tmp_path / "call.pcap"
    engine.capture(call.id, path)
    with pytest.raises(RapidaError):
        engine.capture(call.id, tmp_path / "again.pcap")
    with pytest.raises(RapidaError):
        engine.capture("nobody", tmp_path / "nobody.pcap")
    said = speech(0.6)
    await phone_call.rtp.say(said)
    await phone_call.rtp.hears(said)
    assert await phone_call.bye() == 200
    await bench.stop()
    written = payloads(path)
    sip = [each for each in written if b"SIP/2.0" in each]
    assert sip[0].startswith(b"INVITE ")
    assert sip[-1].startswith(b"SIP/2.0 200 ")
    rtp = [each for each in written if each[:1] == b"\x80"]
    assert len(rtp) >= 2 * 0.6 / 0.02
    assert len(rtp) + len(sip) == len(written)


def test_a_full_capture_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "call.pcap"
    capture = Capture(path, limit_bytes=200)
    for _ in range(10):
        capture.packet(0.0, True, 4000, ("127.0.0.1", 5000), b"x" * 20)
    capture.close()
    assert str(capture.error) == "more than 200 bytes"
    assert payloads(path) == [b"x" * 20] * 2
