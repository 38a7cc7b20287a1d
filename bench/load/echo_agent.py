"""The agent of the load test: says back what it hears, through the 16 kHz bus, in Python."""

from __future__ import annotations

from rapida_media import Audio, Call


async def agent(call: Call) -> None:
    """Write every frame of the far end back to it."""
    async for event in call:
        if isinstance(event, Audio):
            call.write(event.pcm)
