"""A menu: press a key, be connected; when nobody answers there, be asked again.

    [assistants.menu]
    agent = "python:ivr:agent"
    [assistants.menu.parameters]
    menu = "press-1-for-sales-2-for-support.wav"
    nobody = "nobody-is-there-now.wav"
    keys = { 1 = ["sip:sales@198.51.100.7"], 2 = ["sip:anna@198.51.100.7", "sip:ben@198.51.100.7"] }

The menu stops when a key is pressed. Each key has its phones, which ring one after the other while
the caller hears ring-back.
"""

from __future__ import annotations

import asyncio

from rapida_media import Call, Digit

TIMES = 3  # the menu is played
CHOOSE_SECONDS = 20  # from the beginning of the menu
RING_SECONDS = 15


async def agent(call: Call) -> None:
    keys = call.parameters["keys"]
    for _ in range(TIMES):
        key = await choose(call, call.parameters["menu"])
        if key not in keys:
            continue
        outcome = await call.transfer(keys[key], mode="bridge", ring_seconds=RING_SECONDS)
        if outcome.succeeded or call.ended is not None:
            return
        await call.play_file(call.parameters["nobody"])


async def choose(call: Call, menu: str) -> str | None:
    """Play the menu and wait for a key; None when none came, or the caller hung up."""
    playing = asyncio.create_task(call.play_file(menu))
    try:
        async with asyncio.timeout(CHOOSE_SECONDS):
            async for event in call:
                if isinstance(event, Digit):
                    return event.digit
    except TimeoutError:
        pass
    finally:
        await call.clear()  # nobody listens to a menu after choosing
        await playing
    return None
