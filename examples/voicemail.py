"""A voicemail box: greeting, tone, and a message until # is pressed or the caller falls silent.

    [assistants.box]
    agent = "python:voicemail:agent"
    [assistants.box.parameters]
    greeting = "leave-a-message.wav"
    thanks = "thank-you.wav"
    folder = "messages"

Each message is a file named after its call, left the caller, right what it was played. A caller who
says nothing leaves none.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from rapida_media import Call, Digit, PlaybackMarked, SpeechEnded, SpeechStarted
from rapida_media.kernels import Tone
from rapida_media.media.wav import read_wav

SPEAK_SECONDS = 8  # to begin in
MESSAGE_SECONDS = 120
PAUSE_MS = 3000  # a message is over after such a pause
TONE = Tone(1000, dbov=-20).read(16_000 // 4)


async def agent(call: Call) -> None:
    call.write(read_wav(call.parameters["greeting"]) + TONE)
    call.mark("tone")
    if not await until_the_tone(call):
        return
    path = Path(call.parameters["folder"]) / f"{call.id}.wav"
    message = call.record(path)
    spoke = await listen(call)
    message.close()
    await call.recorded()
    if not spoke:
        path.unlink()
    elif call.ended is None:
        await call.play_file(call.parameters["thanks"])


async def until_the_tone(call: Call) -> bool:
    """Let the caller hear the greeting; False when it hung up during it."""
    async for event in call:
        if isinstance(event, PlaybackMarked):
            return event.played
    return False


async def listen(call: Call) -> bool:
    """Wait for the end of the message; False when there is none."""
    call.detect_speech(hangover_ms=PAUSE_MS)
    spoke = False
    try:
        async with asyncio.timeout(SPEAK_SECONDS) as limit:
            async for event in call:
                match event:
                    case SpeechStarted():
                        spoke = True
                        limit.reschedule(asyncio.get_running_loop().time() + MESSAGE_SECONDS)
                    case SpeechEnded() | Digit(digit="#"):
                        break
    except TimeoutError:
        pass
    return spoke
