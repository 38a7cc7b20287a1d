"""Who may call us: by address or by password, and what strangers get.

The SIP endpoint asks ``check`` about every request that is for no call of ours before it keeps
anything about it. The engine asks ``trunk_of`` which trunk the call it was let in for came by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from rapida_media.call.source_limit import SourceLimit
from rapida_media.config import Trunk
from rapida_media.sip.digest_server import DigestServer, Verdict
from rapida_media.sip.uri import unescape
from rapida_media.sip.user_agent import IGNORED, Headers

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.address import Address
    from rapida_media.sip.message import Request
    from rapida_media.stats import Counters

REALM = "rapida-media"
FORBIDDEN = 403, ()
Answer = tuple[int, Headers]


class Gate:
    """The guard of the SIP endpoint.

    Without any trunk everyone may call: the engine then listens on loopback only. With trunks our
    own machine still may.
    A trunk's host names count once ``resolved`` has told their addresses.
    """

    def __init__(
        self,
        trunks: Mapping[str, Trunk],
        algorithms: Sequence[str],
        ids: IdSource,
        counters: Counters,
    ) -> None:
        """algorithms: the hashes to ask for passwords with, the preferred first."""
        self._counters = counters
        self._digest = DigestServer(REALM, {}, ids, algorithms)
        self._limit = SourceLimit()
        # Until the call is made, which may wait for the names in its offer to be looked up.
        self._passed: WeakKeyDictionary[Request, Trunk | None] = WeakKeyDictionary()
        self.use(trunks, {})

    def use(self, trunks: Mapping[str, Trunk], addresses: Mapping[str, Iterable[str]]) -> None:
        """Let these trunks call from now on, and no others.

        addresses: IP literals behind their names, as far as they are known.
        """
        self._trunks = trunks
        self._by_user: dict[str, Trunk] = {}
        passwords: dict[str, str] = {}
        for trunk in trunks.values():
            if trunk.username is not None and trunk.password is not None:
                self._by_user[trunk.username] = trunk
                passwords[trunk.username] = trunk.password
        self._digest.use(passwords)
        self._addresses: dict[str, list[str]] = {}
        for name, hosts in addresses.items():
            self.resolved(name, hosts)

    def resolved(self, trunk: str, addresses: Iterable[str]) -> None:
        """Take the addresses (IP literals) behind a trunk's names, in place of earlier ones."""
        self._addresses = {
            host: left
            for host, names in self._addresses.items()
            if (left := [each for each in names if each != trunk])
        }
        for host in addresses:
            names = self._addresses.setdefault(host, [])
            if trunk not in names:
                names.append(trunk)

    def trunk_of(self, request: Request) -> Trunk | None:
        """Give the trunk of an INVITE that was let in, None for one of our own machine."""
        return self._passed.get(request)

    def is_of_trunk(self, request: Request, source: Address) -> bool:
        """Tell whether a request, which may be unreadable, is a trunk's."""
        by_source = self._by_source(source.host, proven=source.proven)
        return self._passed.get(request) is not None or by_source is not None

    def knows(self, host: str) -> bool:
        """Tell whether a host (an IP literal) is no stranger: a trunk's, or our own."""
        if not self._trunks or self._by_source(host) is not None:
            return True
        return ip_address(host).is_loopback

    def check(self, request: Request | None, source: Address, now: float) -> Answer | None:
        """Let a request in (None) or say how it is refused: 401, 403 or not at all.

        request: one that is for no call of ours, None for one that cannot be read.
        """
        if not self._trunks:
            return None
        if request is None:
            return None if self.knows(source.host) else self._limited(source, now)
        user = unescape(request.uri.user or "")
        trunk = self._by_source(source.host, user, source.proven)
        known = trunk is not None or ip_address(source.host).is_loopback
        if known and (trunk is None or not trunk.challenge or request.method != "INVITE"):
            self._passed[request] = trunk
            return None
        if not known and (ignored := self._limited(source, now)) is not None:
            return ignored
        if request.method == "OPTIONS":
            return None  # a carrier's ping may come from anywhere
        if request.method == "CANCEL" or request.to.tag is not None:
            return None  # it is for a call that is not, or no more: it gets 481 and costs nothing
        if request.method != "INVITE" or not self._by_user:
            self._counters.add("refused_not_a_trunk")
            return FORBIDDEN
        return self._challenge(request, source, now)

    def _limited(self, source: Address, now: float) -> Answer | None:
        """Leave a stranger that asks too much without an answer."""
        if self._limit.allow(source.host, now):
            return None
        self._counters.add("scanner_requests_ignored")
        return IGNORED

    def _challenge(self, request: Request, source: Address, now: float) -> Answer | None:
        verdict, user = self._digest.check(request, now)
        if verdict is Verdict.ACCEPTED:
            self._limit.forgive(source.host)
            self._passed[request] = self._by_user[user]
            return None
        if verdict is Verdict.WRONG:
            # 403: "Authorization will not help, and the request SHOULD NOT be repeated" (21.4.4).
            self._counters.add("refused_wrong_password")
            return FORBIDDEN
        self._counters.add("challenges_sent")
        return 401, self._digest.challenge(now, stale=verdict is Verdict.STALE)

    def _by_source(
        self, host: str, user: str | None = None, proven: Collection[str] = ()
    ) -> Trunk | None:
        """Find the trunk a host belongs to, by a name that its certificate proves before its
        address; of several the one that is registered as ``user``, as which a registrar calls us
        (RFC 3261 section 10.2.1), else the first."""
        trunks: list[Trunk] = []
        if proven:
            trunks = [each for each in self._trunks.values() if {*each.names} & {*proven}]
        if not trunks:
            trunks = [self._trunks[name] for name in self._addresses.get(host, ())]
        if not trunks:
            address = ip_address(host)
            trunks = [
                trunk
                for trunk in self._trunks.values()
                if any(address in network for network in trunk.networks)
            ]
        registered = (each for each in trunks if each.register and each.username == user)
        return next(registered, trunks[0] if trunks else None)
