"""The conformance kit's checks of media streams, through a virtual line."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from rapida_media.agents.events import Audio
from rapida_media.kernels import Tone, level_dbov
from rapida_media.legs.stream_audio import to_bus
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.providers.stream import (
    AudioReceived,
    MarkReached,
    Started,
    Stopped,
    StreamMessage,
)
from rapida_media.testing.provider_case import ProviderCase, new_stream, started_stream

TICK_S = 0.005
GARBAGE_MESSAGES = 2000


class Line:
    """A stream leg in virtual time, with the provider's messages in a list."""

    def __init__(self, case: ProviderCase) -> None:
        self.case = case
        self.sent: list[StreamMessage] = []
        self.started: list[Started] = []
        self.stopped: list[Stopped] = []
        self.heard: list[Audio] = []
        self.digits: list[str] = []
        self.marks: list[tuple[int, bool]] = []
        self.now = 100.0
        self.protocol = new_stream(case)
        self.leg = StreamLeg(case.spec, self.protocol, self, self)
        self.leg.connect(
            lambda digit, _: self.digits.append(digit),
            lambda mark_id, played: self.marks.append((mark_id, played)),
        )
        self.leg.received.subscribe(self.heard.append)
        for message in case.start:
            self.leg.receive(message, self.now)

    def send(self, message: StreamMessage, *, audio: bool = False) -> None:
        self.sent.append(message)

    def drop_audio(self) -> None:
        """Nothing waits here."""

    def stream_started(self, event: Started) -> None:
        self.started.append(event)

    def stream_stopped(self, event: Stopped) -> None:
        self.stopped.append(event)

    def run(self, seconds: float) -> None:
        """Let time pass, and let the platform answer what it is sent."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            before = len(self.sent)
            self.leg.tick(self.now)
            for message in self.sent[before:]:
                answer = self.case.loop_back(message)
                if answer is not None:
                    self.leg.receive(answer, self.now)


def check_a_stream_starts_and_stops(case: ProviderCase) -> None:
    line = Line(case)
    assert len(line.started) == 1, f"expected one Started, got {line.started}"
    if case.stop is not None:
        line.leg.receive(case.stop, line.now)
        assert len(line.stopped) == 1, f"expected one Stopped, got {line.stopped}"


def check_audio_and_keys_arrive(case: ProviderCase) -> None:
    line = Line(case)
    for _ in range(5):
        line.leg.receive(case.audio, line.now)
    assert line.leg.packets_received == 5, "audio was not understood"
    if case.digit is not None:
        line.leg.receive(case.digit[0], line.now)
        assert line.digits == [case.digit[1]], f"expected a key, got {line.digits}"


def check_nonsense_of_the_stream_is_harmless(case: ProviderCase) -> None:
    protocol, random = new_stream(case), Random(11)  # noqa: S311 — repeatable
    for message in _nonsense(case, random):
        for event in protocol.receive(message):
            assert event is not None, "an event is one of providers.stream"


def check_a_tone_crosses_both_ways(case: ProviderCase) -> None:
    line = Line(case)
    tone = Tone(1000.0, dbov=-16.0).read(16_000)
    line.leg.write(tone)
    line.run(1.6)
    heard = b"".join(frame.pcm for frame in line.heard)
    loud = heard[: len(tone)]
    assert len(heard) >= len(tone) - 1280, f"{len(heard)} of {len(tone)} bytes came back"
    level = level_dbov(loud[3200:-3200])
    assert -18 <= level <= -14, f"a tone at -16 dBov came back at {level} dBov"
    crossings = sum((loud[at + 1] ^ loud[at + 3]) >> 7 for at in range(3200, len(loud) - 3204, 2))
    hertz = crossings / 2 / ((len(loud) - 6404) / 32_000)
    assert 990 <= hertz <= 1010, f"a tone of 1000 Hz came back with {hertz:.0f} Hz"


def check_audio_is_sent_a_bounded_time_ahead(case: ProviderCase) -> None:
    line = Line(case)
    line.leg.write(bytes(16_000 * 2 * 5))
    line.run(1.0)
    convert = to_bus(line.protocol.sends)
    sent_s = 0.0
    for message in line.sent:
        answer = case.loop_back(message)
        for event in line.protocol.receive(answer) if answer is not None else ():
            if isinstance(event, AudioReceived):
                sent_s += len(convert(event.payload)) / 32_000
    bound = 1.0 + max(case.spec.lead_ms, line.protocol.chunk_ms) / 1000 + 0.05
    assert sent_s <= bound, f"{sent_s:.2f} s were sent in 1 s"


def check_marks_come_true(case: ProviderCase) -> None:
    protocol = started_stream(case)
    message = protocol.mark("m1")
    if message is None:
        assert case.mark_echo is None, "the protocol has no mark, and the case an echo"
        return
    assert case.mark_echo is not None, "the case says nothing of the platform's answer to a mark"
    answer = case.mark_echo(message)
    assert answer is not None, "the platform does not answer this mark"
    assert list(protocol.receive(answer)) == [MarkReached("m1")], "the answer names another mark"


def check_speech_can_be_cut_off(case: ProviderCase) -> None:
    line = Line(case)
    line.leg.write(Tone(440.0).read(32_000))
    line.leg.mark(1)
    line.run(0.5)
    heard_ms = line.leg.clear()
    bound = max(case.spec.lead_ms, line.protocol.chunk_ms) + 40
    assert 440 <= heard_ms <= 500 + bound, f"after 500 ms, {heard_ms} ms were heard"
    sent = len(line.sent)
    line.run(0.5)
    if not case.spec.continuous:
        assert len(line.sent) == sent, "it went on speaking"
    assert line.marks == [(1, False)], f"the mark was told {line.marks}"


MEDIA_CHECKS: tuple[Callable[[ProviderCase], None], ...] = (
    check_a_stream_starts_and_stops,
    check_audio_and_keys_arrive,
    check_nonsense_of_the_stream_is_harmless,
    check_a_tone_crosses_both_ways,
    check_audio_is_sent_a_bounded_time_ahead,
    check_marks_come_true,
    check_speech_can_be_cut_off,
)


def _nonsense(case: ProviderCase, random: Random) -> list[StreamMessage]:
    """Recorded messages cut and bent, JSON of the wrong kinds, and noise."""
    messages: list[StreamMessage] = ["", b"", "{}", "[]", "null", "1", '"x"', "[" * 10_000, "\x00"]
    recorded = [*case.start, case.audio, *([case.stop] if case.stop is not None else [])]
    while len(messages) < GARBAGE_MESSAGES:
        victim = random.choice(recorded)
        at, upto = sorted(random.randrange(len(victim) + 1) for _ in range(2))
        if isinstance(victim, bytes):
            messages.append(victim[:at] + random.randbytes(upto - at) + victim[upto:])
        else:
            noise = "".join(random.choice('{}[]":,0aé\\ ') for _ in range(random.randrange(4)))
            messages.append(victim[:at] + noise + victim[upto:])
        messages.append(random.randbytes(random.randrange(700)))
    return messages
