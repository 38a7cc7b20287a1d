"""The agents that need no code, each proven by what the far end hears or by what it leaves."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from rapida_media.kernels import Tone

from .conftest import Bench
from .rtp import RATE_HZ, Samples, loudest_hz, share_heard, speech
from .waiting import eventually


def write_wav(path: Path, samples: Samples, rate_hz: int = RATE_HZ) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(samples.astype("<i2").tobytes())


def read_stereo(path: Path) -> tuple[Samples, Samples, int]:
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return samples[0::2], samples[1::2], file.getframerate()


def halved(samples: Samples) -> Samples:
    """Take 16 kHz telephone-band samples to 8 kHz."""
    return samples[::2]


@pytest.mark.parametrize("hz", [440, 1000])
async def test_the_tone_agent_sends_its_tone_and_no_gap(bench: Bench, hz: int) -> None:
    await bench.start(agent=f"tone:{hz}")
    call = await (await bench.phone()).call()
    await eventually(lambda: len(call.rtp.heard) >= 70)  # longer than both half seconds
    heard = call.rtp.audio()[800:10_400]
    assert loudest_hz(heard) == pytest.approx(hz, abs=2)
    wanted = np.frombuffer(Tone(hz, -16, RATE_HZ).read(RATE_HZ), "<i2").astype(float)
    blocks = heard.reshape(-1, 160).astype(float)
    assert np.sqrt((blocks**2).mean(axis=1)).min() > 0.9 * wanted.std()
    assert await call.bye() == 200


async def test_the_play_agent_is_heard_to_its_end_and_then_hangs_up(bench: Bench) -> None:
    said = speech(1.0)
    write_wav(bench.folder / "hello.wav", np.append(said, np.zeros(80, np.int16)))
    await bench.start(agent="play:hello.wav")
    call = await (await bench.phone()).call()
    await call.hung_up()
    assert share_heard(said, call.rtp.audio()) == 1.0
    assert bench.logged("ended: agent_finished")


async def test_the_silence_agent_sends_nothing_but_silence_and_stays(bench: Bench) -> None:
    await bench.start(agent="silence")
    call = await (await bench.phone()).call()
    await call.rtp.say(speech(0.5))
    await eventually(lambda: len(call.rtp.heard) >= 25)
    assert not call.rtp.audio().any()
    assert not call.requests("BYE")
    assert await call.bye() == 200


async def test_the_record_agent_leaves_what_the_far_end_said_on_the_left(bench: Bench) -> None:
    await bench.start(
        f'[store]\nrecordings = "{bench.folder}/calls"\n',
        agent="record",
    )
    said = speech(1.0)
    call = await (await bench.phone()).call()
    await call.rtp.say(said)
    assert await call.bye() == 200
    (path,) = (bench.folder / "calls").iterdir()
    left, right, rate_hz = read_stereo(path)
    assert rate_hz == 16_000
    assert share_heard(said[:-800], halved(left)) >= 0.85
    assert not right.any()


async def test_an_unknown_agent_is_named_at_the_start_and_no_socket_stays_open(
    bench: Bench,
) -> None:
    with pytest.raises(Exception, match="there is no agent 'parrot'"):
        await bench.start(agent="parrot")
