"""The playout towards a provider, in virtual time against a model of the provider's queue."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.legs.stream_playout import StreamPlayout
from rapida_media.media.bus import Bus
from rapida_media.media.frame import FRAME_BYTES, RATE_HZ

TICK_S = 0.005
LEAD_MS = 200


def ms(count: float) -> bytes:
    """Audio that is not silence."""
    return b"\x01\x02" * round(count * RATE_HZ / 1000)


class Platform:
    """Plays what it is sent in real time, as providers do, and keeps what was heard."""

    def __init__(self, *, marks: bool = True, clears: bool = True) -> None:
        self.now = 0.0
        self.queue: list[bytes | str] = []
        self.heard = b""
        self.asked: list[str] = []
        self.confirmed: list[str] = []
        self.longest_lead_ms = 0.0
        self.chunks: list[int] = []
        self._marks, self._clears = marks, clears

    def send_audio(self, pcm: bytes) -> None:
        self.queue.append(pcm)
        self.chunks.append(len(pcm) // FRAME_BYTES * 20)
        held = sum(len(each) for each in self.queue if isinstance(each, bytes))
        self.longest_lead_ms = max(self.longest_lead_ms, held / 2 / RATE_HZ * 1000)

    def send_mark(self, name: str) -> bool:
        if self._marks:
            self.asked.append(name)
            self.queue.append(name)
        return self._marks

    def send_clear(self) -> bool:
        if self._clears:
            # As the vendors do: marks that were dropped come back, too.
            self.confirmed += [each for each in self.queue if isinstance(each, str)]
            self.queue.clear()
        return self._clears

    def play(self, seconds: float) -> None:
        due = round(seconds * RATE_HZ) * 2
        while self.queue and (due or isinstance(self.queue[0], str)):
            first = self.queue.pop(0)
            if isinstance(first, str):
                self.confirmed.append(first)
                continue
            self.heard += first[:due]
            if first[due:]:
                self.queue.insert(0, first[due:])
            due -= len(first[:due])


class Line:
    """A playout, its platform and their time."""

    def __init__(
        self,
        *,
        chunk_ms: int = 20,
        lead_ms: int = LEAD_MS,
        continuous: bool = False,
        marks: bool = True,
        clears: bool = True,
    ) -> None:
        self.platform = Platform(marks=marks, clears=clears)
        self.reached: list[tuple[int, bool]] = []
        self.sent = Bus()
        self.playout = StreamPlayout(
            self.platform,
            self.sent,
            lead_ms=lead_ms,
            chunk_ms=lambda: chunk_ms,
            continuous=continuous,
        )
        self.playout.reached = lambda mark_id, played: self.reached.append((mark_id, played))
        self.now = 0.0
        self.playout.start(self.now)

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            self.platform.play(TICK_S)
            self.confirm()
            self.playout.tick(self.now)

    def confirm(self) -> None:
        while self.platform.confirmed:
            self.playout.mark_reached(self.platform.confirmed.pop(0), self.now)


def test_what_is_written_at_once_is_sent_a_bounded_time_ahead() -> None:
    line = Line()
    line.playout.write(ms(3000))
    line.run(1.0)
    assert line.platform.longest_lead_ms <= LEAD_MS
    assert abs(len(line.platform.heard) - len(ms(1000))) <= FRAME_BYTES
    line.run(3.0)
    assert line.platform.heard == ms(3000)


def test_the_first_chunk_leaves_with_the_next_tick() -> None:
    line = Line()
    line.run(1.0)
    line.playout.write(ms(20))
    line.run(TICK_S)
    assert line.platform.chunks == [20]


def test_chunks_have_the_providers_size_and_only_the_end_is_shorter() -> None:
    line = Line(chunk_ms=100, lead_ms=1000)
    line.playout.write(ms(333))
    line.run(2.0)
    assert line.platform.chunks == [100, 100, 100, 40]
    assert line.platform.heard == ms(333) + bytes(len(ms(7)))


def test_audio_written_in_odd_pieces_is_not_padded_in_between() -> None:
    line = Line()
    for _ in range(40):
        line.playout.write(ms(25.125))
        line.run(0.025)
    line.run(1.0)
    assert line.platform.heard.rstrip(b"\0") == ms(25.125) * 40


def test_a_mark_comes_true_when_the_provider_confirms_it() -> None:
    line = Line()
    line.playout.write(ms(500))
    line.playout.mark(7)
    line.run(0.45)
    assert line.reached == []
    line.run(0.1)
    assert line.reached == [(7, True)]
    assert line.playout.unconfirmed == 0


def test_without_confirmations_the_play_clock_tells() -> None:
    line = Line(marks=False)
    line.playout.write(ms(500))
    line.playout.mark(7)
    line.run(0.45)
    assert line.reached == []
    line.run(0.1)
    assert line.reached == [(7, True)]


def test_a_confirmation_that_never_comes_does_not_hold_up_a_goodbye_for_ever() -> None:
    line = Line()
    line.playout.write(ms(100))
    line.playout.mark(1)
    line.run(0.02)
    line.platform.queue = [each for each in line.platform.queue if isinstance(each, bytes)]
    line.platform.send_mark = lambda name: True  # type: ignore[method-assign]
    line.run(3.0)
    assert line.reached == [(1, True)]
    assert line.playout.unconfirmed == 1


def test_a_mark_behind_nothing_is_reached_at_once() -> None:
    line = Line()
    line.run(0.1)
    line.playout.mark(1)
    line.run(TICK_S)
    assert line.reached == [(1, True)]
    assert line.platform.queue == []


@given(st.integers(0, 3000))
def test_clear_tells_what_was_heard_and_silences_the_provider(after_ms: int) -> None:
    line = Line()
    line.playout.write(ms(2000))
    line.playout.mark(1)
    line.run(after_ms / 1000)
    expected_ms = len(line.platform.heard) / 2 / RATE_HZ * 1000
    heard_ms = line.playout.clear()
    line.confirm()
    assert abs(heard_ms - expected_ms) <= 20
    before = line.platform.heard
    line.run(0.5)
    assert line.platform.heard == before
    assert line.reached == [(1, after_ms >= 2015)] or 1985 < after_ms < 2015


def test_a_late_confirmation_of_what_was_cleared_is_ignored() -> None:
    line = Line()
    line.playout.write(ms(100))
    line.playout.mark(1)
    line.run(0.05)
    line.playout.clear()
    assert line.reached == [(1, False)]
    line.playout.write(ms(100))
    line.playout.mark(2)
    line.playout.mark_reached("m1", line.now)
    assert line.reached == [(1, False)]
    assert line.playout.unknown_marks == 1


def test_the_second_utterance_is_counted_from_its_own_beginning() -> None:
    line = Line()
    line.playout.write(ms(400))
    line.run(1.0)
    line.playout.write(ms(1000))
    line.run(0.3)
    assert abs(line.playout.clear() - 300) <= 20


def test_a_provider_that_cannot_clear_has_heard_all_it_was_sent() -> None:
    line = Line(clears=False)
    line.playout.write(ms(2000))
    line.run(0.5)
    heard_ms = line.playout.clear()
    line.run(1.0)
    assert heard_ms == len(line.platform.heard) / 2 / RATE_HZ * 1000


def test_a_continuous_stream_never_pauses_and_holds_little() -> None:
    line = Line(continuous=True, lead_ms=40, marks=False, clears=False)
    line.run(1.0)
    line.playout.write(ms(200))
    line.run(0.1)
    assert abs(line.playout.clear() - 120) <= 20
    line.run(0.4)
    assert line.platform.longest_lead_ms <= 40
    assert abs(sum(line.platform.chunks) - 1500) <= 60


def test_a_paused_provider_is_sent_nothing() -> None:
    line = Line()
    line.playout.paused = True
    line.playout.write(ms(100))
    line.run(0.5)
    assert line.platform.chunks == []
    line.playout.paused = False
    line.run(0.5)
    assert line.platform.heard == ms(100)


def test_ten_minutes_are_taken_and_no_more() -> None:
    line = Line()
    minute = ms(60_000)
    assert sum(line.playout.write(minute) for _ in range(11)) == 600 * RATE_HZ
    assert line.playout.dropped_samples == 60 * RATE_HZ


def test_what_was_heard_is_published_when_it_was_heard() -> None:
    line = Line()
    frames: list[tuple[float, int]] = []
    line.sent.subscribe(lambda frame: frames.append((line.now, frame.pts)))
    line.run(0.1)
    line.playout.write(ms(300))
    line.run(0.15)
    line.playout.clear()
    line.run(0.5)
    assert 6 <= len(frames) <= 8
    assert all(abs(at - pts / RATE_HZ) <= 2 * TICK_S for at, pts in frames)


def test_a_provider_whose_clock_is_slow_keeps_a_bounded_queue_when_it_confirms() -> None:
    line = Line()
    for mark in range(300):
        line.playout.write(ms(100))
        line.playout.mark(mark)
        for _ in range(20):
            line.now += TICK_S
            line.platform.play(TICK_S * 0.98)  # 2 % slow, a hundred times worse than real ones
            line.confirm()
            line.playout.tick(line.now)
    assert line.platform.longest_lead_ms <= LEAD_MS + 40


def test_a_long_speech_is_measured_by_marks_of_our_own() -> None:
    line = Line()
    line.playout.write(ms(25_000))
    line.run(9.9)
    assert line.platform.asked == []
    line.run(15.0)
    assert len(line.platform.asked) == 2
    assert line.reached == []
    assert line.playout.unknown_marks == 0


def test_a_measuring_mark_that_was_cleared_away_changes_nothing() -> None:
    line = Line()
    line.playout.write(ms(12_000))
    line.run(10.05)
    assert line.playout.clear() == pytest.approx(10_050, abs=6)
    line.playout.mark_reached(line.platform.confirmed[0], line.now)
    assert line.playout.unknown_marks == 1
    assert line.playout.lead_s == 0.0


def test_a_platform_without_marks_is_not_asked() -> None:
    line = Line(marks=False)
    line.playout.write(ms(25_000))
    line.run(25.0)
    assert line.platform.asked == []
    assert line.platform.heard[: len(ms(24_000))] == ms(24_000)
