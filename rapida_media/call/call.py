"""One call as an agent holds it: events to iterate over, verbs to act with.

The shell creates it, ends it (``end``) and runs the agent on it. What is said is in
``Conversation``, here is the life of the call: answering, holding, joining others, the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from rapida_media.agents.events import Answered, HangUp, Hold, Transferred
from rapida_media.call.bridge import Bridge
from rapida_media.call.conversation import CallInfo, Conversation, resolve
from rapida_media.call.endings import Ending, check_cause, check_reason
from rapida_media.call.hunt import hunt
from rapida_media.call.ring_back import RingBack
from rapida_media.call.second_leg import DIAL_S, DialOrder, Headers
from rapida_media.call.signalling import OVER, Future, Signalling
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.legs.base import Leg
from rapida_media.sip.uri import parse_request_uri

if TYPE_CHECKING:
    from rapida_media.agents.base import Agent
    from rapida_media.agents.events import Ringing

__all__ = ["Call", "CallInfo"]


class Call(Conversation):
    """A phone call on the 16 kHz bus. held: its far end holds it.

    ``async for event in call`` gives Audio, Digit, PlaybackMarked, Hold and at last HangUp.
    ``write`` takes any amount at any speed; the engine paces it.

    The far end may end the call before any verb: on a call that is over a verb does nothing, and
    gives what it gives where the call ends under way.
    """

    def __init__(
        self,
        info: CallInfo,
        leg: Leg,
        signalling: Signalling,
        new_future: Callable[[], Future],
    ) -> None:
        super().__init__(info, leg, signalling, new_future)
        self.answered = False
        self.held = False
        self._settling: list[Future] = []
        self._bridge: Bridge | None = None

    # -- the life of the call ----------------------------------------------------------------

    async def ring(self) -> None:
        """Tell the caller that the call rings (180). With ``answer = "agent"`` only."""
        if self._undecided("ring"):
            self._signalling.ring()

    async def progress(self) -> bool:
        """Open the media before the answer (183): both sides hear each other, nobody pays.

        False where the call is over, and for a caller that sent no offer and could not answer an
        early one: it hears a ring-back tone (180), and the media opens with the answer.
        """
        return self._undecided("progress") and self._signalling.progress()

    async def answer(self) -> bool:
        """Answer the call; returns when the caller confirmed it, False if the call ended."""
        if self._undecided("answer"):
            self._signalling.answer()
        return await self.settled()

    async def settled(self) -> bool:
        """Wait until the call is answered (True) or over (False)."""
        if not self.answered and self._hang_up is None:
            future = self._new_future()
            self._settling.append(future)
            await future
        return self._hang_up is None

    async def reject(
        self, status: int = 603, *, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        """Refuse the call with a SIP status (400 to 699).

        cause: what the caller is given as the Reason (RFC 3326). retry_after_s: when it may call
        again.
        """
        if not (isinstance(status, int) and 400 <= status <= 699):
            raise LocalProtocolError(f"a call is rejected with 400 to 699, not {status!r}")
        if not (retry_after_s is None or (isinstance(retry_after_s, int) and retry_after_s >= 0)):
            raise LocalProtocolError(f"expected whole retry_after_s, not {retry_after_s!r}")
        check_cause(cause)
        if self._undecided("reject"):
            self._signalling.reject(status, cause, retry_after_s)

    async def redirect(self, uri: str) -> None:
        """Send the caller to another URI (302)."""
        try:
            parse_request_uri(uri)
        except (RemoteProtocolError, TypeError):
            raise LocalProtocolError("redirect: expected a SIP URI, or one of tel:") from None
        if self._undecided("redirect"):
            self._signalling.redirect(uri)

    async def hold(self) -> bool:
        """Put the far end on hold: it still hears what is written and is heard no more.

        True when it agreed, False when it refused or the call ended.
        """
        return await self._hold(True)

    async def resume(self) -> bool:
        """Take the far end back from hold; True when it agreed."""
        return await self._hold(False)

    # -- with others ---------------------------------------------------------------------------

    async def dial(
        self,
        uri: str,
        *,
        trunk: str | None = None,
        timeout: float = DIAL_S,  # noqa: ASYNC109 — of the ringing, in the words of the network
        caller_id: str | None = None,
        headers: Headers = (),
        ring_back: bool = False,
    ) -> Call:
        """Call somebody else; gives the second call once it is answered.

        uri: a SIP URI; with trunk, of the configuration, a number. timeout: seconds it may ring.
        caller_id: number or user that calls. headers: more of the INVITE. ring_back: this call's
        far end hears it ring, or the callee's early media.
        ``Ringing`` events of this call tell of its progress; DialError why it was not answered.
        The second call is this agent's, too, and ends with this one unless ``hand_over``.
        """
        order = DialOrder(uri, trunk, timeout, caller_id, tuple(headers))
        return await self.place(order, ring_back=ring_back)

    async def place(self, order: DialOrder, *, ring_back: bool = False) -> Call:
        """Do what ``dial`` does, for an order that is written already."""
        if self._hang_up is not None:
            raise LocalProtocolError("cannot dial: the call is ended")
        tone = RingBack(self)

        def ringing(leg: Call, event: Ringing) -> None:
            self._post(event)
            if ring_back:
                tone.ringing(leg, event)

        try:
            return await self._signalling.dial(order, ringing)
        finally:
            tone.close()

    def hand_over(self, agent: Agent) -> None:
        """Give a call that ``dial`` made an agent of its own: it does not end with the first one.

        LocalProtocolError for a call that has one already.
        """
        if self._talking("hand over"):
            self._signalling.hand_over(agent)

    async def bridge(self, other: Call, *, listen: bool = False) -> Call | None:
        """Connect two calls: their far ends talk to each other until one ends or ``unbridge``.

        Keys and hold are passed on; a caller that was not answered is. What an agent writes to one
        of them meanwhile is heard in place of the other. listen: ``Audio`` events go on.
        Gives the call that ended, or None when they were parted.
        """
        bridge, over = self._join(other, listen=listen)
        try:
            return await over  # type: ignore[no-any-return]
        finally:
            bridge.close()
            bridge.take_back()

    async def talk(self, other: Call) -> None:
        """Bridge two calls to their end: who hangs up ends the other one, with its Reason."""
        bridge, over = self._join(other, listen=False)
        first: Call | None = None
        try:
            first = await over
        finally:
            bridge.close()
            if first is None:
                bridge.take_back()
        if first is not None and first.ended is not None:
            left = other if first is self else self
            await left.hang_up("bridge_ended", cause=first.ended.cause)

    def _join(self, other: Call, *, listen: bool) -> tuple[Bridge, Future]:
        self._require_joinable(other)
        over = self._new_future()
        bridge = Bridge(self, other, lambda ended: resolve(over, ended), listen=listen)
        try:
            for each in (self, other):
                each.answer_now()
        except BaseException:
            bridge.close()
            raise
        return bridge, over

    async def unbridge(self) -> None:
        """Part this call from the one it is bridged to; both go on with their agent."""
        if self._bridge is not None:
            self._bridge.close()

    @property
    def bridged(self) -> Bridge | None:
        """The bridge this call is part of now."""
        return self._bridge

    async def transfer(
        self,
        target: str | Call | Sequence[str],
        *,
        mode: Literal["refer", "bridge"] = "refer",
        ring_seconds: float = DIAL_S,
        trunk: str | None = None,
        caller_id: str | None = None,
        headers: Headers = (),
    ) -> TransferOutcome:
        """Connect the far end with somebody else; gives what became of it.

        refer: the far end calls target itself; when that works, this call is hung up. target: a
        SIP URI (blind), or another call of ours, whose far end it is to be connected with
        (attended).
        bridge: we call target, or each of several in order, for ring_seconds; trunk, caller_id and
        headers as in ``dial``. Returns when the far ends have parted, and then this call is over.
        Where it fails the call goes on, with its agent.
        """
        if not self._talking("transfer"):
            return TransferOutcome(487, "Request Terminated")
        if mode == "bridge":
            if isinstance(target, Call):
                raise LocalProtocolError("another call is joined by bridge()")
            targets = [target] if isinstance(target, str) else target
            order = DialOrder("", trunk, ring_seconds, caller_id, tuple(headers))
            return await hunt(self, targets, order)
        if mode != "refer":
            raise LocalProtocolError(f'transfer: expected mode="refer" or "bridge", got {mode!r}')
        if not isinstance(target, str | Call):
            raise LocalProtocolError('several targets want mode="bridge"')
        outcome = self._outcome()
        whom = target._signalling if isinstance(target, Call) else target
        self._signalling.transfer(whom, lambda told: resolve(outcome, told))
        told: TransferOutcome | None = await outcome
        return told or TransferOutcome(487, "Request Terminated")

    def transferred(self, party: str) -> None:
        """Tell the agent that the far end is another one now. For the shell."""
        self._post(Transferred(party))

    async def _hold(self, held: bool) -> bool:
        if not self._talking("hold" if held else "resume"):
            return False
        outcome = self._outcome()
        self._signalling.hold(held, lambda agreed: resolve(outcome, agreed))
        return bool(await outcome)

    def _talking(self, verb: str) -> bool:
        """Whether the call is not over; LocalProtocolError where it is not answered yet."""
        if self._hang_up is None and not self.answered:
            raise LocalProtocolError(f"cannot {verb}: the call is not answered")
        return self._hang_up is None

    def _require_joinable(self, other: Call) -> None:
        if not isinstance(other, Call) or other is self:
            raise LocalProtocolError("cannot bridge a call with anything but another call")
        for call in (self, other):
            if call._hang_up is not None or call._bridge is not None:
                state = "ended" if call._hang_up is not None else "bridged already"
                raise LocalProtocolError(f"cannot bridge: a call is {state}")

    async def hang_up(self, reason: str = "agent_hangup", *, cause: str | None = None) -> None:
        """End the call now; ``drain`` first when a goodbye must be heard.

        reason: for log and record, one line of up to 256 characters. cause: what the far end is
        given as the Reason (RFC 3326) in place of ours.
        """
        check_reason(reason)
        check_cause(cause)
        if self._hang_up is None:
            self._signalling.hang_up(reason, cause)

    def _undecided(self, verb: str) -> bool:
        """Whether the call is not over; LocalProtocolError where it is answered already."""
        if self._hang_up is None and self.answered:
            raise LocalProtocolError(f"cannot {verb}: the call is already answered")
        return self._hang_up is None

    def confirm(self, *, early_agent: bool) -> None:
        """The call is answered and media may flow. For the shell.

        early_agent: the agent was there before; otherwise what was heard so far, the callee's
        ring-back tone or an announcement, is none of its business. That the call begins on hold is.
        """
        self.answered = True
        if early_agent:
            self._post(Answered())
        else:
            self._events.clear()
            if self.held:
                self._post(Hold(True))
        self._settle()

    def end(
        self, ending: Ending, *, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        """The call is over: close the recording, release everyone who waits. For the shell."""
        if self._hang_up is not None:
            return
        self._rest()
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
        if self._bridge is not None:
            self._bridge.close(self)
        self._marks.drop()
        self._settle()
        for outcome in self._outcomes:
            resolve(outcome, None)
        self._wake()
        self._let_go()

    def _let_go(self) -> None:
        """Cut the circles of who tells whom: what an ended call holds goes with its last user, and
        does not wait for a garbage collection, which would stop the audio of all others."""
        self._listen(False)
        self.leg.disconnect()
        self._signalling = OVER

    def _settle(self) -> None:
        settling, self._settling = self._settling, []
        for future in settling:
            resolve(future, None)

    # -- what the far end does -----------------------------------------------------------------

    def digit_received(self, digit: str, duration_ms: int) -> None:
        super().digit_received(digit, duration_ms)
        if self._bridge is not None:
            self._bridge.digit(self, digit)

    def hold_changed(self, held: bool) -> None:
        """Tell the agent that the far end holds the call, or took it back. For the shell."""
        self.held = held
        self._post(Hold(held))
        if self._bridge is not None:
            self._bridge.held(self, held)

    # -- for a bridge --------------------------------------------------------------------------

    def joined(self, bridge: Bridge, *, listen: bool) -> None:
        self._bridge = bridge
        self._listen(listen)

    def parted(self) -> None:
        self._bridge = None
        self._listen(True)

    def press(self, digit: str) -> None:
        """Press a key for the other call; one the far end cannot be told is lost."""
        if self._hang_up is not None:
            return
        with suppress(LocalProtocolError):  # a flash, where it has no name
            if self.leg.takes_digits:
                self.leg.send_digits("!" if digit == "flash" else digit)
            elif self.answered and digit != "flash":
                self._signalling.send_digits(digit, _ignore)

    def pass_hold(self, held: bool) -> None:
        """Hold this far end for the other one, where it can be: over a provider it cannot."""
        with suppress(LocalProtocolError):
            self._signalling.hold(held, _ignore)

    def ring_now(self) -> None:
        self._signalling.ring()

    def progress_now(self) -> bool:
        return self._signalling.progress()

    def answer_now(self) -> None:
        """Answer a caller that waits for it."""
        if not self.answered and self.direction == "inbound":
            self._signalling.answer()


def _ignore(agreed: bool) -> None:
    """Nobody waits for the outcome."""
