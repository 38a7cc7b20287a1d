"""The agents that need no code: for trying a trunk, for tests and for the load bench."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rapida_media.agents.events import Audio, PlaybackMarked
from rapida_media.kernels import Tone
from rapida_media.media.frame import RATE_HZ

if TYPE_CHECKING:
    from rapida_media.call.call import Call

# A far end whose clock runs fast, or a burst after a stall, must not become a lasting delay.
ECHO_LIMIT_MS = 100
TONE_LEVEL_DBOV = -16


async def echo(call: Call) -> None:
    """Send back what arrives, at once."""
    async for event in call:
        if isinstance(event, Audio) and call.queued_ms < ECHO_LIMIT_MS:
            call.write(event.pcm)


async def silence(call: Call) -> None:
    """Listen and say nothing until the far end hangs up."""
    async for _ in call:
        pass


def play(pcm: bytes) -> Callable[[Call], Awaitable[None]]:
    """Play s16le mono 16 kHz audio once, then hang up."""

    async def agent(call: Call) -> None:
        call.write(pcm)

    return agent


def record(directory: Path) -> Callable[[Call], Awaitable[None]]:
    """Record both sides to ``directory/CALL-ID.wav`` until the far end hangs up."""

    async def agent(call: Call) -> None:
        call.record(directory / f"{call.id}.wav")
        await silence(call)

    return agent


def tone(hz: float) -> Callable[[Call], Awaitable[None]]:
    """Send a steady tone until the far end hangs up."""

    async def agent(call: Call) -> None:
        oscillator = Tone(hz, dbov=TONE_LEVEL_DBOV)

        def half_a_second() -> None:
            call.write(oscillator.read(RATE_HZ // 2))
            call.mark("half a second")

        half_a_second()
        half_a_second()
        async for event in call:
            if isinstance(event, PlaybackMarked) and event.played:
                half_a_second()

    return agent
