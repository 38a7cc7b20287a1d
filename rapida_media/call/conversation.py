"""The half of a call that talks: the far end as events to iterate over, and what is said to it.

Base of ``Call``, which adds its life. Nothing here knows an event loop: futures come from the
factory that the shell hands in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rapida_media.agents.events import (
    DeadAir,
    Digit,
    Event,
    HangUp,
    Message,
    OneWayAudio,
    PlaybackMarked,
    RecordingFailed,
    RecordingPaused,
)
from rapida_media.call.marks import Marks
from rapida_media.call.milestones import Milestones
from rapida_media.call.recording import AT_ONCE, DiskWriter, Recording
from rapida_media.call.signalling import Future, Signalling
from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import EnergyDetector
from rapida_media.legs.base import Leg, Stats
from rapida_media.media.frame import FRAME_MS, Audio, Ring, bytes_of
from rapida_media.media.speech import (
    HANGOVER_MS,
    ONSET_MS,
    SpeechActivity,
    SpeechDetector,
    SpeechEnded,
    SpeechStarted,
)
from rapida_media.media.wav import read_wav
from rapida_media.sip.outgoing import MAX_FORWARDS

# An agent that stops reading loses the oldest events, not the call: ten seconds of audio.
EVENT_LIMIT = 10_000 // FRAME_MS


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Who calls whom, and by which way. direction: ``inbound`` or ``outbound``.

    provider_call_id: what the provider calls it, "" where that is not known.  context_id: what its
    URLs here call it, None over SIP.  max_forwards: how many more elements may pass the call on.
    private: the caller does not want to be shown to others (RFC 3323).
    """

    id: str
    provider: str
    direction: str
    caller: str
    called: str
    assistant: str | None = None
    trunk: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    provider_call_id: str = ""
    context_id: str | None = None
    max_forwards: int = MAX_FORWARDS
    private: bool = False


class Conversation:
    """What is said on a call, both ways."""

    def __init__(
        self,
        info: CallInfo,
        leg: Leg,
        signalling: Signalling,
        new_future: Callable[[], Future],
    ) -> None:
        self.info = info
        self.leg = leg
        self._signalling = signalling
        self._new_future = new_future
        self._events: Ring[Event] = Ring(EVENT_LIMIT)
        self._reader: Future | None = None
        self._marks = Marks(leg)
        self._recording: Recording | None = None
        self.disk: DiskWriter = AT_ONCE
        self._hang_up: HangUp | None = None
        self._hang_up_delivered = False
        self.timeline = Milestones()
        self._read_trace: Callable[[], str] = str
        self._outcomes: list[Future] = []  # of verbs under way
        self._speech: SpeechActivity | None = None
        self._failure: Exception | None = None
        leg.connect(self.digit_received, self._marks.reached)
        self._deaf: Callable[[], None] | None = None
        self._listen(True)

    # -- who and what ------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def provider(self) -> str:
        return self.info.provider

    @property
    def context(self) -> str | None:
        """The id of the context by which a telephony provider brings its media; None over SIP."""
        return self.info.context_id

    @property
    def direction(self) -> str:
        return self.info.direction

    @property
    def caller(self) -> str:
        return self.info.caller

    @property
    def called(self) -> str:
        return self.info.called

    @property
    def private(self) -> bool:
        """Whether the caller asked not to be shown to others (RFC 3323, RFC 3325)."""
        return self.info.private

    @property
    def assistant(self) -> str | None:
        return self.info.assistant

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self.info.parameters

    @property
    def headers(self) -> Mapping[str, str]:
        return self.info.headers

    @property
    def ended(self) -> HangUp | None:
        """How the call ended, or None while it lives."""
        return self._hang_up

    def stats(self) -> Stats:
        """Counts and quality of both directions, and the events that wait for this agent, or that
        it was too slow for."""
        return {
            **self.leg.stats(),
            "events_waiting": len(self._events),
            "events_dropped": self._events.dropped,
        }

    @property
    def milestones(self) -> dict[str, float]:
        """When what happened, in seconds since the call began; see ``call/milestones.py``."""
        return self.timeline.offsets()

    def trace(self) -> str:
        """Draw what was said on the wire so far, with secrets and phone numbers hidden; empty
        where nothing is kept."""
        return self._read_trace()

    def traced_by(self, read: Callable[[], str]) -> None:
        """Name what draws the trace. For the shell."""
        self._read_trace = read

    # -- events ------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            if self._hang_up_delivered:
                raise StopAsyncIteration
            if self._hang_up is not None:
                self._hang_up_delivered = True
                return self._hang_up
            if self._reader is None or self._reader.done():
                self._reader = self._new_future()
            await self._reader
        return self._events.pop()

    def _post(self, event: Event) -> None:
        self._events.push(event)
        self._wake()

    def _wake(self) -> None:
        reader = self._reader
        if reader is not None and not reader.done():
            reader.set_result(None)

    # -- speech ------------------------------------------------------------------------------

    def detect_speech(
        self,
        detector: SpeechDetector | None = None,
        *,
        onset_ms: int = ONSET_MS,
        hangover_ms: int = HANGOVER_MS,
    ) -> None:
        """Have ``SpeechStarted`` and ``SpeechEnded`` events from now on.

        detector: who tells speech from the rest, in place of the built-in one, which goes by the
        energy. onset_ms: so much speech is a beginning; hangover_ms: so long a pause is an end.
        What the detector raises is raised where the agent reads its events. LocalProtocolError for
        times that make no sense.
        """
        detector = detector or EnergyDetector()
        speech = SpeechActivity(detector, onset_ms=onset_ms, hangover_ms=hangover_ms)
        self._rest()
        self._detect_with(speech)

    def ignore_speech(self) -> None:
        """Have no more of them; speech that goes on ends here."""
        self._rest()
        self._detect_with(None)

    def _detect_with(self, speech: SpeechActivity | None) -> None:
        self._speech = speech
        self._listen(self._deaf is not None)

    @property
    def far_end_speaks(self) -> bool:
        """Whether the far end speaks, so far as ``detect_speech`` was asked to tell."""
        return self._speech is not None and self._speech.speaking

    def look(self) -> None:
        """Once a second: a far end that sends nothing any more is not speaking. For the shell."""
        if self._speech is not None:
            self._post_speech(self._speech.look())

    def _hear(self, frame: Audio) -> None:
        """Take a frame while speech is detected."""
        self._post(frame)
        assert self._speech is not None, "it is detected"
        try:
            change = self._speech.hear(frame)
        except Exception as error:  # the agent's own code, called while a packet is received
            self._detect_with(None)
            self._failure = error
            self._wake()
        else:
            self._post_speech(change)

    def _rest(self) -> None:
        if self._speech is not None:
            self._post_speech(self._speech.rest())

    def _post_speech(self, change: SpeechStarted | SpeechEnded | None) -> None:
        if change is not None:
            self._post(change)

    # -- what else the far end does ----------------------------------------------------------

    def message_received(self, text: str) -> None:
        """Hand a text of the far end to the agent. For the shell."""
        self._post(Message(text))

    def digit_received(self, digit: str, duration_ms: int) -> None:
        self._post(Digit(digit, duration_ms))

    def media_trouble(self, missing: str, seconds: float) -> None:
        """Tell the agent what is wrong with the media (``rtp.watch``). For the shell."""
        self._post(DeadAir(seconds) if missing == "speech" else OneWayAudio(missing, seconds))

    # -- speaking ----------------------------------------------------------------------------

    def write(self, pcm: bytes | bytearray | memoryview) -> int:
        """Queue s16le mono 16 kHz audio of any length (even bytes); gives the samples accepted.

        pcm: bytes, or what holds bytes or 16-bit samples as they do, such as an int16 array of
        numpy; LocalProtocolError for anything else.
        What does not fit the playout limit (ten minutes) is dropped and counted in ``stats``.
        After the end of the call nothing is accepted.
        """
        return 0 if self._hang_up is not None else self.leg.write(bytes_of(pcm))

    @property
    def queued_ms(self) -> int:
        """What was written and not yet sent."""
        return self.leg.queued_ms

    async def clear(self) -> int:
        """Stop speaking at once (barge-in): gives how many ms of the utterance were heard."""
        return self.leg.clear()

    def mark(self, name: str) -> Awaitable[bool]:
        """Mark this point of what is written.

        The result tells, once the audio before it is over, whether it was heard (True) or
        dropped (False). A ``PlaybackMarked`` event says the same.
        """
        return self._mark(name)

    async def drain(self) -> bool:
        """Wait until all that was written has been heard; False if it was dropped instead."""
        return await self._mark(None)

    async def play_file(self, path: str | Path) -> bool:
        """Play a WAV file; returns when it was heard (True) or dropped (False)."""
        self.write(read_wav(path))
        return await self.drain()

    async def send_digits(self, digits: str) -> bool:
        """Press keys (``0-9 * # A-D``) behind the audio already queued; True once they are sent.

        As telephone-events in the media (RFC 4733), or by signalling where the far end takes none.
        LocalProtocolError where it takes no keys that way either, as far as it has said.
        """
        if not isinstance(digits, str):
            raise LocalProtocolError(f"expected keys as a text, got {type(digits).__name__}")
        if self._hang_up is not None:
            return False
        if not (self.leg.takes_digits or self._signalling.takes_digits):
            raise LocalProtocolError(
                "the far end takes keys neither in its media nor by signalling"
            )
        if self.leg.takes_digits:
            self.leg.send_digits(digits)
            return await self.drain()
        if not await self.drain() and self._hang_up is not None:
            return False
        outcome = self._outcome()
        self._signalling.send_digits(digits, lambda sent: resolve(outcome, sent))
        return bool(await outcome)

    def when_played(self, told: Callable[[bool], None]) -> None:
        """Have ``told`` called once what was written so far is over: True if it was heard."""
        self._marks.add(told)

    def _mark(self, name: str | None) -> Awaitable[bool]:
        future = self._new_future()
        if self._hang_up is not None:
            future.set_result(False)
            return future

        def told(played: bool) -> None:
            resolve(future, played)
            if name is not None:
                self._post(PlaybackMarked(name, played))

        self._marks.add(told)
        return future

    # -- for the verbs -----------------------------------------------------------------------

    def _listen(self, listening: bool) -> None:
        """Hand the far end's audio to the agent, or do not."""
        before, self._deaf = self._deaf, None
        if listening:
            hear = self._post if self._speech is None else self._hear
            self._deaf = self.leg.received.subscribe(hear)
        else:
            self._rest()
        if before is not None:
            before()

    def _outcome(self) -> Future:
        """Make a future that the end of the call resolves with None."""
        self._outcomes = [each for each in self._outcomes if not each.done()]
        self._outcomes.append(self._new_future())
        return self._outcomes[-1]

    # -- recording ---------------------------------------------------------------------------

    @property
    def recording(self) -> Recording | None:
        """The latest recording, whoever began it; None while there was none."""
        return self._recording

    def record(self, path: str | Path) -> Recording:
        """Record both sides from now on: stereo, 16 kHz, left the far end, right the agent.

        path: .wav; or .flac, .ogg, .opus, made of a WAV at the end (extra ``recording``).
        Ends with the call or with ``close`` on what is returned, which can ``pause`` and
        ``resume``, too; of a call that is over already it is empty. Trouble with the disk is a
        ``RecordingFailed`` event.
        """
        if self._recording is not None and not self._recording.closed:
            raise LocalProtocolError("the call is being recorded already")
        self._recording = Recording(self.leg, path, disk=self.disk, told=self._recording_told)
        if self._hang_up is not None:
            self._recording.close()
        return self._recording

    async def recorded(self) -> Path | None:
        """Wait until the latest recording, which has to be over, is complete on disk."""
        if self._recording is None:
            return None
        await self._recording.saved(self._new_future())
        return self._recording.path

    def _recording_told(self, event: RecordingPaused | RecordingFailed) -> None:
        if self._hang_up is None:
            self._post(event)


def resolve(future: Future, result: Any) -> None:
    """Give whoever waits its result; nobody may wait any more."""
    if not future.done():
        future.set_result(result)
