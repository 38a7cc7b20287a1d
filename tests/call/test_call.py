"""What an agent can do on a call and what it is told, over a real RTP leg in virtual time."""

import asyncio
import wave
from array import array
from dataclasses import replace

import numpy as np
import pytest

from rapida_media import (
    Answered,
    Audio,
    Digit,
    HangUp,
    Hold,
    Message,
    PlaybackMarked,
    TransferOutcome,
    Transferred,
)
from rapida_media.call.endings import Ending
from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import Tone


def speech(milliseconds: int) -> bytes:
    return Tone(1000.0, dbov=-12).read(16 * milliseconds)


def loud_ms(frames: list[bytes]) -> float:
    samples = np.frombuffer(b"".join(frames), "<i2")
    return (
        np.count_nonzero(np.abs(samples) > 1000) / len(samples) * len(samples) / 16
        if len(samples)
        else 0
    )


async def collect(call, events):
    async for event in call:
        events.append(event)


async def test_audio_arrives_as_twenty_millisecond_frames_with_positions_and_levels(line):
    events = []
    task = asyncio.create_task(collect(line.call, events))
    line.far.write(speech(200))
    await line.run(0.3)
    line.call.end(Ending("bye"))
    await task
    audio = [event for event in events if isinstance(event, Audio)]
    assert [event.pts for event in audio] == list(range(0, 320 * len(audio), 320))
    assert {len(event.pcm) for event in audio} == {640}
    assert audio[5].level_dbov in range(-16, -10)
    assert not any(event.concealed for event in audio)
    assert events[-1] == HangUp("bye", None)


async def test_whatever_holds_samples_can_be_written_and_nothing_else(line):
    pcm = speech(20)
    samples = np.frombuffer(pcm, "<i2")
    for each in (pcm, bytearray(pcm), memoryview(pcm), samples, array("h", samples.tolist())):
        assert line.call.write(each) == 320
    for wrong in ("text", None, 640, [1, 2], samples.astype(np.float32), pcm[1:]):
        with pytest.raises(LocalProtocolError, match="expected"):
            line.call.write(wrong)
    assert line.call.queued_ms == 100


async def test_the_events_end_after_the_hang_up(line):
    line.call.end(Ending("bye", 200))
    assert [event async for event in line.call] == [HangUp("bye", 200)]
    assert [event async for event in line.call] == []


async def test_what_is_written_at_once_is_heard_at_the_pace_of_speech(line):
    assert line.call.write(speech(1000)) == 16_000
    await line.run(0.5)
    assert 450 <= len(line.heard) * 20 <= 520
    assert 480 <= line.call.queued_ms <= 540


async def test_drain_returns_when_everything_was_played(line):
    line.call.write(speech(100))
    draining = asyncio.create_task(line.call.drain())
    await line.run(0.06)
    assert not draining.done()
    await line.run(0.08)
    assert draining.done()
    assert draining.result() is True


async def test_clear_tells_what_was_heard_and_drops_the_rest(line):
    line.call.write(speech(2000))
    mark = line.call.mark("end of sentence")
    await line.run(0.4)
    played_ms = await line.call.clear()
    assert abs(played_ms - 400) <= 20
    frames_before = len(line.heard)
    await line.run(0.2)
    assert await mark is False
    # The frame on its way when the queue was cleared, and the resampler's tail, may still sound.
    assert loud_ms(line.heard[frames_before:]) <= 25


async def test_a_mark_resolves_when_the_audio_before_it_was_played(line):
    events = []
    task = asyncio.create_task(collect(line.call, events))
    line.call.write(speech(100))
    mark = line.call.mark("hello")
    line.call.write(speech(100))
    await line.run(0.07)
    assert not mark.done()
    await line.run(0.06)
    assert mark.result() is True
    assert PlaybackMarked("hello", True) in events
    task.cancel()


async def test_digits_arrive_once_with_their_duration(line):
    events = []
    task = asyncio.create_task(collect(line.call, events))
    line.far.send_digits("1#")
    await line.run(0.6)
    digits = [event for event in events if isinstance(event, Digit)]
    assert [event.digit for event in digits] == ["1", "#"]
    assert all(80 <= event.duration_ms <= 120 for event in digits)
    task.cancel()


async def test_send_digits_returns_when_they_were_sent(line):
    sending = asyncio.create_task(line.call.send_digits("42"))
    await line.run(0.1)
    assert not sending.done()
    await line.run(0.4)
    assert sending.result() is True


async def test_keys_go_by_signalling_where_the_far_end_takes_none_in_its_media(line):
    line.call.leg.configure(replace(line.near.negotiated, send_event=None))
    line.call.write(speech(100))
    sending = asyncio.create_task(line.call.send_digits("42"))
    await line.run(0.06)
    assert line.signals.asked == []  # behind the audio
    await line.run(0.1)
    assert line.signals.asked == [("send_digits", "42")]
    assert not sending.done()
    line.signals.done(True)
    assert await sending is True
    line.call.end(Ending("bye"))
    assert await line.call.send_digits("1") is False


async def test_keys_that_reach_the_far_end_in_no_way_are_an_error_at_once(line):
    line.call.leg.configure(replace(line.near.negotiated, send_event=None))
    line.signals.takes_digits = False
    line.call.write(speech(1000))
    with pytest.raises(LocalProtocolError, match="neither in its media nor by signalling"):
        await line.call.send_digits("1")
    assert line.signals.asked == []


async def test_a_call_that_ends_before_the_keys_are_sent_sends_none(line):
    line.call.leg.configure(replace(line.near.negotiated, send_event=None))
    line.call.write(speech(1000))
    sending = asyncio.create_task(line.call.send_digits("42"))
    await line.run(0.06)
    line.call.end(Ending("bye"))
    assert await sending is False
    assert line.signals.asked == []


async def test_a_text_is_an_event(line):
    line.call.message_received("hello")
    assert await anext(line.call) == Message("hello")


async def test_a_letter_that_is_no_key_is_refused_before_anything_is_sent(line):
    with pytest.raises(LocalProtocolError, match="'x'"):
        await line.call.send_digits("1x")
    with pytest.raises(LocalProtocolError, match="keys as a text, got int"):
        await line.call.send_digits(1)
    assert line.call.queued_ms == 0


async def test_the_end_of_the_call_releases_everyone_who_waits(line):
    line.call.write(speech(5000))
    draining = asyncio.create_task(line.call.drain())
    playing = line.call.mark("goodbye")
    await line.run(0.1)
    line.call.end(Ending("bye"))
    await line.settle()
    assert draining.result() is False
    assert await playing is False
    assert line.call.write(speech(20)) == 0
    assert await line.call.drain() is False


async def test_ending_twice_keeps_the_first_reason(line):
    line.call.end(Ending("bye", 200))
    line.call.end(Ending("media_timeout"))
    assert line.call.ended == HangUp("bye", 200)


async def test_an_agent_that_does_not_read_loses_the_oldest_audio_and_it_is_counted(line):
    await line.run(11.0)
    stats = line.call.stats()
    dropped = stats["events_dropped"]
    assert stats["events_waiting"] == 500
    assert 40 <= dropped <= 60
    first = await anext(line.call)
    assert first.pts == dropped * 320


async def test_hold_is_an_event(line):
    line.call.hold_changed(True)
    assert await anext(line.call) == Hold(True)


async def test_an_agent_that_begins_with_the_answer_is_told_that_the_call_is_held(line):
    line.call.hold_changed(True)  # by the offer, or by the callee's answer
    line.call.confirm(early_agent=False)
    line.call.hold_changed(False)
    assert await anext(line.call) == Hold(True)
    assert await anext(line.call) == Hold(False)


async def test_verbs_reach_the_signalling_only_in_the_right_state(line):
    call = line.call
    await call.ring()
    await call.progress()
    answering = asyncio.create_task(call.answer())
    await line.settle()
    call.confirm(early_agent=True)
    assert await answering is True
    with pytest.raises(LocalProtocolError, match="already answered"):
        await call.reject(486)
    await call.hang_up("done")
    assert line.signals.asked == [
        ("ring", None),
        ("progress", None),
        ("answer", None),
        ("hang_up", "done"),
    ]
    call.end(Ending("done"))
    with pytest.raises(LocalProtocolError, match="400 to 699"):
        await call.reject(200)


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("reject", {"status": 486.5}),
        ("reject", {"status": "486"}),
        ("reject", {"status": 302}),
        ("reject", {"cause": "a\r\nContact: <sip:x@192.0.2.9>"}),
        ("reject", {"cause": 17}),
        ("reject", {"retry_after_s": "soon"}),
        ("reject", {"retry_after_s": -1}),
        ("redirect", {"uri": "carol"}),
        ("redirect", {"uri": "sip:carol@192.0.2.4>\r\nX: y"}),
        ("redirect", {"uri": 7}),
        ("hang_up", {"reason": ""}),
        ("hang_up", {"reason": "two\nlines"}),
        ("hang_up", {"reason": "x" * 257}),
        ("hang_up", {"reason": None}),
        ("hang_up", {"cause": "a\nb"}),
    ],
)
async def test_what_cannot_be_said_to_a_caller_is_refused_and_changes_nothing(
    line, verb, arguments
):
    with pytest.raises(LocalProtocolError, match=r"expected|400 to 699"):
        await getattr(line.call, verb)(**arguments)
    assert line.signals.asked == []
    await line.call.redirect("tel:+15550100")
    assert line.signals.asked == [("redirect", "tel:+15550100")]


async def test_a_transfer_gives_what_became_of_it(line):
    call = line.call
    with pytest.raises(LocalProtocolError, match="not answered"):
        await call.transfer("sip:carol@192.0.2.4")
    call.confirm(early_agent=True)
    transferring = asyncio.create_task(call.transfer("sip:carol@192.0.2.4"))
    await line.settle()
    line.signals.done(TransferOutcome(486, "Busy Here"))
    outcome = await transferring
    assert (outcome, outcome.succeeded) == (TransferOutcome(486, "Busy Here"), False)
    transferring = asyncio.create_task(call.transfer(call))
    await line.settle()
    assert line.signals.asked[-1] == ("transfer", line.signals)  # another call, by its signalling
    call.end(Ending("bye"))
    assert not (await transferring).succeeded


async def test_a_new_party_is_an_event(line):
    line.call.transferred("sip:carol@192.0.2.4")
    assert await anext(line.call) == Transferred("sip:carol@192.0.2.4")


@pytest.mark.parametrize("early_agent", [True, False])
async def test_only_an_agent_that_was_there_before_hears_what_came_before(line, early_agent):
    line.far.write(speech(100))
    await line.run(0.2)
    line.call.confirm(early_agent=early_agent)
    line.call.end(Ending("bye"))
    events = [type(event) async for event in line.call]
    assert (Audio in events, Answered in events) == (early_agent, early_agent)
    assert events[-1] is HangUp
    assert line.call.stats()["events_dropped"] == 0


async def test_hold_and_resume_tell_whether_the_far_end_agreed(line):
    call = line.call
    with pytest.raises(LocalProtocolError, match="not answered"):
        await call.hold()
    call.confirm(early_agent=True)
    holding = asyncio.create_task(call.hold())
    await line.settle()
    line.signals.done(True)
    assert await holding is True
    resuming = asyncio.create_task(call.resume())
    await line.settle()
    line.signals.done(False)
    line.signals.done(True)  # told once too often
    assert await resuming is False
    assert line.signals.asked == [("hold", True), ("hold", False)]
    holding = asyncio.create_task(call.hold())
    await line.settle()
    call.end(Ending("bye"))
    assert await holding is False


async def test_an_agent_that_no_longer_waits_for_a_verb_leaves_the_call_as_it_is(line):
    call = line.call
    call.confirm(early_agent=False)
    call.write(speech(200))
    waiting = [
        asyncio.ensure_future(each)
        for each in (
            call.drain(),
            call.mark("here"),
            call.send_digits("1"),
            call.hold(),
            call.transfer("sip:carol@192.0.2.4"),
            anext(call),
        )
    ]
    await line.settle()
    for each in waiting:
        each.cancel()
    await line.settle()
    assert all(each.cancelled() for each in waiting)
    line.signals.done(TransferOutcome(486, "Busy Here"))
    await line.run(0.5)
    assert call.queued_ms == 0
    events = []
    task = asyncio.create_task(collect(call, events))
    call.end(Ending("bye"))
    await task
    assert PlaybackMarked("here", True) in events
    assert events[-1] == HangUp("bye")


async def test_answer_returns_false_when_the_caller_gave_up(line):
    answering = asyncio.create_task(line.call.answer())
    await line.settle()
    line.call.end(Ending("canceled", 487))
    assert await answering is False


@pytest.mark.parametrize("answered", [True, False])
async def test_on_a_call_that_is_over_a_verb_does_nothing(line, answered):
    call = line.call
    if answered:
        call.confirm(early_agent=True)
    call.end(Ending("bye"))
    await call.ring()
    await call.progress()
    await call.reject(486)
    await call.redirect("sip:carol@192.0.2.4")
    assert [await call.answer(), await call.hold(), await call.resume()] == [False] * 3
    assert (await call.transfer("sip:carol@192.0.2.4")).status == 487
    await call.hang_up()
    assert line.signals.asked == []


async def test_a_recording_holds_both_sides_where_they_were_heard(line, tmp_path):
    path = tmp_path / "call.wav"
    await line.run(0.2)
    line.call.record(path)
    with pytest.raises(LocalProtocolError, match="already"):
        line.call.record(tmp_path / "other.wav")
    await line.run(0.5)
    line.far.write(speech(300))
    await line.run(0.5)
    line.call.write(speech(300))
    await line.run(0.5)
    line.call.end(Ending("bye"))
    with wave.open(str(path), "rb") as source:
        assert (source.getnchannels(), source.getframerate()) == (2, 16_000)
        samples = np.frombuffer(source.readframes(source.getnframes()), "<i2")
    assert abs(len(samples) / 2 / 16_000 - 1.5) < 0.05
    for channel, start_s in ((samples[0::2], 0.5), (samples[1::2], 1.0)):
        loud = np.flatnonzero(np.abs(channel.astype(int)) > 1000) / 16_000
        assert abs(loud[0] - start_s) < 0.03
        assert abs(loud[-1] - start_s - 0.3) < 0.03
