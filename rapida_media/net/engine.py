"""The engine: SIP endpoint, media and agents on one event loop.

``start`` listens, ``dial`` calls out, ``drain`` waits for the calls to end, ``stop`` ends them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from rapida_media import clock
from rapida_media.agents.base import Agent, AgentContext, make_agent
from rapida_media.agents.prologue import with_prologue
from rapida_media.call.admission import Admission
from rapida_media.call.call import CallInfo
from rapida_media.call.gate import Gate
from rapida_media.call.headers import CallHeaders
from rapida_media.call.identity import called_of, caller_of
from rapida_media.call.negotiation import NOT_ACCEPTABLE_HERE
from rapida_media.call.routing import Router
from rapida_media.config import Assistant, Config, Trunk
from rapida_media.errors import ConfigError, NegotiationError, RapidaError, RemoteProtocolError
from rapida_media.ids import IdSource, SystemIds
from rapida_media.media.wav import read_wav
from rapida_media.net.local_address import is_unspecified, local_address_towards
from rapida_media.net.logs import redact
from rapida_media.net.media import MediaChannel, MediaShell
from rapida_media.net.media_port import MediaPorts
from rapida_media.net.placing import Placing
from rapida_media.net.resolver import Resolver
from rapida_media.net.sip_call import SipCall
from rapida_media.net.sip_transport import SipTransport
from rapida_media.net.target import Target
from rapida_media.net.tls import Tls
from rapida_media.net.trunks import Trunks
from rapida_media.sdp.codec import SUPPORTED
from rapida_media.sdp.offer_answer import LocalMedia, OfferAnswer
from rapida_media.sip import events
from rapida_media.sip.address import Address, format_host
from rapida_media.sip.address import Path as Flow
from rapida_media.sip.digest import Credentials
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.invite_session import InviteSession
from rapida_media.sip.message import Request
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.sip.timers import TimerValues
from rapida_media.sip.uri import escape_user, unescape
from rapida_media.sip.user_agent import EndpointConfig, Headers
from rapida_media.stats import Counters

log = logging.getLogger(__name__)

# How often calls are looked over for lost media and for the maximum duration.
SWEEP_S = 1.0
RFC_TIMERS = TimerValues()
# How long a call may stay unanswered: as long as a proxy waits (RFC 3261 section 16.6, Timer C).
RING_S = 180.0
# How long the BYEs of ``stop`` may take to be answered.
STOP_S = 2.0


class Engine:
    """Everything that runs in one process.

    directory: where agents' relative files and modules are looked up.
    default_agent: spec of the agent for calls that no assistant matches; None refuses them.
    timers, ring_seconds: those of the SIP endpoint.
    """

    def __init__(
        self,
        config: Config,
        *,
        directory: Path,
        default_agent: str | None,
        ids: IdSource | None = None,
        timers: TimerValues = RFC_TIMERS,
        ring_seconds: float = RING_S,
    ) -> None:
        self.counters = Counters()
        self._config = config
        self._timers, self._ring_seconds = timers, ring_seconds
        self._ids = ids or SystemIds()
        self._loop = asyncio.get_running_loop()
        default = Assistant("", default_agent) if default_agent else None
        self._router = Router(config.assistants, default)
        # Made now, so that a wrong spec is a sentence at the start and not a failure at a call.
        self._agents = {
            each.name: _prepare(each, AgentContext(directory, config.store.recordings))
            for each in (*config.assistants.values(), *([default] if default else []))
        }
        _check_codecs(config.trunks.values())
        self._gate = Gate(config.trunks, config.sip.digest, self._ids, self.counters)
        ipv6 = any(":" in listen.host for listen in config.sip.listen)
        resolver = Resolver(self._ids, ipv6=ipv6)
        self._trunks = Trunks(
            config.trunks, self._gate, resolver, self.counters, self.drain_signalling
        )
        self._admission = Admission(config.limits.max_calls, config.limits.calls_per_second)
        tls = Tls(config.sip.tls_certificate, config.sip.tls_key, config.sip.tls_ca)
        self._transport = SipTransport(self._loop, self._handle, self.counters, tls)
        self._endpoint: SipEndpoint
        self.media: MediaShell
        self._calls: dict[InviteSession, SipCall] = {}
        # Agents whose call is over: they may still store what they learnt.
        self._agents_at_work: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._placing = Placing(self._loop, resolver, self._invite_for)
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def sip_addresses(self) -> Sequence[Address]:
        """What is listened on for SIP."""
        return self._transport.local_addresses

    @property
    def active_calls(self) -> int:
        return len(set(self._calls.values()))

    def figures(self) -> dict[str, int]:
        """Count what is alive now: all of it 0 once the last call is over and its timers ran out,
        but for the connections that peers keep open."""
        return {
            "calls": self.active_calls,
            "agents_at_work": len(self._agents_at_work),
            "sessions": len(self._endpoint.sessions),
            "transactions": self._endpoint.transaction_count,
            "timers": self._endpoint.timer_count,
            "connections": self._transport.connection_count,
            "ports_in_use": self.media.ports.in_use,
        }

    async def start(self) -> None:
        """Bind all listeners; ConfigError when one cannot be had."""
        for listen in self._config.sip.listen:
            try:
                await self._transport.listen(listen)
            except OSError as error:
                await self._transport.close()
                reason = error.strerror or error
                raise ConfigError(f"[sip] listen: {listen}: {reason}") from None
        hosts = {address.host for address in self.sip_addresses}
        rtp_host = hosts.pop() if len(hosts) == 1 else "0.0.0.0"  # noqa: S104 — follows [sip] listen
        first, last = self._config.rtp.ports
        ports = MediaPorts(rtp_host, first, last, self._ids)
        rtp = self._config.rtp
        self.media = MediaShell(self._loop, ports, self._ids, rtp.gap_wait_ms, rtp.jitter)
        self._endpoint = SipEndpoint(
            EndpointConfig(
                contacts=self._contacts(),
                timers=self._timers,
                ring_seconds=self._ring_seconds,
                session_expires=self._config.sip.session_expires,
                min_session_expires=self._config.sip.min_session_expires,
                guard=self._gate.check,
                admission=self._admit,
            ),
            self._ids,
            self.counters,
        )
        await self._trunks.look_up()
        await self._transport.start(self._endpoint)
        self._trunks.start(self._endpoint)
        self._sweep = self._loop.call_later(SWEEP_S, self._look_over_calls)

    async def drain(self) -> None:
        """Take no more calls; returns when the last one and its agent have ended."""
        self._admission.draining = True
        await self._idle.wait()

    async def stop(self) -> None:
        """End the calls that are left (BYE) and close everything."""
        self._admission.draining = True
        self._placing.cancel()
        for call in set(self._calls.values()):
            call.hang_up("engine_stopping")
        self.drain_signalling(clock.monotonic())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._transport.quiet.wait()
        for call in set(self._calls.values()):
            # RFC 3261 section 15: no BYE before the ACK of our 200, and that did not come.
            call.abandon("engine_stopping")
        await self._trunks.stop(STOP_S)
        if self._sweep is not None:
            self._sweep.cancel()
        await self._transport.close()
        self.media.shut_down()

    # -- outbound --------------------------------------------------------------------------------

    def dial(
        self,
        target: Target,
        agent: Agent,
        *,
        codecs: tuple[str, ...] | None = None,
        early_agent: bool = False,
        credentials: Credentials | None = None,
        from_uri: str | None = None,
        headers: Headers = (),
    ) -> SipCall:
        """Call a resolved SIP URI; the agent starts when it is answered, with early_agent as soon
        as the callee sends early media.

        credentials: who we are, also in From unless from_uri names another, and what answers a
        challenge. headers: more of the INVITE.
        RapidaError when no port is free. The result's ``finished`` tells the end.
        """
        channel = self.media.open()
        if channel is None:
            raise RapidaError("no RTP port pair is free")
        caller = from_uri or f"sip:rapida@{format_host(target.local_host)}"
        if from_uri is None and credentials is not None:
            caller = f"sip:{escape_user(credentials.username)}@{target.host}"
        info = CallInfo(self._ids.token(), "sip", "outbound", caller, target.uri)
        local = self._local_media(channel, target.local_host, codecs)
        call = self._make_call(info, channel, local, agent, early_agent=early_agent)
        now = clock.monotonic()
        session = self._endpoint.invite(
            target=target.uri,
            destination=target.addresses[0],
            others=target.addresses[1:],
            from_uri=caller,
            body=call.negotiation.offer(),
            now=now,
            credentials=credentials,
            headers=headers,
        )
        self._register(session, call)
        self.drain_signalling(now)
        return call

    async def dial_trunk(
        self,
        trunk: str,
        number: str,
        agent: Agent,
        *,
        caller_id: str | None = None,
        headers: Headers = (),
    ) -> SipCall:
        """Call a number by a trunk of the configuration.

        caller_id: in place of the trunk's. Raises as ``dial`` does, and ConfigError when the trunk
        is unknown or its server cannot be found.
        """
        way = await self._trunks.outbound(trunk, number, caller_id)
        return self.dial(
            way.target,
            agent,
            codecs=way.codecs,
            credentials=way.credentials,
            from_uri=way.from_uri,
            headers=(*way.headers, *headers),
        )

    # -- inbound ---------------------------------------------------------------------------------

    def _admit(self, request: Request, source: Address) -> tuple[int, list[tuple[str, str]]] | None:
        refusal = self._admission.admit(self.active_calls, clock.monotonic())
        if refusal is None:
            return None
        self.counters.add(f"refused_{refusal.reason}")
        return 503, [("Retry-After", str(refusal.retry_after_s))]

    def _handle(self, event: events.AnyEvent, now: float) -> None:
        if not isinstance(event, events.Event):
            self._trunks.handle(event)
        elif isinstance(event, events.IncomingInvite):
            self._incoming(event, now)
        elif (call := self._calls.get(event.session)) is not None:
            call.handle(event, now)

    def _replace(
        self, session: IncomingSession, replaced: InviteSession, offer: bytes, now: float
    ) -> None:
        """Move a call to the session that takes its place."""
        call = self._calls.get(replaced)
        if call is None or call.session is not replaced:
            session.reject(481, now)
            return
        try:
            call.take_over(session, offer, OfferAnswer(self._ids))
        except (NegotiationError, RemoteProtocolError):
            session.reject(NOT_ACCEPTABLE_HERE, now)
        else:
            self._calls[session] = call

    def _incoming(self, event: events.IncomingInvite, now: float) -> None:
        session, request = event.session, event.request
        assert session.dialog is not None, "an incoming session begins with its dialog"
        if event.replaces is not None:
            self._replace(session, event.replaces, event.body, now)
            return
        trunk = self._gate.trunk_of(request)
        caller, called = request.from_.uri_text, request.uri_text
        user = unescape(request.uri.user or "")
        if trunk is not None:
            caller = caller_of(request, trunk)
            user = called_of(request, trunk) or ""
            called = user or called
        assistant = self._router.route(user)
        channel = self.media.open() if assistant is not None else None
        if assistant is None or channel is None:
            session.reject(404 if assistant is None else 503, now)
            return
        info = CallInfo(
            id=self._ids.token(),
            provider="sip",
            direction="inbound",
            caller=caller,
            called=called,
            assistant=assistant.name or None,
            parameters=assistant.parameters,
            headers=CallHeaders(request),
        )
        address = self._address_towards(session.dialog.flow)
        local = self._local_media(channel, address, trunk.codecs if trunk is not None else None)
        call = self._make_call(
            info,
            channel,
            local,
            self._agents[assistant.name],
            early_agent=assistant.answer == "agent",
            follow_transfers=assistant.follow_transfers,
        )
        self._register(session, call)
        try:
            call.take(event.body)
        except (NegotiationError, RemoteProtocolError) as error:
            log.info("offer refused: %s", error, extra={"call_id": info.id})
            call.reject(getattr(error, "status", None) or NOT_ACCEPTABLE_HERE)

    # -- calls -----------------------------------------------------------------------------------

    def _make_call(
        self,
        info: CallInfo,
        channel: MediaChannel,
        local: LocalMedia,
        agent: Agent,
        *,
        early_agent: bool,
        follow_transfers: bool = False,
    ) -> SipCall:
        return SipCall(
            self,
            self._loop,
            info=info,
            channel=channel,
            offers=OfferAnswer(self._ids),
            local=local,
            agent=agent,
            early_agent=early_agent,
            follow_transfers=follow_transfers,
        )

    def _register(self, session: IncomingSession | OutgoingSession, call: SipCall) -> None:
        call.begin(session)
        self._calls[session] = call
        self._idle.clear()
        log.info(
            "%s call %s → %s",
            call.call.direction,
            redact(call.call.caller),
            redact(call.call.called),
            extra={"call_id": call.call.id},
        )

    def call_ended(self, call: SipCall) -> None:
        """Forget an ended call; called by the call itself, once."""
        for session in call.sessions:
            self._calls.pop(session, None)
        ended = call.call.ended
        assert ended is not None
        if log.isEnabledFor(logging.INFO):
            log.info(
                "ended: %s%s%s",
                ended.reason,
                f" ({ended.code})" if ended.code else "",
                f", {ended.cause}" if ended.cause else "",
                extra={"call_id": call.call.id, "fields": call.call.stats()},
            )
        if (error := call.call.recording_error) is not None:
            log.warning("not all was recorded: %s", error, extra={"call_id": call.call.id})
        if (agent := call.agent_at_work) is not None:
            self._agents_at_work.add(agent)
            agent.add_done_callback(self._agent_ended)
        self._set_if_idle()

    def _agent_ended(self, agent: asyncio.Task[None]) -> None:
        self._agents_at_work.discard(agent)
        self._set_if_idle()

    def _set_if_idle(self) -> None:
        if not self._calls and not self._agents_at_work:
            self._idle.set()

    def place(self, call: SipCall, target: str, headers: Headers) -> None:
        """Call target for a call that moves there; its mover hears what comes of it."""
        self._placing.start(call, target, headers)

    def _invite_for(self, call: SipCall, target: Target, headers: Headers) -> None:
        now = clock.monotonic()
        negotiation = call.negotiation.successor(OfferAnswer(self._ids))
        session = self._endpoint.invite(
            target=target.uri,
            destination=target.addresses[0],
            others=target.addresses[1:],
            from_uri=call.local_uri,
            body=negotiation.offer(),
            headers=headers,
            now=now,
        )
        self._calls[session] = call
        call.sessions.add(session)
        call.mover.placed(session, negotiation)
        self.drain_signalling(now)

    def forget(self, session: InviteSession) -> None:
        """A session that a call left behind is over."""
        self._calls.pop(session, None)

    def drain_signalling(self, now: float) -> None:
        """Send what an intent of a session produced."""
        self._transport.drain(now)

    def _look_over_calls(self) -> None:
        """Once a second: end calls whose media stopped or that last too long."""
        self._sweep = self._loop.call_later(SWEEP_S, self._look_over_calls)
        now = clock.monotonic()
        for call in set(self._calls.values()):
            self.counters.add("rtcp_discarded", call.discard_rtcp())
            call.look_over(
                now, self._config.rtp.media_timeout, self._config.limits.max_call_seconds
            )

    # -- addresses -------------------------------------------------------------------------------

    def _contacts(self) -> dict[str, tuple[str, int]]:
        """By transport, what Via and Contact name."""
        external = self._config.sip.external_address
        return {
            address.transport: (external or _reachable(address.host), address.port)
            for address in reversed(self.sip_addresses)
        }

    def _address_towards(self, flow: Flow) -> str:
        """Give what the far end can reach us by: the listener it called, unless that is all."""
        if flow.local is not None and not is_unspecified(flow.local.host):
            return flow.local.host
        return local_address_towards(flow.remote.host)

    def _local_media(
        self, channel: MediaChannel, address: str, codecs: tuple[str, ...] | None = None
    ) -> LocalMedia:
        media = LocalMedia(self._config.sip.external_address or address, channel.port.port)
        return replace(media, codecs=codecs) if codecs else media


def _check_codecs(trunks: Iterable[Trunk]) -> None:
    for trunk in trunks:
        for name in trunk.codecs or ():
            if name not in SUPPORTED:
                known = ", ".join(SUPPORTED)
                raise ConfigError(f"[trunks.{trunk.name}] codecs: expected {known}, got {name!r}")


def _prepare(assistant: Assistant, context: AgentContext) -> Agent:
    agent = make_agent(assistant.agent, context)
    recordings = context.recordings if assistant.record else None
    greeting = read_wav(assistant.greeting) if assistant.greeting is not None else None
    return with_prologue(agent, greeting, recordings)


def _reachable(host: str) -> str:
    """Give an address for ``0.0.0.0`` and ``::``: the one the default route leads out by."""
    if not is_unspecified(host):
        return host
    # RFC 5737 and RFC 3849: documentation addresses; nothing is sent to them.
    try:
        return local_address_towards("2001:db8::1" if ":" in host else "192.0.2.1")
    except OSError:
        return "::1" if ":" in host else "127.0.0.1"
