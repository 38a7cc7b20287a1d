"""``[trunks.NAME]``: the carriers, exchanges and phones that SIP calls come from and go to."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from rapida_media.config.numbers import EVERYTHING, number_prefix
from rapida_media.config.table import Table, one_of, some_text
from rapida_media.errors import ConfigError

Network = IPv4Network | IPv6Network
_PHONE_NUMBER = re.compile(r"\+?[0-9]{1,15}")
SRTP_MODES = ("off", "optional", "required")
CALLED_FIELDS = ("request-uri", "to", "diversion", "history-info")
# What the engine writes into an INVITE, or must mean what it says.
_OURS = """
    accept allow authorization call-id contact content-encoding content-length content-type cseq
    event expires from max-forwards min-se proxy-authorization proxy-require rack record-route
    refer-to replaces require route rseq session-expires supported to user-agent via"""
OURS = frozenset(_OURS.split())
_TOKEN = re.compile(r"[A-Za-z0-9.!%*_+`'~-]+")
# An IPv6 address stands in brackets where a port follows it.
_HOST_PORT = re.compile(
    r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*))(?::([0-9]{1,5}))?"
)
# RFC 1123 section 2.1: letters, digits and inner hyphens.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Trunk:
    """One trunk.

    networks and names: ``hosts``, told apart: who may call us.
    username, password: what a caller must know; with them ``hosts`` may be empty.
    challenge: whether calls from ``hosts``, too, must show the password.
    domain: what URIs of the trunk name; None for one that only calls us.
    proxy: host (IPv6 without brackets) and port that our requests go to; found by ``domain`` where
    it is None.
    transport: how our requests go there; None for what its records in the DNS say.
    register: whether we tell it where we are.  ping_seconds: how often we ask for a sign of life,
    0 for never.
    codecs: names to offer and to take, the preferred first; None for all.
    srtp: one of ``SRTP_MODES``: whether media is encrypted, with keys in the SDP.
    caller_id: the number our calls show.  called: the field the called number stands in.
    country_code: digits that complete national numbers.  headers: what the INVITEs of our calls
    carry besides.
    allow: prefixes of numbers that may be called by it.  price_per_minute: what that
    costs, for the spend limit of assistants.
    """

    name: str
    networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    challenge: bool = False
    domain: str | None = None
    proxy: tuple[str, int | None] | None = None
    transport: str | None = None
    register: bool = False
    ping_seconds: float = 0.0
    codecs: tuple[str, ...] | None = None
    srtp: str = "off"
    caller_id: str | None = None
    called: str = "request-uri"
    country_code: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    allow: tuple[str, ...] = ()
    price_per_minute: float = 0.0

    @property
    def server(self) -> tuple[str, int | None] | None:
        """Give the host and port our requests go to, None for a trunk that only calls us."""
        if self.proxy is not None or self.domain is None:
            return self.proxy
        return self.domain, None


def read_trunk(name: str, table: Table) -> Trunk:
    """Read one trunk's table. Raises ConfigError."""
    hosts = table.texts("hosts", _host) or ()
    username = table.text("username", _plain)
    password = table.text("password", some_text)
    if (username is None) != (password is None):
        missing = "username" if username is None else "password"
        raise table.fault(missing, "missing; username and password belong together")
    if not hosts and username is None:
        raise table.fault(
            "hosts",
            "missing or empty; expected who may call, "
            'such as ["198.51.100.0/24", "sip.carrier.example"]',
        )
    register = table.flag("register")
    # A carrier we register with knows us by that, and answers no challenge of ours.
    challenge = table.flag("challenge", default=username is not None and not register)
    if challenge and username is None:
        raise table.fault("challenge", "wants a username and a password to ask for")
    proxy = table.text("proxy", _host_and_port)
    trunk = Trunk(
        name,
        networks=tuple(host for host in hosts if not isinstance(host, str)),
        names=tuple(host for host in hosts if isinstance(host, str)),
        username=username,
        password=password,
        challenge=challenge,
        domain=table.text("domain", _domain)
        or _first_server(hosts)
        or (proxy[0] if proxy else None),
        proxy=proxy,
        transport=table.text("transport", one_of("udp", "tcp", "tls")),
        register=register,
        ping_seconds=table.number("ping_seconds", 0.0),
        codecs=table.texts("codecs", some_text) or None,
        srtp=table.text("srtp", one_of(*SRTP_MODES)) or "off",
        caller_id=table.text("caller_id", _number),
        called=table.text("called", one_of(*CALLED_FIELDS)) or "request-uri",
        country_code=table.text("country_code", _country_code),
        headers=_headers(table),
        allow=table.texts("allow", number_prefix) or (),
        price_per_minute=table.number("price_per_minute", 0.0),
    )
    table.finish()
    if register and username is None:
        raise table.fault("register", "wants a username and a password to register with")
    for key in ("register", "ping_seconds"):
        if getattr(trunk, key) and trunk.server is None:
            raise table.fault(key, "there is no server; add domain or name one in hosts")
    return trunk


def _headers(table: Table) -> tuple[tuple[str, str], ...]:
    fields = table.header_fields("headers")
    for name, value in fields.items():
        if (fault := header_fault(name, value)) is not None:
            raise table.fault("headers", fault)
    return tuple(fields.items())


def header_fault(name: object, value: object) -> str | None:
    """Say why an INVITE cannot carry a header field besides those of the engine, None if it can."""
    if not (isinstance(name, str) and _TOKEN.fullmatch(name)):
        return f"{name!r} is no name of a header field"
    if len(name) == 1 or name.lower() in OURS:  # one letter is the short form of another name
        return f"{name}: the engine writes this one itself"
    if not (isinstance(value, str) and value.isprintable()):
        return f"{name}: expected a text without control characters"
    return None


def _first_server(hosts: Sequence[Network | str]) -> str | None:
    """Give the first of ``hosts`` that is one machine or a name: where outbound calls go."""
    for host in hosts:
        if isinstance(host, str):
            return host
        if host.num_addresses == 1:
            return str(host.network_address)
    return None


def check_trunks(trunks: Iterable[Trunk], transports: Collection[str]) -> None:
    """Refuse a trunk over a transport we do not listen on, and two with one user name, by which
    their callers could not be told apart."""
    owners: dict[str, str] = {}
    for trunk in trunks:
        if trunk.transport not in {None, *transports}:
            raise ConfigError(
                f"[trunks.{trunk.name}] transport: [sip] listen has no address for "
                f"{trunk.transport}, where the trunk could reach us"
            )
        if trunk.username is None:
            continue
        owner = owners.setdefault(trunk.username, trunk.name)
        if owner != trunk.name:
            raise ConfigError(
                f"[trunks.{trunk.name}] username: it already belongs to [trunks.{owner}]; "
                "each trunk needs its own"
            )


def host_or_network(text: str) -> str:
    """Read a host name, a network or ``*`` for all of them, as text."""
    return text if text == EVERYTHING else str(_host(text))


def _host(text: str) -> Network | str:
    """Read a network (an address is one of a single host) or a host name."""
    try:
        return ip_network(text)
    except ValueError:
        pass
    labels = text.removesuffix(".").split(".")
    # A last label of digits only is a mistyped address, never a name (RFC 3696 section 2).
    if labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("expected a network without host bits, an address or a host name")
    return text.lower()


def _domain(text: str) -> str:
    host, port = _host_and_port(text)
    if port is not None:
        raise ValueError("expected a host name or an address without a port")
    return host


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Read ``host``, ``host:port``, ``[ipv6]:port`` or ``ipv6``; the host without brackets."""
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise ValueError('expected a host or "HOST:PORT"')
    bracketed, bare, port = match.groups()
    try:
        host = str(ip_address(bracketed or bare))
    except ValueError:
        found = _host(bracketed or bare)
        if not isinstance(found, str):
            raise ValueError("expected a host, not a network") from None
        host = found
    if port is not None and not 1 <= int(port) <= 65535:
        raise ValueError("expected a port from 1 to 65535")
    return host, None if port is None else int(port)


def _number(text: str) -> str:
    if not _PHONE_NUMBER.fullmatch(text):
        raise ValueError('expected a number such as "+15550100"')
    return text


def _country_code(text: str) -> str:
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 3):
        raise ValueError('expected a country calling code such as "44"')
    return digits


def _plain(text: str) -> str:
    """Read a user name: printable, since it is written into header fields."""
    if not text.strip() or not text.isprintable():
        raise ValueError("expected a printable text")
    return text
