"""An agent that blocks the event loop for two seconds: what the other callers hear of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .phone import Phone
from .rtp import PACKET_SAMPLES, RATE_HZ, speech
from .serving import serving
from .waiting import eventually

BLOCKED_S = 2.0
BLOCKER = f"""
import time

from rapida_media import Digit

async def agent(call):
    async for event in call:
        if isinstance(event, Digit):
            time.sleep({BLOCKED_S})
"""
CONFIG = """
[sip]
listen = ["udp:127.0.0.1:0"]
[rtp]
ports = "30000-32766"
[assistants.blocker]
agent = "python:blocker:agent"
"""


async def test_other_calls_fall_silent_catch_up_and_go_on(tmp_path: Path) -> None:
    (tmp_path / "blocker.py").write_text(BLOCKER)
    async with serving(tmp_path, CONFIG) as server:
        phone = await Phone.open(server.address())
        echo, blocker = await phone.call("echo"), await phone.call("blocker")
        await echo.rtp.say(speech(0.2))
        await blocker.rtp.press(1)
        await eventually(lambda: blocker.rtp.heard)
        silent = await eventually(lambda: longest_gap(echo.rtp.heard) > 1.5 and echo.rtp)
        await eventually(lambda: len(silent.heard) > 150)
        arrivals = [packet.at for packet in silent.heard]
        gap = int(np.argmax(np.diff(arrivals)))
        before, after = silent.heard[gap], silent.heard[gap + 1]
        # Ten packets catch up at once; those before them are given up, in time but not in number.
        assert (after.sequence_number - before.sequence_number) % 2**16 == 1
        skipped_s = ((after.timestamp - before.timestamp) % 2**32) / RATE_HZ
        assert BLOCKED_S - 0.6 < skipped_s < BLOCKED_S + 1.0
        assert arrivals[gap + 10] - arrivals[gap + 1] < 0.1
        # Whose agent it was hears the same.
        assert longest_gap(blocker.rtp.heard) > 1.5
        assert blocker.rtp.heard[-1].at > arrivals[gap + 10]
        steps = np.diff([packet.timestamp for packet in silent.heard[gap + 1 :]]) % 2**32
        assert set(steps) == {PACKET_SAMPLES}

        silent.heard.clear()
        said = speech(0.8, 2)
        await silent.say(said)
        await silent.hears(said)
        assert await echo.bye() == 200
        assert await blocker.bye() == 200
        await phone.close()
    assert server.logged("ended: bye")


def longest_gap(heard: list) -> float:
    return max(np.diff([packet.at for packet in heard]), default=0.0)
