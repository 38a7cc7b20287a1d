"""Connect a caller with a colleague who first hears, alone, whose call it is, and may say no.

    [assistants.desk]
    agent = "python:bridge_whisper:agent"
    answer = "agent"
    parameters = { colleague = "sip:anna@198.51.100.7", whisper = "a-customer.wav" }

The caller's phone rings until the colleague has pressed 1: only then is the call answered. Another
key, silence or hanging up refuse it.
"""

from __future__ import annotations

import asyncio

from rapida_media import Call, DialError, Digit

RING_SECONDS = 20
DECIDE_SECONDS = 10
NOBODY_THERE, NOT_NOW = 480, 486


async def agent(call: Call) -> None:
    await call.ring()
    try:
        colleague = await call.dial(call.parameters["colleague"], timeout=RING_SECONDS)
    except DialError:
        await refuse(call, NOBODY_THERE)
        return
    if await takes_the_call(colleague, call.parameters["whisper"]):
        await call.talk(colleague)
    else:
        await colleague.hang_up("turned_away")
        await refuse(call, NOT_NOW)


async def takes_the_call(colleague: Call, whisper: str) -> bool:
    """Whisper, and wait for the key: ring-back is all the caller hears of it."""
    await colleague.play_file(whisper)
    try:
        async with asyncio.timeout(DECIDE_SECONDS):
            async for event in colleague:
                if isinstance(event, Digit):
                    return event.digit == "1"
    except TimeoutError:
        pass
    return False


async def refuse(call: Call, status: int) -> None:
    if call.ended is None:  # the caller may have given up meanwhile
        await call.reject(status)
