"""What the configuration has done on a call before its agent speaks: recording and greeting."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rapida_media.agents.base import Agent
    from rapida_media.call.call import Call


def with_prologue(agent: Agent, greeting: bytes | None, recordings: Path | None) -> Agent:
    """Give an agent that records to ``recordings/CALL-ID.wav`` and plays ``greeting`` first.

    greeting: s16le mono 16 kHz, the same bytes for every call.
    The agent starts at once: what it writes follows the greeting, and it may cut it short.
    """
    if greeting is None and recordings is None:
        return agent

    async def prologue(call: Call) -> None:
        if recordings is not None:
            call.record(recordings / f"{call.id}.wav")
        if greeting is not None:
            call.write(greeting)
        await agent(call)

    return prologue
