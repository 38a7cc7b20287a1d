"""Speech events on a real call: from packets of a phone, and from their absence."""

from __future__ import annotations

import numpy as np

from rapida_media import Call, SpeechEnded, SpeechStarted

from .conftest import AgentNamer, Bench
from .rtp import RATE_HZ, speech
from .waiting import eventually


async def test_an_agent_is_told_of_speech_also_when_nothing_is_sent_after_it(
    bench: Bench, agent_named: AgentNamer
) -> None:
    events: list[SpeechStarted | SpeechEnded] = []

    async def agent(call: Call) -> None:
        call.detect_speech()
        async for event in call:
            if isinstance(event, SpeechStarted | SpeechEnded):
                events.append(event)

    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    await call.rtp.say(np.append(np.zeros(RATE_HZ // 4, np.int16), speech(0.6)))
    assert [type(event) for event in events] == [SpeechStarted]
    await eventually(lambda: len(events) == 2)
    assert isinstance(events[1], SpeechEnded)
    assert 500 <= events[1].duration_ms <= 640
    assert await call.bye() == 200
