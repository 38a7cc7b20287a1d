"""Two calls joined: audio, keys and hold pass, and what ends it; over RTP legs in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from call_line import TICK_S, Line

from rapida_media import Audio, Call, DialError, Digit, Hold, Ringing, Transferred
from rapida_media.call.endings import Ending
from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import Tone
from rapida_media.media.frame import RATE_HZ
from rapida_media.sdp.codec import Codec
from rapida_media.testing.phone import PCMU

PCMA = Codec("PCMA", 8000, 1, 8)


def speech(milliseconds: int, hz: float = 1010.0) -> bytes:
    return Tone(hz, dbov=-12).read(16 * milliseconds)


def loud_ms_of(samples: npt.NDArray[np.int16]) -> float:
    return float(np.count_nonzero(np.abs(samples) > 500)) / 15.5  # 97 % of a loud sine


def loud_ms(line: Line) -> float:
    samples = np.frombuffer(b"".join(line.heard), "<i2")
    return loud_ms_of(samples)


def pitch(line: Line) -> float:
    samples = np.frombuffer(b"".join(line.heard), "<i2")
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum)) * RATE_HZ / len(samples)


def speak_alaw(line: Line) -> None:
    for leg in (line.near, line.far):
        assert leg.negotiated is not None
        leg.configure(replace(leg.negotiated, send=PCMA, receive=(PCMU, PCMA)))


class Two:
    """Two lines on one clock; the first is called, the second was dialled."""

    def __init__(self) -> None:
        self.one, self.other = Line(), Line()
        for line in (self.one, self.other):
            line.call.confirm(early_agent=True)

    async def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            await self.one.run(TICK_S)
            await self.other.run(TICK_S)

    def bridge(self, *, listen: bool = False) -> asyncio.Task[Call | None]:
        return asyncio.create_task(self.one.call.bridge(self.other.call, listen=listen))


@pytest.fixture
async def two() -> Two:
    return Two()


@pytest.fixture(params=["passed through", "transcoded"])
async def either(request: pytest.FixtureRequest) -> Two:
    made = Two()
    if request.param == "transcoded":
        speak_alaw(made.other)
    return made


async def test_each_far_end_hears_the_other(either: Two) -> None:
    joined = either.bridge()
    await either.run(0.1)
    either.one.far.write(speech(500, 700))
    either.other.far.write(speech(500, 1300))
    await either.run(0.8)
    assert loud_ms(either.one) == pytest.approx(500, abs=25)
    assert loud_ms(either.other) == pytest.approx(500, abs=25)
    assert (pitch(either.one), pitch(either.other)) == pytest.approx((1300, 700), abs=5)
    assert not joined.done()
    joined.cancel()


async def test_the_same_codec_passes_through_and_another_does_not(two: Two) -> None:
    joined = two.bridge()
    await two.run(0.02)
    assert two.one.call.bridged is not None
    assert two.one.call.bridged.passes_through
    joined.cancel()
    await two.one.settle()
    assert two.one.call.bridged is None
    speak_alaw(two.other)
    joined = two.bridge()
    await two.run(0.02)
    assert two.one.call.bridged is not None
    assert not two.one.call.bridged.passes_through
    joined.cancel()


async def test_a_far_end_that_changes_its_codec_is_still_heard(two: Two) -> None:
    joined = two.bridge()
    await two.run(0.2)
    two.one.far.write(speech(200))
    await two.run(0.3)
    speak_alaw(two.one)
    two.one.far.write(speech(400))
    await two.run(0.6)
    assert loud_ms(two.other) == pytest.approx(600, abs=45)
    joined.cancel()


async def test_the_agent_hears_nothing_meanwhile_unless_it_listens(two: Two) -> None:
    for listen in (False, True):
        joined = two.bridge(listen=listen)
        await two.run(0.1)
        two.one.far.write(speech(200))
        await two.run(0.4)
        frames = [e for e in two.one.call._events._items if isinstance(e, Audio)]
        assert bool(frames) is listen
        assert loud_ms(two.other) == pytest.approx(200, abs=25)
        two.other.heard.clear()
        joined.cancel()
        await two.one.settle()


async def test_who_hangs_up_ends_the_bridge_and_is_named(two: Two) -> None:
    joined = two.bridge()
    await two.run(0.1)
    two.other.call.end(Ending("bye"))
    assert await joined is two.other.call
    assert two.one.call.bridged is None
    two.one.far.write(speech(100))
    await two.run(0.2)
    assert any(isinstance(e, Audio) for e in two.one.call._events._items)


async def test_parted_calls_go_on_with_their_agent(two: Two) -> None:
    joined = two.bridge()
    await two.run(0.1)
    await two.other.call.unbridge()
    assert await joined is None
    two.one.call.write(speech(100))
    await two.run(0.2)
    assert loud_ms(two.one) == pytest.approx(100, abs=25)
    assert not two.one.near.stream.relaying


async def test_an_agent_that_stops_waiting_parts_the_calls(two: Two) -> None:
    joined = two.bridge()
    await two.run(0.1)
    joined.cancel()
    await asyncio.gather(joined, return_exceptions=True)
    assert two.one.call.bridged is two.other.call.bridged is None


async def test_talking_ends_the_other_call_with_the_reason_of_the_first(two: Two) -> None:
    talk = asyncio.create_task(two.one.call.talk(two.other.call))
    await two.run(0.1)
    two.one.call.end(Ending("bye"), cause="Q.850;cause=31")
    await talk
    assert two.other.signals.asked == [("hang_up", ("bridge_ended", "Q.850;cause=31"))]


async def test_keys_reach_the_other_far_end_once_and_the_agent_too(either: Two) -> None:
    joined = either.bridge()
    keys: list[str] = []
    either.other.far.connect(lambda digit, ms: keys.append(digit), lambda mark, played: None)
    await either.run(0.1)
    either.one.far.send_digits("7#!")
    await either.run(1.2)
    assert keys == ["7", "#", "flash"]
    told = [e.digit for e in either.one.call._events._items if isinstance(e, Digit)]
    assert told == ["7", "#", "flash"]
    joined.cancel()


async def test_keys_go_by_info_where_the_media_takes_none(two: Two) -> None:
    assert two.other.near.negotiated is not None
    two.other.near.configure(replace(two.other.near.negotiated, send_event=None))
    joined = two.bridge()
    await two.run(0.1)
    two.one.far.send_digits("5")
    await two.run(0.5)
    assert ("send_digits", "5") in two.other.signals.asked
    joined.cancel()


async def test_a_flash_is_lost_where_only_info_takes_keys(two: Two) -> None:
    assert two.other.near.negotiated is not None
    two.other.near.configure(replace(two.other.near.negotiated, send_event=None))
    joined = two.bridge()
    await two.run(0.1)
    two.one.far.send_digits("!5")
    await two.run(0.8)
    assert [asked for asked in two.other.signals.asked if asked[0] == "send_digits"] == [
        ("send_digits", "5")
    ]
    joined.cancel()


async def test_hold_is_passed_on_and_taken_back(two: Two) -> None:
    joined = two.bridge()
    await two.run(0.05)
    two.one.call.hold_changed(True)
    two.one.call.hold_changed(False)
    assert two.other.signals.asked == [("hold", True), ("hold", False)]
    assert [e for e in two.one.call._events._items if isinstance(e, Hold)]
    joined.cancel()


async def test_who_is_on_hold_when_the_calls_are_joined_has_the_other_one_held(two: Two) -> None:
    two.one.call.hold_changed(True)
    joined = two.bridge()
    await two.run(0.05)
    assert two.other.signals.asked == [("hold", True)]
    joined.cancel()


@pytest.mark.parametrize("parting", ["hangs up", "unbridged", "canceled"])
async def test_whom_the_other_one_held_is_taken_back_when_they_part(two: Two, parting: str) -> None:
    joined = two.bridge()
    await two.run(0.05)
    two.one.call.hold_changed(True)
    if parting == "hangs up":
        two.one.call.end(Ending("bye"))
    elif parting == "unbridged":
        await two.one.call.unbridge()
    else:
        joined.cancel()
    await asyncio.gather(joined, return_exceptions=True)
    assert two.other.signals.asked == [("hold", True), ("hold", False)]
    assert two.one.signals.asked == []


async def test_whom_the_other_one_held_is_only_hung_up_where_the_call_is_over(two: Two) -> None:
    talk = asyncio.create_task(two.one.call.talk(two.other.call))
    await two.run(0.05)
    two.one.call.hold_changed(True)
    two.one.call.end(Ending("bye"))
    await talk
    assert two.other.signals.asked == [("hold", True), ("hang_up", "bridge_ended")]


async def test_a_call_that_cannot_be_held_is_none_of_the_far_ends_business(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(held: bool, done: object) -> None:
        raise LocalProtocolError("a call over this provider cannot be held")

    monkeypatch.setattr(two.other.signals, "hold", cannot)
    joined = two.bridge()
    await two.run(0.05)
    two.one.call.hold_changed(True)  # out of the receive path of its re-INVITE
    two.one.call.hold_changed(False)
    assert [e.held for e in two.one.call._events._items if isinstance(e, Hold)] == [True, False]
    joined.cancel()


async def test_an_announcement_is_heard_in_place_of_the_other_party(either: Two) -> None:
    joined = either.bridge()
    await either.run(0.1)
    either.one.far.write(speech(1000, 700))
    either.other.call.write(speech(400, 1300))
    await either.run(0.4)
    assert pitch(either.other) == pytest.approx(1300, abs=10)
    either.other.heard.clear()
    await either.run(0.4)
    assert pitch(either.other) == pytest.approx(700, abs=10)
    assert either.other.near.queued_ms <= 100
    joined.cancel()


async def test_a_recording_has_both_parties(either: Two, tmp_path) -> None:
    either.one.call.record(tmp_path / "call.wav")
    joined = either.bridge()
    await either.run(0.1)
    either.one.far.write(speech(400, 700))
    either.other.far.write(speech(400, 1300))
    await either.run(0.7)
    joined.cancel()
    either.one.call.end(Ending("bye"))
    raw = np.frombuffer((tmp_path / "call.wav").read_bytes()[44:], "<i2")
    for channel, hz in ((raw[0::2], 700), (raw[1::2], 1300)):
        spectrum = np.abs(np.fft.rfft(channel))
        assert float(np.argmax(spectrum)) * RATE_HZ / len(channel) == pytest.approx(hz, abs=10)
        assert loud_ms_of(channel) == pytest.approx(400, abs=25)


async def test_a_stall_of_one_side_is_no_lasting_delay(two: Two) -> None:
    speak_alaw(two.other)
    joined = two.bridge()
    await two.run(0.1)
    for _ in range(5):
        two.one.far.write(speech(300))
        for _ in range(40):  # 200 ms arrive at once
            two.one.now += TICK_S
            two.one.near.pump(two.one.now)
        await two.run(0.5)
    assert two.other.near.queued_ms <= 20
    joined.cancel()


@pytest.mark.parametrize("wrong", ["itself", "ended", "bridged", "no call"])
async def test_a_call_that_cannot_be_bridged_is_refused_and_left_alone(
    two: Two, wrong: str
) -> None:
    other = two.one.call if wrong == "itself" else two.other.call
    joined = None
    if wrong == "ended":
        other.end(Ending("bye"))
    elif wrong == "bridged":
        third = Line()
        third.call.confirm(early_agent=True)
        joined = asyncio.create_task(other.bridge(third.call))
        await two.one.settle()
    before = other.bridged
    with pytest.raises(LocalProtocolError, match="cannot bridge"):
        await two.one.call.bridge("sip:bob@192.0.2.9" if wrong == "no call" else other)
    assert other.bridged is before
    if joined is not None:
        joined.cancel()


async def test_a_caller_that_waits_is_answered_by_the_bridge() -> None:
    waiting, line = Line(), Line()
    line.call.confirm(early_agent=True)
    joined = asyncio.create_task(waiting.call.bridge(line.call))
    await line.settle()
    assert waiting.signals.asked == [("answer", None)]
    joined.cancel()


# -- dialling --------------------------------------------------------------------------------------


class Dialling:
    """A call whose agent dials, and the second leg that the test answers or refuses."""

    def __init__(self, *, answered: bool = True) -> None:
        self.two = Two()
        self.line, self.leg = self.two.one, self.two.other
        if not answered:
            self.line.call.answered = False

    async def start(self, **options: object) -> asyncio.Task:
        dialling = asyncio.create_task(self.line.call.dial("sip:bob@192.0.2.9", **options))
        await self.line.settle()
        return dialling

    def ringing(self, status: int, *, early: bool = False) -> None:
        event = Ringing("sip:bob@192.0.2.9", status, early)
        self.line.signals.ringing(self.leg.call, event)

    @property
    def asked(self) -> list[str]:
        return [verb for verb, _ in self.line.signals.asked if verb != "dial"]


async def test_an_announcement_before_the_answer_holds_nobody() -> None:
    scene = Dialling()
    scene.leg.call.answered = False
    dialling = await scene.start(ring_back=True)
    scene.leg.call.hold_changed(True)  # 183 with a=sendonly
    scene.ringing(183, early=True)
    scene.leg.call.hold_changed(False)
    scene.leg.call.hold_changed(True)
    assert scene.asked == []
    dialling.cancel()


async def test_a_caller_that_is_being_answered_is_not_told_that_it_rings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def rings() -> None:
        raise LocalProtocolError("ring after accept")

    scene = Dialling(answered=False)
    monkeypatch.setattr(scene.line.signals, "ring", rings)  # its 200 waits for a PRACK
    dialling = await scene.start(ring_back=True)
    scene.ringing(180)  # out of the receive path of the second leg
    scene.line.signals.dialled.set_result(scene.leg.call)
    assert await dialling is scene.leg.call


async def test_dialling_gives_the_second_call_and_tells_that_it_rings() -> None:
    scene = Dialling()
    dialling = await scene.start(trunk="carrier", timeout=5, caller_id="+1555")
    order = scene.line.signals.asked[0][1]
    assert (order.uri, order.trunk, order.timeout_s, order.caller_id) == (
        *("sip:bob@192.0.2.9", "carrier"), 5, "+1555",
    )  # fmt: skip
    scene.ringing(180)
    scene.line.signals.dialled.set_result(scene.leg.call)
    assert await dialling is scene.leg.call
    assert Ringing("sip:bob@192.0.2.9", 180, False) in scene.line.call._events._items
    await scene.two.run(0.1)
    assert loud_ms(scene.line) == 0


async def test_a_refusal_is_an_exception_with_its_status() -> None:
    scene = Dialling()
    dialling = await scene.start()
    scene.line.signals.dialled.set_exception(DialError(486, "Busy Here", 30))
    with pytest.raises(DialError) as raised:
        await dialling
    assert (raised.value.status, raised.value.reason) == (486, "Busy Here")
    assert raised.value.retry_after_s == 30


async def test_an_answered_caller_hears_ring_back_until_the_answer() -> None:
    scene = Dialling()
    dialling = await scene.start(ring_back=True)
    scene.ringing(180)
    await scene.two.run(7.0)
    assert loud_ms(scene.line) == pytest.approx(2000, abs=80)  # one second in five
    assert pitch(scene.line) == pytest.approx(425, abs=5)
    assert scene.line.near.queued_ms < 10_000
    scene.line.signals.dialled.set_result(scene.leg.call)
    await dialling
    scene.line.heard.clear()
    await scene.two.run(6.0)
    assert loud_ms(scene.line) == 0


async def test_early_media_of_the_callee_takes_the_place_of_the_tone() -> None:
    scene = Dialling()
    dialling = await scene.start(ring_back=True)
    scene.ringing(180)
    await scene.two.run(0.2)
    scene.line.heard.clear()
    scene.ringing(183, early=True)
    scene.leg.far.write(speech(500, 1300))
    await scene.two.run(0.7)
    assert pitch(scene.line) == pytest.approx(1300, abs=10)
    scene.line.signals.dialled.set_exception(DialError(404, "Not Found"))
    with pytest.raises(DialError):
        await dialling
    assert scene.line.call.bridged is None


async def test_an_unanswered_caller_gets_180_and_then_183() -> None:
    scene = Dialling(answered=False)
    await scene.start(ring_back=True)
    for status, early in ((180, False), (180, False), (183, True), (183, True)):
        scene.ringing(status, early=early)
    assert scene.asked == ["ring", "progress"]
    scene.line.signals.dialled.set_exception(DialError(486, "Busy Here"))
    await scene.line.settle()


# -- transfer by a second leg ----------------------------------------------------------------------


async def test_targets_are_called_in_order_until_one_answers() -> None:
    scene = Dialling()
    targets = ["sip:a@192.0.2.9", "sip:b@192.0.2.9", "sip:c@192.0.2.9"]
    transfer = asyncio.create_task(
        scene.line.call.transfer(targets, mode="bridge", ring_seconds=7.0)
    )
    await scene.line.settle()
    scene.line.signals.dialled.set_exception(DialError(486, "Busy Here"))
    await scene.line.settle()
    scene.line.signals.dialled.set_result(scene.leg.call)
    await scene.two.run(0.1)
    orders = [what for verb, what in scene.line.signals.asked if verb == "dial"]
    assert [(o.uri, o.timeout_s) for o in orders] == [(uri, 7.0) for uri in targets[:2]]
    assert Transferred("sip:b@192.0.2.9") in scene.line.call._events._items
    assert scene.line.call.bridged is not None
    scene.leg.call.end(Ending("bye"))
    outcome = await transfer
    assert (outcome.succeeded, outcome.party) == (True, "sip:b@192.0.2.9")
    assert [(each.uri, each.status) for each in outcome.tried] == [
        ("sip:a@192.0.2.9", 486),
        ("sip:b@192.0.2.9", 200),
    ]
    assert scene.line.signals.asked[-1] == ("hang_up", "bridge_ended")


async def test_the_agent_has_its_call_back_when_nobody_answers() -> None:
    scene = Dialling()
    transfer = asyncio.create_task(scene.line.call.transfer("sip:a@192.0.2.9", mode="bridge"))
    await scene.line.settle()
    scene.ringing(180)
    await scene.two.run(0.3)
    scene.line.signals.dialled.set_exception(DialError(408, "Request Timeout"))
    outcome = await transfer
    assert (outcome.status, outcome.succeeded, outcome.party) == (408, False, None)
    scene.line.heard.clear()
    scene.line.call.write(speech(300))
    scene.line.far.write(speech(300))
    await scene.two.run(0.5)
    assert loud_ms(scene.line) == pytest.approx(300, abs=25)
    assert any(isinstance(e, Audio) for e in scene.line.call._events._items)


async def test_a_caller_that_hangs_up_ends_the_hunt() -> None:
    scene = Dialling()
    transfer = asyncio.create_task(scene.line.call.transfer(["sip:a@b", "sip:c@d"], mode="bridge"))
    await scene.line.settle()
    scene.line.call.end(Ending("bye"))
    scene.line.signals.dialled.set_exception(DialError(487, "Request Terminated"))
    outcome = await transfer
    assert outcome.status == 487
    assert scene.asked == []


@pytest.mark.parametrize(
    ("target", "options"),
    [
        ([], {"mode": "bridge"}),
        (["sip:a@b"], {}),
        ("call", {"mode": "bridge"}),
        ("sip:a@b", {"mode": "blind"}),
        ([7], {"mode": "bridge"}),
        ("sip:a@b", {"mode": "bridge", "ring_seconds": "20"}),
    ],
)
async def test_a_transfer_that_makes_no_sense_is_refused(target, options) -> None:
    scene = Dialling()
    whom = scene.leg.call if target == "call" else target
    with pytest.raises(LocalProtocolError):
        await scene.line.call.transfer(whom, **options)
    assert scene.line.signals.asked == []
