"""The engine: SIP endpoint, media and agents on one event loop.

``start`` listens, ``dial`` calls out, ``drain`` waits for the calls to end, ``stop`` ends them.
What comes in goes to ``Incoming``, what goes out through ``Dialling``; both keep it in ``Calls``.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from rapida_media import clock
from rapida_media.agents.base import AgentContext
from rapida_media.call.call import Call
from rapida_media.call.contexts import ContextStore, MemoryContexts
from rapida_media.call.endings import Ending
from rapida_media.call.gate import Gate
from rapida_media.call.guard import TollGuard
from rapida_media.call.journal import Journal
from rapida_media.call.second_leg import DialOrder
from rapida_media.config import Config, transports_of
from rapida_media.errors import ConfigError, RapidaError
from rapida_media.ids import IdSource, SystemIds
from rapida_media.net.agent_task import AgentsAtWork
from rapida_media.net.assistants import Assistants
from rapida_media.net.audiosocket import AudioSocketServer
from rapida_media.net.bots import Bots
from rapida_media.net.calls import Calls
from rapida_media.net.capture import Captures
from rapida_media.net.dialling import Dialling
from rapida_media.net.disk import DiskThread
from rapida_media.net.event_feeds import EventFeeds
from rapida_media.net.incoming import Incoming
from rapida_media.net.local_address import contact_towards, contacts
from rapida_media.net.media import MediaShell
from rapida_media.net.media_port import MediaPorts, media_addresses
from rapida_media.net.placing import Placing
from rapida_media.net.provider_call import ProviderCall
from rapida_media.net.provider_calls import ProviderCalls
from rapida_media.net.reload import Prepared, check_codecs
from rapida_media.net.resolver import Resolver
from rapida_media.net.second_legs import Owner
from rapida_media.net.shell import Shell
from rapida_media.net.sip_call import SipCall
from rapida_media.net.sip_events import SipEvents
from rapida_media.net.sip_transport import SipTransport
from rapida_media.net.sweep import Sweep
from rapida_media.net.target import Target, resolve_target
from rapida_media.net.tls import Tls
from rapida_media.net.trunks import Trunks
from rapida_media.net.turnstile import Turnstile
from rapida_media.net.webrtc_call import WebRtcCall
from rapida_media.net.webrtc_calls import WebRtcCalls
from rapida_media.providers.registry import check_credentials
from rapida_media.sip.address import Address
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.invite_session import InviteSession
from rapida_media.sip.timers import TimerValues
from rapida_media.sip.trace import TraceLimits, Tracer
from rapida_media.sip.user_agent import EndpointConfig, Headers
from rapida_media.stats import Counters

RFC_TIMERS = TimerValues()
# How long the BYEs of ``stop`` may take to be answered.
STOP_S = 2.0


class Engine:
    """Everything that runs in one process.

    directory: where agents' relative files and modules are looked up.
    default_agent: spec of the agent for calls that no assistant matches; None refuses them.
    contexts: where media finds its call; in memory unless given.
    guard: what may be called, by whoever orders it.
    timers: those of the SIP endpoint. traces: how many messages are kept.
    admit: takes one more call into account; see ``Turnstile.order``.
    dial, dial_trunk: call a resolved SIP URI, or a number by a trunk; see ``Dialling``.
    """

    def __init__(
        self,
        config: Config,
        *,
        directory: Path,
        default_agent: str | None,
        ids: IdSource | None = None,
        contexts: ContextStore | None = None,
        timers: TimerValues = RFC_TIMERS,
        traces: TraceLimits | None = None,
    ) -> None:
        self.counters = Counters()
        self._config = config
        self._timers = timers
        self._ids = ids or SystemIds()
        self._loop = asyncio.get_running_loop()
        self.disk = DiskThread(self._loop)
        check_codecs(config.trunks.values())
        self._gate = Gate(config.trunks, config.sip.digest, self._ids, self.counters)
        self._tracer = Tracer(traces)
        self._captures = Captures(self._loop, self._tracer)
        self.contexts = MemoryContexts() if contexts is None else contexts
        self._agents = AgentsAtWork()
        self.journal = Journal(self._loop.create_future, clock.wall)
        self.guard = TollGuard(config, self.journal.live, default_agent)
        self.journal.add_sink(self.guard.ledger)
        self._calls = Calls(
            self,
            self._loop,
            self._ids,
            config.sip.external_address,
            tracer=self._tracer,
            agents=self._agents,
        )
        self.bots = Bots()
        context = AgentContext(
            directory,
            config.store.recordings,
            bots=self.bots,
            ids=self._ids,
            credentials=config.credentials,
        )
        self.assistants = Assistants(config.assistants, default_agent, context)
        ipv6 = any(":" in listen.host for listen in config.sip.listen)
        resolver = self._resolver = Resolver(
            self._ids, transports=transports_of(config.sip.listen), ipv6=ipv6
        )
        self._trunks = Trunks(
            config.trunks, self._gate, resolver, self.counters, self.drain_signalling
        )
        self._events = SipEvents(
            self._loop,
            resolver,
            self.drain_signalling,
            trunks=self._trunks,
            incoming=Incoming(self._calls, self._gate, self._ids, self.assistants, self.counters),
            calls=self._calls,
        )
        self._dialling = Dialling(
            self._calls, self._trunks, resolver, self._ids, self, assistants=self.assistants
        )
        self.dial, self.dial_trunk = self._dialling.dial, self._dialling.dial_trunk
        self._placing = Placing(self._loop, self._dialling.way_to, self._dialling.move)
        self._turnstile = Turnstile(config.limits, self._admitted_calls, self.counters)
        self.admit = self._turnstile.order
        self._shell = Shell(
            ids=self._ids,
            turnstile=self._turnstile,
            assistants=self.assistants,
            journal=self.journal,
            guard=self.guard,
            dial_for=self.dial_for,
            disk=self.disk,
            agents=self._agents,
        )
        self.provider_calls = ProviderCalls(
            self._shell, config.credentials, self.contexts, self.counters
        )
        self.webrtc_calls = WebRtcCalls(
            self._shell, config.sip.external_address, config.limits.ring_seconds
        )
        self.feeds = EventFeeds(self.provider_calls)
        self.audiosocket = AudioSocketServer(config.audiosocket, self.provider_calls, self.counters)
        self._transport = SipTransport(
            self._loop,
            self._events.handle,
            self.counters,
            Tls(config.sip),
            tracer=self._tracer,
            keeper=self.journal,
            known=self._gate.knows,
        )
        self._endpoint: SipEndpoint
        self.media: MediaShell
        self._sweep = Sweep(
            self._loop,
            lambda: self._config,
            self._calls,
            (self.provider_calls, self.webrtc_calls),
            self.journal,
        )

    @property
    def sip_addresses(self) -> Sequence[Address]:
        """What is listened on for SIP."""
        return self._transport.local_addresses

    @property
    def active_calls(self) -> int:
        return len(self._calls.alive) + len(self.provider_calls) + len(self.webrtc_calls)

    def _admitted_calls(self) -> int:
        """Count the calls that were let in: those that live, orders that were not placed yet,
        offers whose host names are being looked up, and calls whose contexts are being stored."""
        waiting = self._events.waiting_calls + self.provider_calls.being_made
        return len(self.journal.live) + waiting

    @property
    def draining(self) -> bool:
        """Whether no more calls are taken, since the engine is about to stop."""
        return self._turnstile.closed

    def trunk_health(self) -> Mapping[str, Mapping[str, bool]]:
        """Tell of each trunk what is kept up with it; see ``Trunks.health``."""
        return self._trunks.health()

    def figures(self) -> dict[str, int]:
        """Count what is alive now: all of it 0 once the last call is over and its timers ran out,
        but for the connections that peers keep open."""
        return {
            "calls": self.active_calls,
            "agents_at_work": len(self._agents),
            "sessions": len(self._endpoint.sessions),
            "transactions": self._endpoint.transaction_count,
            "timers": self._endpoint.timer_count,
            "connections": self._transport.connection_count + self.audiosocket.connections,
            "ports_in_use": self.media.ports.in_use,
        }

    def trace(self, call_id: str, *, whole: bool = False) -> str:
        """Draw the messages of a call, SIP's or its provider's, secrets and phone numbers hidden;
        empty when nothing is kept of it (any more). whole: with the SIP messages themselves."""
        beside = (self.provider_calls.traces, self.webrtc_calls.traces)
        drawn = (traces.drawn(call_id) for traces in beside)
        return self._calls.drawn(call_id, whole=whole) or next(filter(None, drawn), "")

    def capture(self, call_id: str, path: Path) -> None:
        """Write the SIP messages and RTP packets of a live call to a pcap file until its end.

        In clear and with all its numbers. RapidaError when there is no such call, or it is being
        captured; OSError when the file cannot be made.
        """
        for call in self._calls.alive:
            if call.call.id == call_id:
                self._captures.start(call, path, self.media)
                return
        raise RapidaError("there is no such call")

    async def start(self) -> None:
        """Bind all listeners; ConfigError when one cannot be had."""
        for listen in self._config.sip.listen:
            try:
                await self._transport.listen(listen)
            except OSError as error:
                await self._transport.close()
                reason = error.strerror or error
                raise ConfigError(f"[sip] listen: {listen}: {reason}") from None
        rtp_host, *others = media_addresses([address.host for address in self.sip_addresses])
        first, last = self._config.rtp.ports
        ports = MediaPorts(rtp_host, first, last, self._ids, other=next(iter(others), None))
        rtp = self._config.rtp
        self.media = MediaShell(
            self._loop,
            ports,
            self._ids,
            rtp.gap_wait_ms,
            rtp.jitter,
            rtcp_mux=rtp.rtcp_mux,
            comfort_noise=rtp.comfort_noise,
        )
        self._endpoint = self._dialling.endpoint = self._events.endpoint = SipEndpoint(
            EndpointConfig(
                contacts=contacts(self.sip_addresses, self._config.sip.external_address),
                towards=contact_towards(self.sip_addresses, self._config.sip.external_address),
                timers=self._timers,
                ring_seconds=self._config.limits.ring_seconds,
                session_expires=self._config.sip.session_expires,
                min_session_expires=self._config.sip.min_session_expires,
                guard=self._gate.check,
                admission=self._turnstile.check,
            ),
            self._ids,
            self.counters,
        )
        self._shell.media = self.bots.media = self.media
        await self.audiosocket.start()
        self.feeds.use(self._config.credentials)
        await self._trunks.look_up()
        await self._transport.start(self._endpoint)
        self._trunks.start(self._endpoint)
        self._sweep.start()

    async def prepare(self, config: Config) -> Prepared:
        """Make ready all that other assistants, accounts and trunks need; changes nothing.

        ConfigError. The rest of config is the present one; see ``config.reload.taking_over``.
        """
        check_codecs(config.trunks.values())
        check_credentials(config.credentials.values(), self.provider_calls.specs)
        assistants = await asyncio.to_thread(
            self.assistants.others, config.assistants, config.credentials
        )
        return Prepared(config, assistants, await self._trunks.prepare(config.trunks))

    def use(self, prepared: Prepared) -> None:
        """Take what ``prepare`` made, all at once; calls in progress go on with what they have."""
        self._config = prepared.config
        self.guard.use(prepared.config)
        self.assistants.use(prepared.assistants)
        self.provider_calls.use(prepared.config.credentials)
        self.feeds.use(prepared.config.credentials)
        self._trunks.use(prepared.config.trunks, prepared.links)

    async def drain(self) -> None:
        """Take no more calls; returns when the last one and its agent have ended."""
        self._turnstile.close()
        self._trunks.take_no_calls()
        for busy in (self._calls, self.provider_calls, self.webrtc_calls, self._agents):
            await busy.idle.wait()
        await self.disk.flushed()

    async def agents_ended(self, seconds: float) -> int:
        """Let agents whose calls are over store what they learnt, for so long; gives how many are
        not done by then."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._agents.idle.wait()
        return len(self._agents)

    async def stop(self) -> None:
        """End the calls that are left (BYE) and close everything."""
        self._turnstile.close()
        self._placing.cancel()
        self._events.cancel()
        for call in self._calls.alive:
            call.hang_up("engine_stopping")
        self.drain_signalling(clock.monotonic())
        await self.provider_calls.stop()
        await self.webrtc_calls.stop()
        await self.feeds.stop()
        await self.audiosocket.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._transport.quiet.wait()
        for call in self._calls.alive:
            # RFC 3261 section 15: no BYE before the ACK of our 200, and that did not come.
            call.abandon("engine_stopping")
        await self._trunks.stop(STOP_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self.journal.kept()  # the last answers wait for that
        self._sweep.stop()
        await self._transport.close()
        await self.bots.close()
        self.media.shut_down()
        await self.disk.stop()
        self._captures.close()

    # -- outbound --------------------------------------------------------------------------------

    async def resolve(self, uri: str) -> Target:
        """Find where a SIP URI is called; ConfigError when it cannot be found."""
        return await resolve_target(uri, None, self._resolver)

    def signalling(self, call_id: str) -> SipCall | ProviderCall | WebRtcCall | None:
        """Give a call that lives, whichever way it came and however far it is."""
        over_sip = (each for each in self._calls.alive if each.call.id == call_id)
        beside = self.provider_calls.of(call_id) or self.webrtc_calls.of(call_id)
        return beside or next(over_sip, None)

    def call(self, call_id: str) -> Call | None:
        """Give a call that lives and whose media may be used."""
        found = self.signalling(call_id)
        return None if found is None else found.call

    # -- for the calls ---------------------------------------------------------------------------

    def drain_signalling(self, now: float) -> None:
        """Send what an intent of a session produced."""
        self._transport.drain(now)

    def call_ended(self, call: SipCall, ending: Ending) -> None:
        """Forget an ended call; called by the call itself, once."""
        self._calls.ended(call, ending)

    def place(self, call: SipCall, target: str, headers: Headers) -> None:
        """Call target for a call that moves there; its mover hears what comes of it."""
        self._placing.start(call, target, headers)

    async def dial_for(self, owner: Owner, order: DialOrder) -> SipCall:
        """Call somebody whom the agent of a call dials; see ``Dialling.dial_for``."""
        return await self._dialling.dial_for(owner, order)

    def forget(self, session: InviteSession) -> None:
        """A session that a call left behind is over."""
        self._calls.forget(session)
