"""Say back whole sentences, and stop at once when the caller speaks.

    rapida-media serve --agent python:barge_in:agent

What a voice bot does around its model: hear a sentence to its end, answer, and when the answer is
interrupted, stop it and know how much of it was heard.
"""

from __future__ import annotations

import logging
from collections import deque

from rapida_media import Audio, Call, SpeechEnded, SpeechStarted

log = logging.getLogger(__name__)

# A beginning is told a little after it: the frames before it belong to the sentence.
BEFORE_FRAMES = 10
LONGEST_FRAMES = 50 * 30


async def agent(call: Call) -> None:
    call.detect_speech()
    frames: deque[bytes] = deque(maxlen=BEFORE_FRAMES)
    async for event in call:
        match event:
            case Audio(pcm=pcm):
                frames.append(pcm)
            case SpeechStarted():
                if call.queued_ms:
                    heard_ms = await call.clear()
                    log.info("interrupted after %d ms", heard_ms, extra={"call_id": call.id})
                frames = deque(frames, maxlen=LONGEST_FRAMES)
            case SpeechEnded():
                call.write(b"".join(frames))
                frames = deque(maxlen=BEFORE_FRAMES)
