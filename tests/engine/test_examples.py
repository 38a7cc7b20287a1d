"""The examples do what their docstrings say, behind real phones."""

from __future__ import annotations

import asyncio
import sys
import wave
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from rapida_media.sip.message import Request

from .conftest import Bench
from .far_end import Callee, answer
from .rtp import Samples, speech
from .waiting import eventually

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for module in ("bridge_whisper", "ivr"):
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.fixture
async def callees() -> AsyncIterator[list[Callee]]:
    made = [await Callee.open() for _ in range(2)]
    yield made
    for callee in made:
        callee.close()


def save(bench: Bench, name: str, samples: Samples) -> str:
    with wave.open(str(bench.folder / name), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(samples.tobytes())
    return str(bench.folder / name)


async def pick_up(callee: Callee) -> Request:
    invite = await callee.request("INVITE")
    callee.rtp.remote = callee.audio_of(invite)
    callee.respond(invite, 200, body=callee.sdp())
    await callee.request("ACK")
    return invite


WHISPER = """
[assistants.desk]
agent = "python:bridge_whisper:agent"
answer = "agent"
parameters = {{ colleague = "{uri}", whisper = "{whisper}" }}
"""


async def test_a_whisper_is_heard_by_the_colleague_alone(
    bench: Bench, callees: list[Callee]
) -> None:
    colleague, whisper = callees[0], speech(0.6, 5)
    await bench.start(WHISPER.format(uri=colleague.uri, whisper=save(bench, "who.wav", whisper)))
    call = (await bench.phone()).invite("desk")
    await pick_up(colleague)
    await colleague.rtp.hears(whisper)
    assert call.provisional()[-1] == 180
    assert call.response is None
    await colleague.rtp.press(1)
    assert await call.final() == 200
    said = speech(0.8, 6)
    await asyncio.gather(call.rtp.say(said), colleague.rtp.say(speech(0.3)))
    await colleague.rtp.hears(said)
    await call.bye()
    colleague.respond(await colleague.request("BYE"), 200)
    await bench.idle()


async def test_a_colleague_may_turn_the_call_away(bench: Bench, callees: list[Callee]) -> None:
    colleague = callees[0]
    whisper = save(bench, "who.wav", speech(0.1))
    await bench.start(WHISPER.format(uri=colleague.uri, whisper=whisper))
    call = (await bench.phone()).invite("desk")
    await pick_up(colleague)
    await colleague.rtp.say(speech(0.1))
    await colleague.rtp.press(2)
    assert await call.final() == 486
    colleague.respond(await colleague.request("BYE"), 200)
    await bench.idle()


IVR = """
[assistants.menu]
agent = "python:ivr:agent"
[assistants.menu.parameters]
menu = "{menu}"
nobody = "{nobody}"
keys = {{ 1 = ["{first}", "{second}"] }}
"""


async def test_a_key_connects_and_a_busy_phone_is_passed_over(
    bench: Bench, callees: list[Callee]
) -> None:
    menu, nobody = speech(0.5, 7), speech(0.5, 8)
    await bench.start(
        IVR.format(
            menu=save(bench, "menu.wav", menu),
            nobody=save(bench, "nobody.wav", nobody),
            first=callees[0].uri,
            second=callees[1].uri,
        )
    )
    call = await (await bench.phone()).call("menu")
    await call.rtp.hears(menu)
    await call.rtp.press(1)
    for callee in callees:
        callee.respond(await callee.request("INVITE"), 486)
    await call.rtp.hears(nobody)
    await eventually(lambda: bench.engine.active_calls == 1)
    await call.rtp.press(1)
    callees[0].respond(await callees[0].request("INVITE", 2), 486)
    invite = await callees[1].request("INVITE", 2)
    callees[1].rtp.remote = callees[1].audio_of(invite)
    callees[1].respond(invite, 200, body=callees[1].sdp())
    await callees[1].request("ACK", 2)
    said = speech(0.8, 9)
    await asyncio.gather(callees[1].rtp.say(said), call.rtp.say(speech(0.3)))
    await call.rtp.hears(said)
    callees[1].ask(invite, "BYE", 1)
    answer(call, await call.hung_up())
    await bench.idle()
