"""Agents on a telephone in virtual time: what a test of theirs can say, and what makes it fail."""

from __future__ import annotations

import asyncio
import time
import wave
from pathlib import Path

import pytest

import rapida_media
from rapida_media import Audio, Call, DialError, Digit, HangUp, Hold, SpeechStarted
from rapida_media.media.wav import read_wav
from rapida_media.testing import Conditions, agent_under_test

SPEECH = Path(rapida_media.__file__).parent / "demo" / "speech.wav"
WORDS = read_wav(SPEECH)[: 2 * 16_000 * 3]
OTHER_WORDS = read_wav(SPEECH)[2 * 16_000 * 3 :]


async def echo(call: Call) -> None:
    async for event in call:
        if isinstance(event, Audio):
            call.write(event.pcm)


async def silent(call: Call) -> None:
    async for _ in call:
        pass


async def test_a_minute_of_a_call_takes_no_minute():
    loop, began = asyncio.get_running_loop(), time.monotonic()
    async with agent_under_test(echo) as line:
        virtual = loop.time()
        line.say(WORDS)
        await line.hears(WORDS)
        await line.wait(57)
        assert loop.time() - virtual > 60
    # It takes a third of a second where nothing else runs.
    assert time.monotonic() - began < 6
    assert abs(loop.time() - time.monotonic()) < 0.1


async def test_what_an_agent_waits_for_is_virtual_time():
    async def agent(call: Call) -> None:
        await asyncio.sleep(60)
        try:
            async with asyncio.timeout(30):
                async for _ in call:
                    pass
        except TimeoutError:
            call.write(WORDS)

    async with agent_under_test(agent) as line:
        await line.hears(WORDS, within=95)
        assert (await line.is_hung_up()).reason == "agent_finished"


async def test_the_clock_waits_for_what_runs_in_a_thread():
    async def agent(call: Call) -> None:
        await asyncio.to_thread(time.sleep, 0.05)
        call.write(WORDS)

    async with agent_under_test(agent) as line:
        await line.wait(0.2)
        assert line.call.queued_ms


async def test_a_sound_is_heard_once_for_each_time_it_is_played(tmp_path):
    path = tmp_path / "words.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(WORDS)

    async def agent(call: Call) -> None:
        await call.play_file(path)
        await asyncio.sleep(1)
        await call.play_file(path)
        await asyncio.sleep(1)

    async with agent_under_test(agent) as line:
        await line.hears(path)
        await line.hears(path)
        with pytest.raises(AssertionError, match=r"ended \(agent_finished\) before the sound"):
            await line.hears(path)


async def test_other_words_are_not_taken_for_those_expected():
    async def agent(call: Call) -> None:
        call.write(OTHER_WORDS)
        await silent(call)

    async with agent_under_test(agent) as line:
        with pytest.raises(AssertionError, match="not heard within 3 s"):
            await line.hears(WORDS, within=3)
        await line.hears(OTHER_WORDS, within=0.5)


async def test_silence_can_be_expected():
    async def agent(call: Call) -> None:
        await asyncio.sleep(3)
        call.write(WORDS)

    async with agent_under_test(agent) as line:
        await line.hears_nothing(2.5)
        with pytest.raises(AssertionError, match="expected silence, heard"):
            await line.hears_nothing(2)


async def test_keys_pass_both_ways():
    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, Digit):
                await call.send_digits(event.digit * 2)

    async with agent_under_test(agent) as line:
        line.press("1#")
        await line.wait(2)
        assert line.keys == "11##"


async def test_the_call_knows_what_the_test_says():
    async def agent(call: Call) -> None:
        assert call.parameters["plan"] == "gold"
        assert call.headers["X-Queue"] == "7"
        assert (call.caller, call.called) == ("+15550123", "+15550100")

    async with agent_under_test(
        agent, parameters={"plan": "gold"}, headers={"X-Queue": "7"}, caller="+15550123"
    ) as line:
        assert await line.is_hung_up() == HangUp("agent_finished")


async def test_what_an_agent_raises_fails_its_test():
    async def agent(call: Call) -> None:
        raise ValueError("a mistake of the agent's author")

    with pytest.raises(ValueError, match="agent's author"):
        async with agent_under_test(agent) as line:
            assert (await line.is_hung_up()).reason == "agent_error"


async def test_an_agent_that_does_not_end_after_its_call_fails_its_test():
    async def agent(call: Call) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="did not end within ten seconds"):
        async with agent_under_test(agent):
            pass


async def test_the_caller_hangs_up_and_the_agent_has_its_grace():
    stored: list[HangUp] = []

    async def agent(call: Call) -> None:
        async for event in call:
            if isinstance(event, HangUp):
                await asyncio.sleep(9)
                stored.append(event)

    async with agent_under_test(agent) as line:
        await line.wait(1)
        line.hang_up()
    assert [each.reason for each in stored] == ["bye"]


async def test_an_agent_decides_whether_to_answer():
    async def agent(call: Call) -> None:
        await call.ring()
        await asyncio.sleep(2)
        if call.caller == "+15550111":
            await call.answer()
            await silent(call)
        else:
            await call.reject(486)

    async with agent_under_test(agent, answer="agent") as line:
        await line.wait(1)
        assert line.status == 180
        await line.wait(2)
        assert (line.status, line.call.answered) == (200, True)
    async with agent_under_test(agent, answer="agent", caller="+1555") as line:
        assert (await line.is_hung_up()).code == 486
        assert line.status == 486


async def test_early_media_is_heard_before_the_answer_that_never_comes():
    async def agent(call: Call) -> None:
        await call.progress()
        call.write(WORDS)
        await call.drain()
        await call.redirect("sip:elsewhere@host")

    async with agent_under_test(agent, answer="agent") as line:
        await line.wait(1)
        assert (line.status, line.call.answered) == (183, False)
        await line.hears(WORDS)
        assert (await line.is_hung_up()).reason == "redirected"
    assert (line.status, line.sent_to) == (302, "sip:elsewhere@host")


async def test_a_call_with_an_agent_of_its_own_outlives_the_one_that_dialled_it():
    async def own(call: Call) -> None:
        await asyncio.sleep(3)
        call.write(WORDS)

    async def agent(call: Call) -> None:
        other = await call.dial("+15550199", trunk="carrier")
        other.hand_over(own)

    async with agent_under_test(agent, phones={"+15550199": 200}) as line:
        other = await line.dials("+15550199")
        assert (await line.is_hung_up()).reason == "agent_finished"
        await other.hears(WORDS)
        assert (await other.is_hung_up()).reason == "agent_finished"


async def test_a_caller_may_give_up_while_it_rings():
    async def agent(call: Call) -> None:
        await call.ring()
        assert not await call.settled()

    async with agent_under_test(agent, answer="agent") as line:
        await line.wait(1)
        line.hang_up()
    assert line.call.ended == HangUp("canceled", 487, None, None, "caller", False)


async def test_somebody_else_is_dialled_and_connected():
    async def agent(call: Call) -> None:
        for target in ("sip:nobody@host", "sip:busy@host", "sip:asleep@host"):
            try:
                await call.dial(target, timeout=20)
            except DialError as error:
                tried.append(error.status)
        await call.talk(await call.dial("sip:anna@host"))

    tried: list[int] = []
    phones = {"sip:busy@host": 486, "sip:asleep@host": None, "sip:anna@host": 200}
    async with agent_under_test(agent, phones=phones) as line:
        anna = await line.dials("sip:anna@host", within=30)
        assert tried == [404, 486, 408]
        line.say(WORDS)
        await anna.hears(WORDS)
        anna.say(OTHER_WORDS)
        await line.hears(OTHER_WORDS)
        anna.press("5")
        await line.wait(0.5)
        assert line.keys == "5"
        anna.hang_up()
        assert (await line.is_hung_up()).reason == "bridge_ended"


async def test_a_transfer_ends_the_call_where_somebody_takes_it():
    async def agent(call: Call) -> None:
        outcomes.append((await call.transfer("sip:busy@host")).status)
        outcomes.append((await call.transfer("sip:anna@host")).status)

    outcomes: list[int] = []
    phones = {"sip:busy@host": 486, "sip:anna@host": 200}
    async with agent_under_test(agent, phones=phones) as line:
        assert (await line.is_hung_up()).reason == "transferred"
    assert outcomes == [486, 200]
    assert line.sent_to == "sip:anna@host"


async def test_hold_is_told_both_ways():
    events: list[object] = []

    async def agent(call: Call) -> None:
        assert await call.hold()
        async for event in call:
            if not isinstance(event, Audio):
                events.append(event)

    async with agent_under_test(agent) as line:
        await line.wait(1)
        assert line.is_held
        line.hold()
        await line.wait(1)
        line.resume()
        await line.wait(1)
        assert events == [Hold(True), Hold(False)]


async def test_a_bad_network_is_the_same_for_the_same_seed():
    async def heard(seed: int) -> bytes:
        async def agent(call: Call) -> None:
            call.write(WORDS)

        network = Conditions(loss=0.2, delay=0.05, jitter=0.03)
        async with agent_under_test(agent, network=network, seed=seed) as line:
            await line.is_hung_up()
            return line.heard

    first = await heard(1)
    assert await heard(1) == first
    assert await heard(2) != first


async def test_barge_in_is_heard_by_the_caller():
    async def agent(call: Call) -> None:
        call.detect_speech()
        call.write(WORDS)
        async for event in call:
            if isinstance(event, SpeechStarted):
                heard_ms.append(await call.clear())

    heard_ms: list[int] = []
    async with agent_under_test(agent) as line:
        await line.wait(1)
        line.say(OTHER_WORDS)
        await line.wait(0.5)
        await line.hears_nothing(2)
    assert len(heard_ms) == 1
    assert 1000 < heard_ms[0] < 1400


async def test_a_fault_of_the_engine_fails_the_test_and_does_not_hang_it(monkeypatch):
    def broken(self):
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(Call, "look", broken)
    with pytest.raises(ZeroDivisionError, match="of ours"):
        async with agent_under_test(silent) as line:
            await line.wait(3600)
    began = time.monotonic()
    await asyncio.sleep(0.01)  # the clock is the real one again
    assert time.monotonic() - began < 5
