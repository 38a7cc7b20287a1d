"""One call from a browser, from its offer to its end: the ``Signalling`` of its ``Call``.

Audio flows both ways from the browser's DTLS handshake with us on. The call is answered then,
unless its agent decides about that: it may let the call ring, speak, answer or reject it.
Every way it can end leads through ``_end``.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NoReturn

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import Call, CallInfo
from rapida_media.call.endings import Ending, ended, turned_away
from rapida_media.call.second_leg import DialOrder, OnRinging
from rapida_media.call.signalling import Signalling
from rapida_media.call.state import CallState
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.legs.webrtc_leg import WebRtcLeg
from rapida_media.net.agent_task import AgentTask
from rapida_media.net.media import MediaChannel
from rapida_media.net.media_port import reachable_address
from rapida_media.net.media_watch import MediaWatch, note_first_media, tell_of_trouble
from rapida_media.net.second_legs import SecondLegs
from rapida_media.net.shell import Shell
from rapida_media.providers.trace import ProviderTrace
from rapida_media.rtp.path import Address
from rapida_media.sdp.crypto import SrtpKeys
from rapida_media.sdp.offer_answer import NegotiatedAudio

if TYPE_CHECKING:
    from rapida_media.net.dtls import Dtls

log = logging.getLogger(__name__)

# Checks and handshake take a few round trips; a browser that finds no way tries for longer.
CONNECT_S = 10.0
# A browser checks every 2.5 s and aiortc every 5 s whether it may still send (RFC 7675 section 5.1
# has consent expire after 30 s): who missed this many is gone.
CONSENT_S = 15.0


class WebRtcCall:
    """channel: its port and its ``WebRtcLeg``. trace: keeps how it began and ended.

    early_agent: the agent decides whether and when the call is answered.
    finished: done when the call is over, which is before the far end was told and the port given
    back: ``settled`` waits for that. on_end: called once, when ``finished`` is done.
    """

    def __init__(
        self,
        shell: Shell,
        on_end: Callable[[WebRtcCall], None],
        *,
        info: CallInfo,
        agent: Agent,
        channel: MediaChannel,
        early_agent: bool,
        trace: ProviderTrace,
    ) -> None:
        self._shell = shell
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._agent = agent
        self._early_agent = early_agent
        self.trace = trace
        self._channel = channel
        assert isinstance(channel.leg, WebRtcLeg), "it was opened with an ICE agent"
        self._leg = channel.leg
        self._watch = MediaWatch(channel.leg)
        self._legs = SecondLegs(shell.dial_for)
        self._audio: NegotiatedAudio
        self._dtls: Dtls
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._connected_at: float | None = None
        self.agent_task: AgentTask | None = None
        self.call = Call(info, channel.leg, self, self._loop.create_future)
        self.call.disk = shell.disk
        self._milestones = self.call.timeline
        self._milestones.note("initiated", clock.monotonic())
        self.finished: asyncio.Future[None] = self._loop.create_future()

    @property
    def connected(self) -> bool:
        """Whether the handshake is done."""
        return self._connected_at is not None

    # -- the start -----------------------------------------------------------------------------

    def begin(
        self, audio: NegotiatedAudio, dtls: Dtls, fingerprints: tuple[tuple[str, str], ...]
    ) -> None:
        """Take checks and the handshake of who made the offer; audio: what was agreed."""
        self._audio, self._dtls = audio, dtls
        self._leg.carry(self._send, dtls.receive)
        self._shell.media.listen(self._channel)
        name = f"handshake of {self.info.id}"
        self._connecting = self._loop.create_task(self._connect(fingerprints), name=name)

    async def _connect(self, fingerprints: tuple[tuple[str, str], ...]) -> None:
        """Task root of the handshake."""
        try:
            async with asyncio.timeout(CONNECT_S):
                keys = await self._dtls.handshake(fingerprints)
            self._connected(keys)
        except TimeoutError:
            checked = self._leg.ice.heard_at is not None
            missing = "no DTLS handshake" if checked else "no ICE check"
            self._end(ended("media_never_came"), f"{missing} within {CONNECT_S:.0f} s")
        except RemoteProtocolError as error:
            self._end(ended("protocol_error"), str(error))
        except Exception:
            log.exception("the handshake failed", extra={"call_id": self.info.id})
            self._end(ended("engine_error"))

    def _connected(self, keys: SrtpKeys) -> None:
        if self.finished.done():
            return
        self._connected_at = now = clock.monotonic()
        self._leg.secure(self._audio, keys)
        self._shell.media.start(self._channel, now)
        self._note("connected", sent=False, codec=self.codec, srtp=keys.suite)
        if self._early_agent:
            self._start_agent()
        else:
            self.answer()

    def _start_agent(self) -> None:
        if self.agent_task is None:
            self.agent_task = AgentTask(self._loop, self._agent, self.call)

    def _send(self, data: bytes, destination: Address) -> None:
        used = self._channel.port.rtp
        try:
            used.sendto(data, reachable_address(used, destination))
        except OSError:  # as on the network: it is asked for again
            return

    def send_dtls(self, data: bytes) -> None:
        """Send a datagram of the handshake."""
        self._leg.send_dtls(data)

    def far_end_closed(self) -> None:
        """The browser closed its connection."""
        self._end(ended("bye" if self.call.answered else "canceled"), told=True)

    def _note(self, event: str, *, sent: bool, **facts: str | None) -> None:
        self.trace.add(json.dumps({"event": event, **facts}), clock.monotonic(), sent=sent)

    # -- Signalling ----------------------------------------------------------------------------

    def ring(self) -> None:
        self._milestones.note("ringing", clock.monotonic())
        self._shell.journal.changed(self.info.id, CallState.RINGING)

    def progress(self) -> bool:
        self.ring()
        return True  # the media is open already

    def answer(self) -> None:
        self._milestones.note("answered", clock.monotonic())
        self._shell.journal.changed(self.info.id, CallState.IN_PROGRESS)
        self.call.confirm(early_agent=self.agent_task is not None)
        self._start_agent()

    def reject(
        self, status: int, cause: str | None = None, retry_after_s: int | None = None
    ) -> None:
        self._end(turned_away(status), cause, retry_after_s=retry_after_s)

    def redirect(self, uri: str) -> None:
        self._cannot('be redirected, but bridged: transfer(…, mode="bridge")')

    @property
    def takes_digits(self) -> bool:
        return False  # the leg does, where the browser offered telephone-event

    def send_digits(self, digits: str, done: Callable[[bool], None]) -> None:
        self._cannot("take keys by signalling")

    def hold(self, held: bool, done: Callable[[bool], None]) -> None:
        self._cannot("be held")

    def transfer(self, target: str | Signalling, done: Callable[[TransferOutcome], None]) -> None:
        self._cannot('be sent elsewhere, but bridged: transfer(…, mode="bridge")')

    def _cannot(self, what: str) -> NoReturn:
        raise LocalProtocolError(f"a call from a browser cannot {what}")

    @property
    def info(self) -> CallInfo:
        return self.call.info

    @property
    def codec(self) -> str | None:
        """What we send, None before the handshake."""
        audio = self._leg.negotiated
        return None if audio is None else audio.send.name

    def dial(self, order: DialOrder, ringing: OnRinging) -> Awaitable[Call]:
        return self._legs.dial(self, order, ringing)

    def hand_over(self, agent: Agent) -> None:
        raise LocalProtocolError("the call has an agent already")

    def hang_up(self, reason: str, cause: str | None = None) -> None:
        self._end(ended(reason), cause)

    # -- the end -------------------------------------------------------------------------------

    def look_over(
        self, now: float, media_timeout: float, max_call_seconds: float, ring_seconds: float
    ) -> None:
        """End the call when its far end is gone, nobody decides about it, or it lasts too long."""
        note_first_media(self.call, self._leg, self._shell.journal)
        connected, heard_at = self._connected_at, self._leg.ice.heard_at
        if connected is None or heard_at is None:
            return
        answered = self._milestones.at("answered")
        silent = self._audio.direction != "sendrecv"
        if now - (answered or now) > max_call_seconds:
            self.hang_up("max_duration")
        elif answered is None and now - connected > ring_seconds:
            self.hang_up("ring_timeout")
        elif now - heard_at > CONSENT_S:
            self._end(ended("media_lost"), "no ICE checks any more")
        elif self._watch.silent_for(now, connected, silent) > media_timeout:
            self.hang_up("media_timeout")
        self.call.look()
        tell_of_trouble(self.call, self._leg, now, expecting=not silent)

    def _end(
        self,
        ending: Ending,
        cause: str | None = None,
        *,
        retry_after_s: int | None = None,
        told: bool = False,
    ) -> None:
        """The one way out: tell the agent and the journal, and give everything back.

        told: the far end said so.
        """
        if self.finished.done():
            return
        self._note("closed", sent=not told, reason=ending.reason, cause=cause)
        self._milestones.note("ended", clock.monotonic())
        note_first_media(self.call, self._leg, self._shell.journal)
        quality = self.call.stats()
        self.call.end(ending, cause=cause, retry_after_s=retry_after_s)
        self._legs.end(cause)
        if self.agent_task is not None:
            self.agent_task.stop_soon()
        self.finished.set_result(None)
        self._closing = self._loop.create_task(self._close(), name=f"end of {self.info.id}")
        log.info("%s", ending.line(cause), extra={"call_id": self.info.id})
        self._shell.journal.ended(
            self.info.id,
            **ending.facts(),
            cause=cause,
            retry_after_s=retry_after_s,
            quality=quality,
        )
        self._on_end(self)

    async def _close(self) -> None:
        """Task root of the end on the wire."""
        try:
            if self._connecting is not None:
                self._connecting.cancel()
                await asyncio.wait({self._connecting})
            await self._dtls.close()
        except Exception:
            log.exception("the end of DTLS failed", extra={"call_id": self.info.id})
        finally:
            self._shell.media.close(self._channel)
            # Cut the circles of who tells whom, as ``Call.end`` does.
            self._leg.release()
            del self._dtls

    async def settled(self) -> None:
        """Wait until the far end was told and the port is given back."""
        if self._closing is not None:
            await asyncio.wait({self._closing})
