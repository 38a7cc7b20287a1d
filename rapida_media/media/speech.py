"""When somebody speaks: a detector's answers, frame by frame, made into a beginning and an end.

    answers    . . x . x x x x x . x x x . . . . . . . . . . . . .
                     └──┬──┘                 └─── hang-over ───┘ │
                        onset: SpeechStarted                     SpeechEnded
                     pts of SpeechStarted    pts of SpeechEnded

The built-in detector goes by the energy; any other one takes its place. Used by ``Call`` where an
agent asks for it. Time is that of the frames, so that gaps between them count, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
from typing import Protocol

from rapida_media.errors import LocalProtocolError
from rapida_media.media.frame import DIGIT, RATE_HZ, Audio

# As long as a click or a cough is not, and short enough to stop talking in time.
ONSET_MS = 60
# The pauses inside a sentence are mostly shorter.
HANGOVER_MS = 500
# Of a probability. Speech is left at a lower one than it is entered at, or it would flutter.
BEGINS, STAYS = 0.5, 0.35
# Of an onset or a hang-over: beyond it, it is a mistake in the unit.
LONGEST_MS = 10_000
_PER_MS = RATE_HZ // 1000


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The far end began to speak; told some 60 ms later, only after ``call.detect_speech()``.

    pts: where it began, on the time line of ``Audio``. level_dbov: how loud it is so far.
    """

    pts: int
    level_dbov: int


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The far end has been quiet for a while, half a second if not told otherwise.

    pts: where its speech ended. level_dbov: how loud it was, pauses left out.
    """

    pts: int
    level_dbov: int
    duration_ms: int


class SpeechDetector(Protocol):
    """Who tells speech from the rest; one for each call, as it may remember what it heard."""

    def feed(self, frame: Audio) -> float:
        """Take the next frame, 20 ms of s16le mono at 16 kHz, and tell whether it is speech.

        A bool, or a probability from 0 to 1. Called on the event loop for every frame.
        """
        ...


class SpeechActivity:
    """Who speaks at one far end, from frame to frame.

    onset_ms: so much speech is a beginning. hangover_ms: so long a pause is an end.
    speaking: between the two. LocalProtocolError for times that make no sense.
    """

    def __init__(
        self,
        detector: SpeechDetector,
        *,
        onset_ms: int = ONSET_MS,
        hangover_ms: int = HANGOVER_MS,
    ) -> None:
        if not (0 < onset_ms <= LONGEST_MS and 0 < hangover_ms <= LONGEST_MS):
            raise LocalProtocolError(
                f"detect_speech: expected times of 1 to {LONGEST_MS} ms,"
                f" not onset_ms={onset_ms}, hangover_ms={hangover_ms}"
            )
        self._detector = detector
        self._onset = onset_ms * _PER_MS
        self._hangover = hangover_ms * _PER_MS
        self.speaking = False
        self._heard_to = self._looked_to = 0
        self._run = 0  # samples of speech in favour of a beginning, less those against it
        self._began = self._spoken_to = 0
        self._energy = 0.0  # of the frames of speech, full scale is 1
        self._frames = 0

    def hear(self, frame: Audio) -> SpeechStarted | SpeechEnded | None:
        """Take the next frame; gives what begins or ends with it."""
        samples = len(frame.pcm) // 2
        gap, self._heard_to = frame.pts - self._heard_to, frame.pts + samples
        if gap and not self.speaking:
            self._run = 0
        spoken = self._is_speech(frame)
        if self.speaking and frame.pts - self._spoken_to >= self._hangover:
            return self.rest()  # nothing was sent for so long; a new beginning needs its onset
        if spoken:
            return self._speech(frame, samples)
        if not self.speaking:
            self._run = max(0, self._run - samples)
        elif self._heard_to - self._spoken_to >= self._hangover:
            return self.rest()
        return None

    def look(self) -> SpeechEnded | None:
        """Once a second: who sends nothing any more is not speaking."""
        silent, self._looked_to = self._heard_to == self._looked_to, self._heard_to
        return self.rest() if silent else None

    def rest(self) -> SpeechEnded | None:
        """Nothing more is heard for now; gives the end of what was being said."""
        self._run = 0
        if not self.speaking:
            return None
        self.speaking = False
        length = self._spoken_to - self._began
        return SpeechEnded(self._spoken_to, self._level(), length // _PER_MS)

    def _is_speech(self, frame: Audio) -> bool:
        likely = float(self._detector.feed(frame))
        if frame.flags & DIGIT:
            return False  # it was muted under a key
        return likely >= (STAYS if self.speaking else BEGINS)

    def _speech(self, frame: Audio, samples: int) -> SpeechStarted | None:
        if not self.speaking and not self._run:
            self._began = frame.pts
            self._energy, self._frames = 0.0, 0
        self._energy += 10 ** (frame.level_dbov / 10)
        self._frames += 1
        self._spoken_to = self._heard_to
        if self.speaking:
            return None
        self._run += samples
        if self._run < self._onset:
            return None
        self.speaking = True
        return SpeechStarted(self._began, self._level())

    def _level(self) -> int:
        return round(10 * log10(self._energy / self._frames))
