"""The examples do what their docstrings say, behind real phones."""

from __future__ import annotations

import asyncio
import sys
import wave
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from missing import skip_or_fail

from rapida_media.sip.message import Request

from .conftest import Bench
from .far_end import Callee, answer
from .rtp import RATE_HZ, Samples, loudest_hz, share_heard, speech
from .waiting import eventually

EXAMPLES = Path(__file__).parent.parent.parent / "examples"


@pytest.fixture(autouse=True)
def examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    for module in ("barge_in", "bridge_whisper", "ivr", "pipecat_transport", "voicemail"):
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


async def test_sentences_come_back_and_are_interrupted(bench: Bench) -> None:
    await bench.start(agent="python:barge_in:agent")
    call = await (await bench.phone()).call()
    quiet, sentence = np.zeros(RATE_HZ, np.int16), speech(0.8, 3)
    await call.rtp.say(np.concatenate([quiet[: RATE_HZ // 4], sentence, quiet]))
    await eventually(lambda: np.abs(call.rtp.audio()[-160:]).max(initial=0) > 500)
    await call.rtp.say(speech(0.4, 4))
    await eventually(lambda: bench.logged("interrupted after"))
    assert share_heard(sentence[: RATE_HZ // 4], call.rtp.audio()) == 1.0
    assert await call.bye() == 200


BOX = """
[assistants.box]
agent = "python:voicemail:agent"
[assistants.box.parameters]
greeting = "{greeting}"
thanks = "{thanks}"
folder = "{folder}"
"""


async def test_a_message_is_left_after_the_tone(bench: Bench) -> None:
    greeting, thanks = speech(0.5, 7), speech(0.5, 8)
    greeting_path, thanks_path = save(bench, "g.wav", greeting), save(bench, "t.wav", thanks)
    folder = bench.folder / "messages"
    folder.mkdir()
    await bench.start(BOX.format(greeting=greeting_path, thanks=thanks_path, folder=folder))
    call = await (await bench.phone()).call("box")
    await call.rtp.hears(greeting)
    await eventually(lambda: loudest_hz(call.rtp.audio()[-800:]) == pytest.approx(1000, abs=15))
    await asyncio.sleep(0.3)
    said = speech(1.0, 9)
    await call.rtp.say(said)
    await call.rtp.press(11)
    await call.rtp.hears(thanks)
    await call.hung_up()
    (path,) = folder.iterdir()
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert share_heard(said, samples[0::2][::2]) >= 0.85
    assert not share_heard(greeting, samples[1::2][::2])


# pipecat imports audioop, which Python 3.13 has no more and a package of its own gives back.
@pytest.mark.filterwarnings("ignore:'audioop' is deprecated:DeprecationWarning")
async def test_a_pipecat_pipeline_talks_on_a_call(bench: Bench) -> None:
    if find_spec("pipecat") is None:
        skip_or_fail("pipecat-ai is not installed: its pipeline is not run on a call")
    await bench.start(agent="python:pipecat_transport:agent")
    call = await (await bench.phone()).call()
    await eventually(lambda: len(call.rtp.heard) > 10)
    said = speech(1.2, 5)
    await call.rtp.say(said)
    # Its own first word interrupts the bot once; what follows comes back whole.
    await call.rtp.hears(said[RATE_HZ // 4 :])
    assert await call.bye() == 200
    await bench.idle()
    await eventually(lambda: not bench.engine.figures()["agents_at_work"])
