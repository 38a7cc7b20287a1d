"""One call over a telephony provider, from its webhook or order to its end.

It exists before its media does: the provider opens the stream when the call is answered, with the
context id in the URL. Implements ``Signalling`` for the ``Call`` an agent holds. Every way it can
end leads through ``_finish``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from dataclasses import replace
from typing import Any, NoReturn, cast
from weakref import proxy

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import Call, CallInfo
from rapida_media.call.endings import Ending, ended, not_answered
from rapida_media.call.second_leg import DialOrder, OnRinging
from rapida_media.call.signalling import Signalling
from rapida_media.call.state import CallState
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError, ProviderError
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.net.agent_task import AgentTask
from rapida_media.net.http_client import ASKING_FOR
from rapida_media.net.media_attempts import Attempt, Attempts
from rapida_media.net.provider_lines import Line
from rapida_media.net.second_legs import SecondLegs
from rapida_media.net.shell import Shell
from rapida_media.net.streamer import BoundedOutbox, Streamer, Wire
from rapida_media.net.traced_wire import TracedWire
from rapida_media.providers import base
from rapida_media.providers.base import ProviderSpec, StatusInfo
from rapida_media.providers.stream import Started, Stopped
from rapida_media.providers.trace import ProviderTrace, redact

log = logging.getLogger(__name__)

# SIP statuses that say what the providers' words say, for the class and for retryable.
_STATUS_OF = {
    CallState.BUSY: 486,
    CallState.NO_ANSWER: 480,
    CallState.CANCELED: 487,
    CallState.FAILED: 500,
}
# Before a hang-up that a provider could not take is tried again; it may name a longer time.
HANG_UP_PAUSES_S = (0.5, 2.0)
LONGEST_PAUSE_S = 10
# What the end of the stream on their side means for the call.
_FAR_END_LEFT = "bye"


class ProviderCall:
    """info: the engine's view of the call, seen: the provider's. line: what it goes over. on_end:
    called once, when all is over.

    call: what the agent holds; None until the media is there.  finished: done when all is over.
    being_placed: the provider has not said yet whether it takes the order. claims: of its context,
    that the store was asked about and has not answered. trace: keeps what the provider and we say.
    """

    def __init__(
        self,
        shell: Shell,
        on_end: Callable[[ProviderCall], None],
        *,
        line: Line,
        info: CallInfo,
        seen: base.CallInfo,
        trace: ProviderTrace,
    ) -> None:
        self.line = line
        self.spec = line.spec
        self.info = info
        self.seen = seen
        self.trace = trace
        self.attempts = Attempts(self.spec.second_handshake)
        self.created_at = clock.monotonic()
        self.answered_at: float | None = None
        self._shell = shell
        self._on_end = on_end
        self.agent_task: AgentTask | None = None
        self._came_to_nothing = ""
        self._loop = asyncio.get_running_loop()
        self._over_at_provider = False
        self._transfer_asked: asyncio.Task[None] | None = None
        self._legs = SecondLegs(shell.dial_for)
        self.being_placed = False
        self.claims = 0
        self.finished: asyncio.Future[None] = self._loop.create_future()

    # -- media ---------------------------------------------------------------------------------

    async def carry(self, wire: Wire, spec: ProviderSpec | None = None) -> None:
        """Carry a media stream of the call until it is over. The context was claimed for it.

        spec: of the stream, where the provider has more than one way.
        """
        attempt = self._attempt(wire, spec or self.spec)
        self.attempts.opened(attempt)
        if self.finished.done() or self.attempts.has_started:
            attempt.streamer.close("gone")
        reason = await attempt.streamer.stream()
        self._came_to_nothing = reason
        if self._transfer_asked is not None:
            # The stream of a call that goes elsewhere may end before the provider's answer is here.
            await asyncio.wait({self._transfer_asked})
        if self.attempts.over(attempt, reason, clock.monotonic()):
            self._media_over(reason)
        # Of a stream that never had the call nobody else ends it.
        attempt.call.end(ended(reason))

    def _attempt(self, wire: Wire, spec: ProviderSpec) -> Attempt:
        assert spec.stream is not None, "only a provider with streams gets here"
        attempt = Attempt(self, is_second=self.attempts.claimed_again)
        wire = TracedWire(wire, self.trace)
        outbox = BoundedOutbox()
        protocol, account = spec.stream(), self.line.credential
        if spec.set_stream is not None and account is not None:
            spec.set_stream(protocol, account)
        attempt.leg = StreamLeg(spec, protocol, outbox, proxy(attempt))  # which holds it
        attempt.call = Call(self.info, attempt.leg, self, self._loop.create_future)
        attempt.call.disk = self._shell.disk
        attempt.streamer = Streamer(wire, attempt.leg, outbox, self._shell.media)
        return attempt

    def _media_over(self, reason: str) -> None:
        if not self.finished.done():
            if reason in ("media_closed", "stopped"):
                gave_up = self.info.direction == "inbound" and self.answered_at is None
                reason = "canceled" if gave_up else _FAR_END_LEFT
            self._over_at_provider |= self.spec.socket_is_the_call
            self._end(ended(reason))

    @property
    def call(self) -> Call | None:
        attempt = self.attempts.current
        return None if attempt is None else attempt.call

    @property
    def waits(self) -> bool:
        """Whether its media may still come, here or to another engine."""
        return not (self.claims or self.attempts.is_claimed or self.finished.done())

    def goes_on_elsewhere(self) -> None:
        """Another engine carries the media: end our part and leave the call alone."""
        self._over_at_provider = True
        self._end(ended("media_elsewhere"), state=CallState.COMPLETED)

    def attempt_started(self, attempt: Attempt, event: Started) -> None:
        known = self.seen.provider_call_id
        if self.attempts.has_started or (
            attempt.is_second and (not known or event.provider_call_id != known)
        ):
            log.warning("a second stream was refused", extra={"call_id": self.info.id})
            attempt.streamer.close("gone")
            return
        self.attempts.started(attempt)
        attempt.streamer.started()
        if event.provider_call_id and not known:
            self.learn(replace(self.seen, provider_call_id=event.provider_call_id))
        self.answered_at = clock.monotonic()
        self._shell.journal.changed(self.info.id, CallState.IN_PROGRESS, raw=self.seen.raw)
        attempt.call.confirm(early_agent=False)
        if self.agent_task is None:
            self.agent_task = AgentTask(self._loop, self.line.agent, attempt.call)

    def attempt_stopped(self, attempt: Attempt, event: Stopped) -> None:
        if attempt is self.attempts.current:
            self._over_at_provider |= event.ended
        attempt.streamer.close("stopped")

    # -- orders --------------------------------------------------------------------------------

    def placed(self, seen: base.CallInfo) -> None:
        """The provider took the order; a call that was given up meanwhile is ended there now, one
        that is over already here."""
        self.learn(seen)
        self.being_placed = False
        if seen.state is not None and CallState(seen.state).ended:
            self.hear(StatusInfo(seen.provider_call_id, seen.raw or seen.state, seen.state))
        if self.finished.done() and not self._over_at_provider:
            self._start(self._hang_up_at_provider())

    def not_placed(
        self, ending: Ending, cause: str | None, retry_after_s: int | None = None
    ) -> None:
        """The provider did not take the order."""
        self._over_at_provider = True
        self._end(ending, cause=cause, retry_after_s=retry_after_s)

    # -- what the provider says ----------------------------------------------------------------

    def learn(self, seen: base.CallInfo) -> None:
        """Take note of what the provider calls the call, and of what else it said."""
        self.seen = replace(
            seen,
            context_id=self.seen.context_id,
            provider_call_id=seen.provider_call_id or self.seen.provider_call_id,
            facts={**self.seen.facts, **seen.facts},
        )
        facts: dict[str, Any] = {}
        if self.seen.provider_call_id:
            facts["provider_call_id"] = self.seen.provider_call_id
        state = CallState(seen.state) if seen.state is not None else None
        if state is not None and state.ended:
            state = None  # an end has its reason, and is told by news
        self._shell.journal.changed(self.info.id, state, raw=seen.raw, **facts)

    def hear(self, news: StatusInfo) -> None:
        """Follow what the provider says of the call: late and repeated news change nothing."""
        if news.provider_call_id and not self.seen.provider_call_id:
            self.learn(replace(self.seen, provider_call_id=news.provider_call_id, state=None))
        if self.finished.done():
            return
        if news.state is None or not CallState(news.state).ended:
            state = None if news.state is None else CallState(news.state)
            self._shell.journal.changed(self.info.id, state, raw=news.raw)
            return
        self._over_at_provider = True
        # A call may be completed without having been in progress here: steps may be missing.
        state = CallState.COMPLETED if news.state == "completed" else None
        self._end(_ending_of(news), raw=news.raw, cause=news.cause, state=state)

    # -- Signalling ----------------------------------------------------------------------------

    def ring(self) -> None:
        self._cannot("ring: it answered already")

    def progress(self) -> bool:
        self._cannot("open the media early: it answered already")

    def answer(self) -> None:
        self._cannot("answer: it did already")

    def reject(
        self, status: int, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        self._cannot("reject: it answered already")

    def redirect(self, uri: str) -> None:
        self._cannot("redirect: it answered already")

    @property
    def takes_digits(self) -> bool:
        return False  # the legs do

    def send_digits(self, digits: str, done: Callable[[bool], None]) -> None:
        self._cannot("send keys by signalling")

    def hold(self, held: bool, done: Callable[[bool], None]) -> None:
        self._cannot("hold a call")

    def transfer(self, target: str | Signalling, done: Callable[[TransferOutcome], None]) -> None:
        if not self.spec.transfers or not isinstance(target, str):
            self._cannot("transfer a call" if isinstance(target, str) else "join two calls")
        why = self._shell.guard.check_target(target, credential=self.line.account)
        if why is not None:
            done(TransferOutcome(403, f"not allowed: {why}"))
            return
        telephony = cast(base.TransferringTelephony, self.line.telephony)
        self._transfer_asked = self._start(self._transfer(telephony, target, done))

    def _cannot(self, what: str) -> NoReturn:
        raise LocalProtocolError(f"the provider {self.spec.name} cannot {what}")

    async def _transfer(
        self,
        telephony: base.TransferringTelephony,
        target: str,
        done: Callable[[TransferOutcome], None],
    ) -> None:
        try:
            await telephony.transfer(self.seen, target)
        except ProviderError as error:
            done(TransferOutcome(error.code or 500, str(error)))
            return
        done(TransferOutcome(200, "OK"))
        self._over_at_provider = True  # it went on without us: hanging up would end it
        self._end(ended("transferred"))

    @property
    def codec(self) -> None:
        """No codec that the payloads of an RTP leg could pass in."""

    def dial(self, order: DialOrder, ringing: OnRinging) -> Awaitable[Call]:
        return self._legs.dial(self, order, ringing)

    def hand_over(self, agent: Agent) -> None:
        raise LocalProtocolError("the call has an agent already")

    def hang_up(self, reason: str, cause: str | None = None) -> None:
        """End the call here and at the provider."""
        self._end(ended(reason))

    # -- the end -------------------------------------------------------------------------------

    def look_over(
        self, now: float, media_timeout: float, max_call_seconds: float, context_seconds: float
    ) -> None:
        """End a call whose media never came or stopped, or that lasts too long."""
        if self.answered_at is None:
            if self.attempts.is_given_up(now):
                self._media_over(self._came_to_nothing)
            elif now - self.created_at > context_seconds:
                self.hang_up("media_never_came")
            return
        assert self.attempts.current is not None, "an answered call has media"
        self.attempts.current.call.look()
        heard_at = max(self.attempts.current.leg.heard_at, self.answered_at)
        if now - self.answered_at > max_call_seconds:
            self.hang_up("max_duration")
        elif now - heard_at > media_timeout:
            self.hang_up("media_timeout")

    def _end(
        self,
        ending: Ending,
        *,
        raw: str | None = None,
        cause: str | None = None,
        retry_after_s: int | None = None,
        state: CallState | None = None,
    ) -> None:
        """state: which end the provider says it is."""
        if self.finished.done():
            return
        if not self._over_at_provider and not self.being_placed:
            self._start(self._hang_up_at_provider())
        self.attempts.close(ending.reason)
        self._finish(ending, raw=raw, cause=cause, retry_after_s=retry_after_s, state=state)

    async def _hang_up_at_provider(self) -> None:
        """End the call there, also where that does not go through at once: else it rings on."""
        for pause_s in (*HANG_UP_PAUSES_S, None):
            try:
                await self.line.telephony.hang_up(self.seen)
            except ProviderError as error:
                known = {"call_id": self.info.id}
                log.warning("hanging up failed: %s", redact(str(error)), extra=known)
                if pause_s is None or not error.retryable:
                    return
                wished_s = min(error.retry_after_s or 0, LONGEST_PAUSE_S)
                await asyncio.sleep(max(pause_s, wished_s))
            else:
                return

    def _start(self, work: Any) -> asyncio.Task[None]:
        context = copy_context()
        context.run(ASKING_FOR.set, self.trace)
        name = f"provider of {self.info.id}"
        return self._shell.errands.start(work, name=name, context=context)

    def _finish(self, ending: Ending, *, cause: str | None, **facts: Any) -> None:
        quality: dict[str, Any] = {}
        if self.call is not None:
            quality = dict(self.call.stats())
            self.call.end(ending, cause=cause)
        self._legs.end(cause)
        if self.agent_task is not None:
            self.agent_task.stop_soon()
        self.finished.set_result(None)
        # Without the cause: a provider's text may name the numbers of the call.
        log.info("%s", ending.line(), extra={"call_id": self.info.id})
        facts |= {"quality": quality, "cause": cause}
        attempt = self.attempts.current
        if attempt is not None and attempt.leg.first_media_at is not None:
            ago = clock.monotonic() - attempt.leg.first_media_at
            facts["first_media_at"] = clock.wall() - ago
        self._shell.journal.ended(self.info.id, **ending.facts(), **facts)
        self._on_end(self)


def _ending_of(news: StatusInfo) -> Ending:
    assert news.state is not None, "only an end is asked about"
    status = _STATUS_OF.get(CallState(news.state))
    if status is None:
        return ended(_FAR_END_LEFT, news.code)
    code = news.code if news.code is not None and 400 <= news.code <= 699 else None
    return replace(not_answered(code or status), code=news.code)
