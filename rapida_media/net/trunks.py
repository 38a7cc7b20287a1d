"""What the engine keeps up with each trunk: addresses, registration and signs of life.

One task a trunk: it resolves, registers and asks, resolves again now and then and when something
failed, and tells the gate which addresses are the trunk's. The trunks may change at any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from rapida_media import clock
from rapida_media.call.gate import Gate
from rapida_media.call.guard import is_sip_uri
from rapida_media.call.identity import ANONYMOUS, is_number
from rapida_media.call.trunk_uri import goes_to_server
from rapida_media.config import Trunk
from rapida_media.errors import ConfigError
from rapida_media.net.resolver import Resolver
from rapida_media.net.target import Target, resolve_target, towards
from rapida_media.sip import events
from rapida_media.sip.address import Address, format_host
from rapida_media.sip.digest import Credentials
from rapida_media.sip.endpoint import SipEndpoint
from rapida_media.sip.options_ping import OptionsPing
from rapida_media.sip.registration import REGISTERED, Registration
from rapida_media.sip.uri import escape_user, parse_uri
from rapida_media.sip.user_agent import Headers
from rapida_media.stats import Counters

log = logging.getLogger(__name__)

EXPIRES_S = 3600
# How long names are trusted, and how long one that is not found is left alone.
RESOLVE_S = 300.0
RESOLVE_AGAIN_S = 30.0
# How long the start of the engine waits for names: a call may come at once.
START_S = 5.0
# What a registration and a ping are made of: where none of it changes, they go on.
_upkeep = attrgetter(
    *("names", "username", "password", "domain", "proxy", "transport", "register", "ping_seconds")
)
_whereabouts = attrgetter("names", "server", "transport")
# What makes one registration take the place of another at a registrar.
_binding = attrgetter("username", "domain", "transport")


class TrunkLink:
    """One trunk's registration and ping, and the addresses they use.

    hosts: everything (IP literals) behind the trunk's names, which may call.
    behind: that by name, as last found.
    """

    def __init__(self, trunk: Trunk) -> None:
        self.trunk = trunk
        self.addresses: list[Address] = []
        self.hosts: list[str] = []
        self.behind: dict[str, list[str]] = {}
        self.task: asyncio.Task[None] | None = None
        self.registration: Registration | None = None
        self.ping: OptionsPing | None = None
        self.unregistered = asyncio.Event()
        self.changed = asyncio.Event()

    @property
    def credentials(self) -> Credentials | None:
        trunk = self.trunk
        if trunk.username is None or trunk.password is None:
            return None
        return Credentials(trunk.username, trunk.password)

    @property
    def uri_host(self) -> str:
        """Give the host its URIs name."""
        domain = self.trunk.domain
        assert domain is not None, "a trunk with a server has a domain"
        return format_host(domain)

    @property
    def health(self) -> dict[str, bool]:
        trunk = self.trunk
        health = {}
        if trunk.server is not None:
            health["resolved"] = bool(self.addresses)
        if trunk.register:
            known = self.registration is not None and self.registration.state == REGISTERED
            health["registered"] = known
        if trunk.ping_seconds:
            health["reachable"] = self.ping is not None and bool(self.ping.reachable)
        return health

    def keep_up(self, endpoint: SipEndpoint, now: float) -> None:
        """Register and ask for signs of life, or take note of new addresses."""
        server = f"sip:{self.uri_host}"
        if self.trunk.register and self.registration is None:
            assert self.trunk.username is not None, "checked with the configuration"
            self.registration = endpoint.register(
                registrar=server,
                address_of_record=f"sip:{escape_user(self.trunk.username)}@{self.uri_host}",
                contact_user=self.trunk.username,
                destinations=self.addresses,
                expires=EXPIRES_S,
                now=now,
                credentials=self.credentials,
            )
        elif self.registration is not None:
            self.registration.move(self.addresses)
        if self.trunk.ping_seconds and self.ping is None:
            user = escape_user(self.trunk.username or "rapida")
            self.ping = endpoint.ping(
                target=server,
                from_uri=f"sip:{user}@{self.uri_host}",
                destinations=self.addresses,
                interval_seconds=self.trunk.ping_seconds,
                now=now,
            )
        elif self.ping is not None:
            self.ping.move(self.addresses)


@dataclass(frozen=True, slots=True)
class Outbound:
    """How one call leaves, by a trunk or, without a name of one, by nobody's leave.

    headers: the identity it asserts (RFC 3325), and what else the trunk says.
    """

    target: Target
    from_uri: str
    headers: Headers = ()
    credentials: Credentials | None = None
    codecs: tuple[str, ...] | None = None
    srtp: str = "off"
    trunk: str | None = None


class Trunks:
    """All trunks of an engine. drain: sends what an intent produced."""

    def __init__(
        self,
        trunks: Mapping[str, Trunk],
        gate: Gate,
        resolver: Resolver,
        counters: Counters,
        drain: Callable[[float], None],
    ) -> None:
        self._links = {name: TrunkLink(trunk) for name, trunk in trunks.items()}
        self._leaving: list[TrunkLink] = []  # until they are unregistered
        self._endpoint: SipEndpoint
        self._gate = gate
        self._resolver = resolver
        self._counters = counters
        self._drain = drain

    async def look_up(self) -> None:
        """Resolve all names, so that callers are known by the time they call. No longer than a few
        seconds: what takes more is looked up again later."""
        await self._look_up(self._links.values())

    def start(self, endpoint: SipEndpoint) -> None:
        """Begin to keep up with every trunk."""
        self._endpoint = endpoint
        for link in self._links.values():
            self._start(link)

    async def prepare(self, trunks: Mapping[str, Trunk]) -> dict[str, TrunkLink]:
        """Look up other trunks, no longer than ``look_up`` does. Changes nothing; gives the links
        for ``use``, which are the present ones wherever they can go on."""
        links = {name: self._link_for(trunk) for name, trunk in trunks.items()}
        await self._look_up(each for each in links.values() if each.task is None and not each.hosts)
        return links

    def use(self, trunks: Mapping[str, Trunk], links: Mapping[str, TrunkLink]) -> None:
        """Have these trunks and no others from now on; links: what ``prepare`` gave for them."""
        before, self._links = self._links, dict(links)
        for name, link in links.items():
            link.trunk = trunks[name]
        self._gate.use(trunks, {name: link.hosts for name, link in links.items()})
        now = clock.monotonic()
        for link in before.values():
            if link not in links.values():
                self._let_go(link, now)
        for link in links.values():
            if link.task is None:
                self._start(link)
        self._drain(now)

    def take_no_calls(self) -> None:
        """Unregister everywhere, so that new calls go elsewhere, and keep what is needed by those
        in progress: pings, the NAT's bindings, and the ways out."""
        now = clock.monotonic()
        for link in self._links.values():
            if link.task is not None:
                link.task.cancel()  # which would register a trunk that is found only now
            if link.registration is not None:
                link.registration.stop(now, calls_go_on=True)
        self._drain(now)

    async def stop(self, seconds: float) -> None:
        """Unregister everywhere, waiting no longer than so many seconds for the answers."""
        links, self._links = self._links, {}
        now = clock.monotonic()
        for link in links.values():
            self._let_go(link, now)
        tasks = [link.task for link in links.values() if link.task is not None]
        await asyncio.gather(*tasks, return_exceptions=True)
        leaving = [link.unregistered.wait() for link in self._leaving]
        self._drain(now)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*leaving)

    async def outbound(
        self, name: str, whom: str, caller_id: str | None, *, private: bool = False
    ) -> Outbound:
        """Find out how to call a number, a user or a SIP URI of the trunk by it.

        caller_id: in place of the trunk's. private: for the trunk alone, which keeps it from the
        callee ("Privacy: id", RFC 3325 section 9.3). ConfigError when the trunk is unknown, has no
        server to call a number by, or that is not found now.
        """
        link = self._links.get(name)
        if link is None:
            raise ConfigError(f"no trunk {name!r} to call by")
        trunk = link.trunk
        target = await self._target(link, whom)
        host = format_host(trunk.domain or target.local_host)
        if private and not is_number(caller_id or ""):
            caller_id = None  # "anonymous" is nobody to assert
        shown = caller_id or trunk.caller_id
        asserted = [("P-Asserted-Identity", f"<sip:{escape_user(shown)}@{host}>")] if shown else []
        if private:
            asserted.append(("Privacy", "id"))
        user = escape_user(shown or trunk.username or "rapida")
        return Outbound(
            target,
            ANONYMOUS if private else f"sip:{user}@{host}",
            (*asserted, *trunk.headers),
            link.credentials,
            trunk.codecs,
            trunk.srtp,
            trunk.name,
        )

    async def _target(self, link: TrunkLink, whom: str) -> Target:
        trunk, uri = link.trunk, whom
        if is_sip_uri(whom):
            parsed = parse_uri(whom)
            if not goes_to_server(parsed, trunk):
                if trunk.transport == "tls":  # what a URI says does not take the encryption off
                    parsed.params.pop("transport", None)
                return await resolve_target(str(parsed), trunk.transport, self._resolver)
        elif trunk.server is not None:
            uri = f"sip:{escape_user(whom)}@{link.uri_host}"
        if trunk.server is None:
            raise ConfigError(f"the trunk {trunk.name!r} has no server to call a number by")
        if not link.addresses:
            await self._resolve(link)
        # Where it is asked for signs of life, the address that gave the last one comes first.
        live = link.ping.destination if link.ping is not None and link.ping.reachable else None
        addresses = sorted(link.addresses, key=lambda each: each != live)
        return towards(uri, trunk.server[0], addresses)

    def health(self) -> dict[str, dict[str, bool]]:
        """Tell of each trunk, by name, what it is to keep up and does: ``resolved``,
        ``registered``, ``reachable``."""
        return {name: link.health for name, link in self._links.items()}

    def handle(self, event: events.RegistrationEvent | events.PingEvent) -> None:
        """Log and count what happened, and look up the addresses again where something failed."""
        link = self._link_of(event)
        if link is None:  # the answer was still under way when the trunk went
            return
        name = link.trunk.name
        match event:
            case events.Registered(expires=expires):
                self._counters.add("registrations")
                log.info("trunk %s: registered for %d s", name, expires)
            case events.RegistrationFailed():
                self._counters.add("registrations_failed")
                log.warning(
                    "trunk %s: registration failed (%d %s), again in %.0f s%s",
                    *(name, event.status, event.reason, event.retry_seconds),
                    "; still registered" if event.known else "",
                )
                link.changed.set()
            case events.Unregistered():
                log.info("trunk %s: unregistered", name)
                link.unregistered.set()
                if link in self._leaving:
                    self._leaving.remove(link)
            case events.PeerReachable(round_trip=round_trip):
                log.info("trunk %s: reachable, answered in %.0f ms", name, round_trip * 1000)
            case events.PeerUnreachable(status=status):
                self._counters.add("trunks_lost")
                log.warning("trunk %s: unreachable (%d)", name, status)
                link.changed.set()

    def _link_of(self, event: events.RegistrationEvent | events.PingEvent) -> TrunkLink | None:
        links = (*self._links.values(), *self._leaving)
        if isinstance(event, events.PingEvent):
            return next((link for link in links if link.ping is event.ping), None)
        return next((link for link in links if link.registration is event.registration), None)

    def _link_for(self, trunk: Trunk) -> TrunkLink:
        """Give the link that goes on for a trunk, or else a new one."""
        present = self._links.get(trunk.name)
        if present is not None and _upkeep(present.trunk) == _upkeep(trunk):
            return present
        link = TrunkLink(trunk)
        if present is not None and _whereabouts(present.trunk) == _whereabouts(trunk):
            link.addresses, link.hosts = present.addresses, present.hosts
            link.behind = present.behind
        return link

    def _start(self, link: TrunkLink) -> None:
        name = f"trunk {link.trunk.name}"
        link.task = asyncio.create_task(self._keep_up(link, self._endpoint), name=name)

    def _let_go(self, link: TrunkLink, now: float) -> None:
        """Stop what is kept up with a trunk that is gone, or is not what it was."""
        if link.task is not None:
            link.task.cancel()
        if link.ping is not None:
            link.ping.stop()
        if link.registration is None:
            return
        others = (each.trunk for each in self._links.values())
        if any(each.register and _binding(each) == _binding(link.trunk) for each in others):
            link.registration.leave_to_successor()
            return
        if not link.unregistered.is_set():
            self._leaving.append(link)
        link.registration.stop(now)

    async def _look_up(self, links: Iterable[TrunkLink]) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                await asyncio.gather(*(self._resolve(link) for link in links))

    async def _keep_up(self, link: TrunkLink, endpoint: SipEndpoint) -> None:
        """Task root of one trunk."""
        while True:
            try:
                found = await self._resolve(link)
                now = clock.monotonic()
                if link.addresses and (link.trunk.register or link.trunk.ping_seconds):
                    link.keep_up(endpoint, now)
                    self._drain(now)
            except Exception:
                log.exception("trunk %s", link.trunk.name)
                found = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RESOLVE_S if found else RESOLVE_AGAIN_S):
                    await link.changed.wait()
            link.changed.clear()

    async def _resolve(self, link: TrunkLink) -> bool:
        """Look up who may call by this trunk and where our requests for it go.

        What is not found now stays as it was: a name server that fails must not stop the calls.
        """
        trunk = link.trunk
        # A host that may call is often the server, too, and has then other records besides.
        found: dict[str, list[str]] = {}
        for name in trunk.names:
            found[name] = await self._resolver.behind(name)
            link.behind[name] = found[name] or link.behind.get(name, [])
        if trunk.server is not None:
            host, port = trunk.server
            addresses = await self._resolver.resolve(host, port, trunk.transport)
            link.addresses = addresses or link.addresses
            found[host] = found.get(host, []) + [each.host for each in addresses]
        unknown = [name for name, hosts in found.items() if not hosts]
        for name in unknown:
            log.warning("trunk %s: the host %s cannot be resolved", trunk.name, name)
        named = [host for name in trunk.names for host in link.behind[name]]
        link.hosts = named + [each.host for each in link.addresses]
        if self._links.get(trunk.name) is link:
            self._gate.resolved(trunk.name, link.hosts)
        return not unknown
