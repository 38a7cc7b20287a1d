"""One call as an agent holds it: events to iterate over, verbs to act with.

The shell creates it, ends it (``end``) and runs the agent on it. Nothing here knows an event
loop: futures come from the factory that the shell hands in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rapida_media.agents.events import (
    Answered,
    DeadAir,
    Digit,
    Event,
    HangUp,
    Hold,
    Message,
    OneWayAudio,
    PlaybackMarked,
    Transferred,
)
from rapida_media.call.endings import Ending
from rapida_media.call.milestones import Milestones
from rapida_media.call.recording import Recording
from rapida_media.call.signalling import Future, Signalling
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError
from rapida_media.legs.base import Leg, Stats
from rapida_media.media.frame import FRAME_MS, Ring
from rapida_media.media.wav import read_wav

# An agent that stops reading loses the oldest events, not the call: ten seconds of audio.
EVENT_LIMIT = 10_000 // FRAME_MS


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Who calls whom, and by which way. direction: ``inbound`` or ``outbound``."""

    id: str
    provider: str
    direction: str
    caller: str
    called: str
    assistant: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Call:
    """A phone call on the 16 kHz bus.

    ``async for event in call`` gives Audio, Digit, PlaybackMarked, Hold and at last HangUp.
    ``write`` takes any amount at any speed; the engine paces it.
    """

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
        self._marks: dict[int, tuple[str | None, Future]] = {}
        self._last_mark = 0
        self._recording: Recording | None = None
        self._hang_up: HangUp | None = None
        self._hang_up_delivered = False
        self.answered = False
        self.timeline = Milestones()
        self._read_trace: Callable[[], str] = str
        self._answered_future: Future | None = None
        self._outcomes: list[Future] = []  # of verbs under way
        leg.connect(self.digit_received, self._mark_reached)
        leg.received.subscribe(self._post)

    # -- who and what ------------------------------------------------------------------------

    @property
    def id(self) -> str:
        return self.info.id

    @property
    def provider(self) -> str:
        return self.info.provider

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
        """Counts and quality of both directions, and the events this agent was too slow for."""
        return {**self.leg.stats(), "events_dropped": self._events.dropped}

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

    def __aiter__(self) -> Call:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
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

    def message_received(self, text: str) -> None:
        """Hand a text of the far end to the agent. For the shell."""
        self._post(Message(text))

    def digit_received(self, digit: str, duration_ms: int) -> None:
        self._post(Digit(digit, duration_ms))

    def hold_changed(self, held: bool) -> None:
        """Tell the agent that the far end holds the call, or took it back. For the shell."""
        self._post(Hold(held))

    def media_trouble(self, missing: str, seconds: float) -> None:
        """Tell the agent what is wrong with the media (``rtp.watch``). For the shell."""
        self._post(DeadAir(seconds) if missing == "speech" else OneWayAudio(missing, seconds))

    # -- speaking ----------------------------------------------------------------------------

    def write(self, pcm: bytes) -> int:
        """Queue s16le mono 16 kHz audio of any length (even bytes); gives the samples accepted.

        What does not fit the playout limit (ten minutes) is dropped and counted in ``stats``.
        After the end of the call nothing is accepted.
        """
        return 0 if self._hang_up is not None else self.leg.write(pcm)

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
        """
        if self._hang_up is not None:
            return False
        if self.leg.takes_digits:
            self.leg.send_digits(digits)
            return await self.drain()
        if not await self.drain() and self._hang_up is not None:
            return False
        outcome = self._outcome()
        self._signalling.send_digits(digits, lambda sent: _resolve(outcome, sent))
        return bool(await outcome)

    def _mark(self, name: str | None) -> Awaitable[bool]:
        future = self._new_future()
        if self._hang_up is not None:
            future.set_result(False)
        else:
            self._last_mark += 1
            self._marks[self._last_mark] = (name, future)
            self.leg.mark(self._last_mark)
        return future

    def _mark_reached(self, mark_id: int, played: bool) -> None:
        name, future = self._marks.pop(mark_id)
        if not future.done():
            future.set_result(played)
        if name is not None:
            self._post(PlaybackMarked(name, played))

    # -- the life of the call ----------------------------------------------------------------

    async def ring(self) -> None:
        """Tell the caller that the call rings (180). With ``answer = "agent"`` only."""
        self._require_unanswered("ring")
        self._signalling.ring()

    async def progress(self) -> None:
        """Open the media before the answer (183): both sides hear each other, nobody pays.

        LocalProtocolError where the caller sent no offer and could not answer an early one.
        """
        self._require_unanswered("progress")
        self._signalling.progress()

    async def answer(self) -> bool:
        """Answer the call; returns when the caller confirmed it, False if the call ended."""
        self._require_unanswered("answer")
        self._signalling.answer()
        if self._hang_up is None:
            self._answered_future = self._new_future()
            await self._answered_future
        return self._hang_up is None

    async def reject(self, status: int = 603) -> None:
        """Refuse the call with a SIP status (400 to 699)."""
        if not 400 <= status <= 699:
            raise LocalProtocolError(f"a call is rejected with 400 to 699, not {status}")
        self._require_unanswered("reject")
        self._signalling.reject(status)

    async def redirect(self, uri: str) -> None:
        """Send the caller to another URI (302)."""
        self._require_unanswered("redirect")
        self._signalling.redirect(uri)

    async def hold(self) -> bool:
        """Put the far end on hold: it still hears what is written and is heard no more.

        True when it agreed, False when it refused or the call ended.
        """
        return await self._hold(True)

    async def resume(self) -> bool:
        """Take the far end back from hold; True when it agreed."""
        return await self._hold(False)

    async def transfer(self, target: str | Call) -> TransferOutcome:
        """Have the far end call somebody else; when that works, this call is hung up.

        target: a SIP URI (blind), or another call of ours, whose far end it is to be connected
        with (attended). Gives what became of it; after a failure the call goes on.
        """
        self._require_answered("transfer")
        outcome = self._outcome()
        whom = target._signalling if isinstance(target, Call) else target
        self._signalling.transfer(whom, lambda told: _resolve(outcome, told))
        told: TransferOutcome | None = await outcome
        return told or TransferOutcome(487, "Request Terminated")

    def transferred(self, party: str) -> None:
        """Tell the agent that the far end is another one now. For the shell."""
        self._post(Transferred(party))

    async def _hold(self, held: bool) -> bool:
        self._require_answered("hold" if held else "resume")
        outcome = self._outcome()
        self._signalling.hold(held, lambda agreed: _resolve(outcome, agreed))
        return bool(await outcome)

    def _require_answered(self, verb: str) -> None:
        if not self.answered or self._hang_up is not None:
            state = "ended" if self._hang_up is not None else "not answered"
            raise LocalProtocolError(f"cannot {verb}: the call is {state}")

    def _outcome(self) -> Future:
        """Make a future that the end of the call resolves with None."""
        self._outcomes = [each for each in self._outcomes if not each.done()]
        self._outcomes.append(self._new_future())
        return self._outcomes[-1]

    async def hang_up(self, reason: str = "agent_hangup") -> None:
        """End the call now; ``drain`` first when a goodbye must be heard."""
        if self._hang_up is None:
            self._signalling.hang_up(reason)

    def _require_unanswered(self, verb: str) -> None:
        if self.answered or self._hang_up is not None:
            state = "ended" if self._hang_up is not None else "already answered"
            raise LocalProtocolError(f"cannot {verb}: the call is {state}")

    def confirm(self, *, early_agent: bool) -> None:
        """The call is answered and media may flow. For the shell.

        early_agent: the agent was there before; otherwise what was heard so far, the callee's
        ring-back tone or an announcement, is none of its business.
        """
        self.answered = True
        if early_agent:
            self._post(Answered())
        else:
            self._events.clear()
        self._resolve_answer()

    def end(
        self, ending: Ending, *, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        """The call is over: close the recording, release everyone who waits. For the shell."""
        if self._hang_up is not None:
            return
        self._hang_up = HangUp(
            ending.reason,
            ending.code,
            cause,
            retry_after_s,
            ending.failure_class,
            ending.retryable,
        )
        if self._recording is not None:
            self._recording.close()
        for mark_id in list(self._marks):
            self._mark_reached(mark_id, False)
        self._resolve_answer()
        for outcome in self._outcomes:
            _resolve(outcome, None)
        self._wake()

    def _resolve_answer(self) -> None:
        if self._answered_future is not None:
            _resolve(self._answered_future, None)

    # -- recording ---------------------------------------------------------------------------

    @property
    def recording_error(self) -> OSError | None:
        """Why the latest recording is shorter than it should be, or None."""
        return None if self._recording is None else self._recording.error

    def record(self, path: str | Path) -> Recording:
        """Record both sides from now on: stereo WAV, 16 kHz, left the far end, right the agent.

        Ends with the call or with ``close`` on what is returned.
        """
        if self._recording is not None and not self._recording.closed:
            raise LocalProtocolError("the call is being recorded already")
        self._recording = Recording(self.leg, path)
        return self._recording


def _resolve(future: Future, result: Any) -> None:
    if not future.done():
        future.set_result(result)
