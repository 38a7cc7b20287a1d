"""The calls of an engine: makes them, knows them by their sessions, lets go of them.

Owned by the engine; ``Incoming`` and ``Dialling`` make calls here.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

from rapida_media import clock
from rapida_media.agents.base import Agent
from rapida_media.call.call import CallInfo
from rapida_media.call.endings import Ending
from rapida_media.call.journal import Journal
from rapida_media.call.records import record_of
from rapida_media.call.state import CallState
from rapida_media.ids import IdSource
from rapida_media.net.agent_task import AgentsAtWork
from rapida_media.net.local_address import (
    address_towards,
    is_unspecified,
    local_address_towards,
)
from rapida_media.net.logs import redact
from rapida_media.net.sip_call import CallShell, SipCall
from rapida_media.rtp.srtp import AVAILABLE_SUITES
from rapida_media.sdp.crypto import OFFERED_SUITES
from rapida_media.sdp.offer_answer import LocalMedia, OfferAnswer
from rapida_media.sdp.peer_audio import audio_address
from rapida_media.sip.address import Path as Flow
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import InviteSession
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.trace import Tracer, ladder

log = logging.getLogger(__name__)

_OFFERED_SUITES = tuple(suite for suite in OFFERED_SUITES if suite in AVAILABLE_SUITES)


class Calls:
    """shell: what the calls are given. external_address: what SDP names in place of our address.

    journal: hears of every call when it begins and when it ends; the call itself tells the rest.
    agents: those that outlive their call. idle: set while there is no call.
    """

    def __init__(
        self,
        shell: CallShell,
        loop: asyncio.AbstractEventLoop,
        ids: IdSource,
        external_address: str | None,
        *,
        tracer: Tracer,
        journal: Journal,
        agents: AgentsAtWork,
    ) -> None:
        self._shell = shell
        self._loop = loop
        self._ids = ids
        self._external_address = external_address
        self._tracer = tracer
        self._journal = journal
        self._by_session: dict[InviteSession, SipCall] = {}
        self._agents = agents
        self.idle = asyncio.Event()
        self.idle.set()

    def make(
        self,
        info: CallInfo,
        agent: Agent | None,
        *,
        address: str,
        codecs: tuple[str, ...] | None,
        srtp: str,
        early_agent: bool,
        follow_transfers: bool = False,
        jitter: str | None = None,
    ) -> SipCall | None:
        """Make a call with media of its own; None when no port is free.

        address: ours, as the far end sees it. srtp: "off", "optional" or "required". The call is
        alive from ``add`` on. jitter: in place of that of ``[rtp]``.
        """
        external = self._external_address
        if external is not None and (":" in external) == (":" in address):
            address = external
        channel = self._shell.media.open(ipv6=":" in address, jitter=jitter)
        if channel is None:
            return None
        local = LocalMedia(
            address,
            channel.port.port,
            rtcp_mux=self._shell.media.rtcp_mux,
            comfort_noise=self._shell.media.comfort_noise,
            srtp=srtp,
            offered_suites=_OFFERED_SUITES,
            accepted_suites=AVAILABLE_SUITES,
        )
        return SipCall(
            self._shell,
            self._loop,
            info=info,
            channel=channel,
            offers=OfferAnswer(self._ids),
            local=replace(local, codecs=codecs) if codecs else local,
            agent=agent,
            early_agent=early_agent,
            follow_transfers=follow_transfers,
        )

    def address_for(self, flow: Flow, offer: bytes) -> str:
        """Give our address for the answer to an offer: of the offer's IP family where media may go
        that way, whatever family the signalling came by."""
        address = address_towards(flow)
        ours = self._shell.media.ports.address(ipv6=":" not in address)
        if ours is None:  # one family alone: the offer need not be read for that
            return address
        theirs = audio_address(offer)
        if theirs is None or (":" in theirs) == (":" in address):
            return address
        if not is_unspecified(ours):
            return ours
        try:
            return local_address_towards(theirs)
        except OSError:  # no route: the offer will be refused
            return address

    def add(self, session: IncomingSession | OutgoingSession, call: SipCall) -> None:
        """Take note of a new call, which begins with this session."""
        call.begin(session)
        self._by_session[session] = call
        self._trace(session, call)
        self.idle.clear()
        self._begin_record(call.call.info)
        log.info(
            "%s call %s → %s",
            call.call.direction,
            redact(call.call.caller),
            redact(call.call.called),
            extra={"call_id": call.call.id},
        )

    def _begin_record(self, info: CallInfo) -> None:
        if info.id in self._journal.live:  # it was ordered, and is placed now
            self._journal.changed(
                info.id, CallState.INITIATED, caller=info.caller, called=info.called
            )
            return
        now = clock.wall()
        self._journal.created(record_of(info, now, state=CallState.INITIATED, initiated_at=now))

    def move(self, session: InviteSession, call: SipCall) -> None:
        """Take note of one more session of a call."""
        self._by_session[session] = call
        self._trace(session, call)

    def _trace(self, session: InviteSession, call: SipCall) -> None:
        self._tracer.adopt(session.call_id, call.call.id, call.milestones.note)
        call.call.traced_by(partial(self.drawn, call.call.id))

    def drawn(self, call_id: str, *, whole: bool = False) -> str:
        """Draw the SIP messages of a call, of one that is over for as long as they are kept."""
        trace = self._tracer.of(call_id)
        return "" if trace is None else ladder(trace, whole=whole)

    def forget(self, session: InviteSession) -> None:
        """A session that a call left behind is over."""
        self._by_session.pop(session, None)

    def of(self, session: InviteSession) -> SipCall | None:
        return self._by_session.get(session)

    @property
    def alive(self) -> Collection[SipCall]:
        return set(self._by_session.values())

    def ended(self, call: SipCall, ending: Ending) -> None:
        """Let go of a call that is over."""
        for session in call.sessions:
            self._by_session.pop(session, None)
        told, quality = call.call.ended, call.call.stats()
        assert told is not None, "the call was ended before its shell heard of it"
        self._journal.ended(
            call.call.id,
            **ending.facts(),
            cause=told.cause,
            retry_after_s=told.retry_after_s,
            quality=quality,
        )
        if log.isEnabledFor(logging.INFO):
            fields = {**quality, **ending.facts(), "milestones": _rounded(call.call.milestones)}
            extra = {"call_id": call.call.id, "fields": fields}
            log.info("%s", ending.line(told.cause), extra=extra)
        recording = call.call.recording
        if recording is not None and (error := recording.error) is not None:
            log.warning("not all was recorded: %s", error, extra={"call_id": call.call.id})
        self._agents.outlives(call.agent_task)
        if not self._by_session:
            self.idle.set()


def _rounded(milestones: Mapping[str, float]) -> dict[str, float]:
    return {name: round(at, 4) for name, at in milestones.items()}
