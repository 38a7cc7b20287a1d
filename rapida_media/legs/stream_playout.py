"""What is said to a provider: cut into its chunks, sent a bounded time ahead, and its play clock.

The provider plays what it holds in real time and tells little about it, so its queue is modelled:

    written ──────► sent ──────────► heard
      queue (ours)    │ lead (theirs) │
                      └── play_end: when the provider will have played all it has

Every chunk moves play_end by its length, from now on if the provider had run dry. A mark that the
provider confirms corrects the model; while it is spoken without a break, a mark of ours asks for
that every ten seconds, as no two clocks run alike. So ``clear`` can tell what was heard, and a mark
comes true when it was heard, not when it was sent. Used by ``StreamLeg`` only; time comes in with
``tick``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from rapida_media.media.bus import Bus
from rapida_media.media.frame import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, RATE_HZ, Audio

LIMIT_MS = 600_000
FRAME_S = FRAME_MS / 1000
# The end of an utterance that fills no chunk leaves when nothing followed for so long and the
# provider is about to run dry: padded in the middle of a word it would be heard.
QUIET_S = 0.06
# How long after its time a confirmation is waited for before the play clock is believed.
CONFIRMATION_S = 2.0
# A clock that is 200 ppm off is 2 ms off by then.
PROBE_S = 10.0
# Ticks come in steps; a frame that is due within this is sent now.
SLACK_S = 0.0005


class Output(Protocol):
    """Who carries what the playout decides to send."""

    def send_audio(self, pcm: bytes) -> None:
        """Send whole bus frames."""
        ...

    def send_mark(self, name: str) -> bool:
        """Ask for a confirmation; False where the provider gives none."""
        ...

    def send_clear(self) -> bool:
        """Have the provider drop what it holds; False where it cannot."""
        ...


@dataclass(slots=True)
class _Mark:
    mark_id: int
    position: int  # samples sent before it, padding included
    heard_at: float  # by the play clock
    confirmed: bool  # by the provider, which has a while to do so

    @property
    def due(self) -> float:
        return self.heard_at + CONFIRMATION_S if self.confirmed else self.heard_at


class StreamPlayout:
    """lead_ms: how much the provider may hold.  chunk_ms: asked before each chunk.
    continuous: silence is sent where there is nothing else.  sent: takes frames as they are heard.
    reached: hears of each mark, and whether it was heard.
    """

    reached: Callable[[int, bool], None]

    def __init__(
        self,
        output: Output,
        sent: Bus,
        *,
        lead_ms: int,
        chunk_ms: Callable[[], int],
        continuous: bool = False,
    ) -> None:
        self._output = output
        self._sent_bus = sent
        self._lead_s = lead_ms / 1000
        self._chunk_ms = chunk_ms
        self._continuous = continuous
        self._now = 0.0
        self._started_at: float | None = None
        self._queue = bytearray()
        self._written_at = 0.0
        self._sent = 0  # samples, padding included
        self._play_end = 0.0
        self._utterance_begins = self._speech_ends = 0  # in samples sent
        self._speech_until = 0.0  # the moment at which speech_ends is heard
        self._waiting: deque[tuple[int, int]] = deque()  # (bytes of the queue before it, mark id)
        self._taken = 0  # bytes that left the queue
        self._asked: dict[str, _Mark] = {}
        self._probe = ("", 0)  # the name of our own mark, and the samples sent before it
        self._probed_at = 0.0  # or when the play clock was known to be right
        self._in_flight: deque[tuple[float, bytes]] = deque()
        self.paused = False
        self.dropped_samples = 0
        self.unconfirmed = self.unknown_marks = 0

    def start(self, now: float) -> None:
        """The provider takes audio from now on."""
        if self._started_at is None:
            self._started_at = self._now = self._play_end = now

    @property
    def elapsed_samples(self) -> int:
        """Since the start, by the clock of the last tick."""
        return 0 if self._started_at is None else self._at(self._now)

    @property
    def queued_ms(self) -> int:
        """What was written and has not left."""
        return -(-len(self._queue) * 1000 // (2 * RATE_HZ))

    @property
    def lead_s(self) -> float:
        """What the provider holds, by the play clock."""
        return max(0.0, self._play_end - self._now)

    # -- what the agent does -------------------------------------------------------------------

    def write(self, pcm: bytes) -> int:
        """Queue audio; gives the samples accepted, what is beyond ten minutes is dropped."""
        room = max(0, LIMIT_MS * RATE_HZ // 1000 * 2 - len(self._queue))
        accepted = min(len(pcm) & ~1, room)
        self.dropped_samples += len(pcm) // 2 - accepted // 2
        if not accepted:
            return 0
        if not self._queue and self._speech_until <= self._now:
            self._utterance_begins = self._sent
        self._queue += pcm[:accepted]
        self._written_at = self._now
        return accepted // 2

    def mark(self, mark_id: int) -> None:
        """Report this mark when what was written before it has been heard or dropped."""
        self._waiting.append((self._taken + len(self._queue), mark_id))

    def clear(self) -> int:
        """Drop what was not heard; gives the ms of the current utterance that were."""
        taken_back = True
        if self.lead_s or self._asked:
            taken_back = self._output.send_clear()
        held = round(self.lead_s * RATE_HZ) if taken_back else 0
        heard = max(0, min(self._sent - held, self._speech_ends) - self._utterance_begins)
        self._taken += len(self._queue)
        self._queue.clear()
        waiting, self._waiting = self._waiting, deque()
        asked = self._asked
        if taken_back:
            self._asked = {}
            self._play_end = min(self._play_end, self._now)
            self._probe = ("", 0)
            self._in_flight.clear()
            for mark in asked.values():
                self.reached(mark.mark_id, mark.heard_at <= self._now)
        for _, mark_id in waiting:
            self.reached(mark_id, False)
        self._utterance_begins = self._speech_ends = self._sent
        self._speech_until = self._now
        return heard * 1000 // RATE_HZ

    # -- what the provider says ----------------------------------------------------------------

    def mark_reached(self, name: str, now: float) -> None:
        """The provider confirms a mark. One that was cleared meanwhile is unknown, and ignored."""
        if name == self._probe[0]:
            self._correct(self._probe[1], now)
            self._probe = ("", 0)
            return
        mark = self._asked.pop(name, None)
        if mark is None:
            self.unknown_marks += 1
            return
        self._correct(mark.position, now)
        self.reached(mark.mark_id, True)

    def _correct(self, position: int, now: float) -> None:
        """All that was sent behind ``position`` is still to be played, from this moment on."""
        self._now = max(self._now, now)
        behind = (self._sent - position) / RATE_HZ
        self.shift(self._now + behind - self._play_end)
        self._probed_at = self._now

    def shift(self, seconds: float) -> None:
        """All that was sent is played so much later than the play clock had it."""
        self._play_end += seconds
        self._speech_until += seconds

    # -- time ----------------------------------------------------------------------------------

    def tick(self, now: float) -> None:
        """Send what is due and report what was heard."""
        self._now = now
        if self._started_at is None or self._nothing_is_due:
            return
        self._publish_played()
        if not self.paused:
            while self._send_next():
                pass
        self._ask_marks()
        self._believe_the_clock()

    @property
    def _nothing_is_due(self) -> bool:
        """Most ticks of most calls: there are several in a frame, and people listen, too."""
        return not (
            self._queue or self._in_flight or self._asked or self._waiting or self._continuous
        )

    def _send_next(self) -> bool:
        chunk = self._chunk_ms() // FRAME_MS
        lead = self.lead_s
        if lead and lead + chunk * FRAME_S > max(self._lead_s, chunk * FRAME_S) + SLACK_S:
            return False
        ready = len(self._queue) // FRAME_BYTES
        if ready >= chunk:
            self._send(chunk)
        elif self._queue and self._is_tail(lead):
            self._send(-(-len(self._queue) // FRAME_BYTES))
        elif self._continuous and not ready:
            self._send(1)
        else:
            return False
        return True

    def _is_tail(self, lead: float) -> bool:
        if self._waiting and not self._continuous and lead <= QUIET_S:
            # Somebody waits for the end of what is there.
            return self._now - self._written_at >= FRAME_S
        return self._now - self._written_at >= QUIET_S and lead <= QUIET_S

    def _send(self, frames: int) -> None:
        pcm = bytes(self._queue[: frames * FRAME_BYTES])
        del self._queue[: len(pcm)]
        speech = len(pcm)
        self._taken += speech
        pcm = pcm.ljust(frames * FRAME_BYTES, b"\0")
        if not self.lead_s:
            self._probed_at = self._now  # the provider had run dry: this is heard at once
        begins = max(self._play_end, self._now)
        self._output.send_audio(pcm)
        self._play_end = begins + frames * FRAME_S
        if speech:
            self._speech_ends = self._sent + speech // 2
            self._speech_until = self._play_end
        self._sent += frames * FRAME_SAMPLES
        if self._sent_bus.observed:
            self._in_flight.extend(
                (begins + index * FRAME_S, pcm[index * FRAME_BYTES : (index + 1) * FRAME_BYTES])
                for index in range(frames)
            )
        self._ask_marks()
        if self._now - self._probed_at >= PROBE_S:
            self._probed_at = self._now
            name = f"clock{self._sent}"
            if self._output.send_mark(name):
                self._probe = (name, self._sent)

    def _ask_marks(self) -> None:
        """Turn to the marks whose audio has left: the provider tells, or else the play clock."""
        while self._waiting and self._waiting[0][0] <= self._taken:
            _, mark_id = self._waiting.popleft()
            if not self.lead_s:
                self.reached(mark_id, True)
                continue
            name = f"m{mark_id}"
            confirmed = self._output.send_mark(name)
            self._asked[name] = _Mark(mark_id, self._sent, self._play_end, confirmed)

    def _believe_the_clock(self) -> None:
        over = [name for name, mark in self._asked.items() if mark.due <= self._now]
        for name in over:
            mark = self._asked.pop(name)
            self.unconfirmed += mark.confirmed
            self.reached(mark.mark_id, True)

    def _publish_played(self) -> None:
        while self._in_flight and self._in_flight[0][0] <= self._now:
            begins, pcm = self._in_flight.popleft()
            self._sent_bus.publish(Audio(self._at(begins), 0, pcm))

    def _at(self, moment: float) -> int:
        assert self._started_at is not None, "nothing is sent before the start"
        return round((moment - self._started_at) * RATE_HZ)
