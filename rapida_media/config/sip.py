"""``[sip]``: where SIP is listened on, with which certificates, and how it is spoken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from rapida_media.config.table import Table, one_of
from rapida_media.config.trunk import host_or_network

TRANSPORTS = ("udp", "tcp", "tls")
REQUIRED, OPTIONAL = "required", "optional"


@dataclass(frozen=True, slots=True)
class Listen:
    """One address we take SIP on. host: an IP literal, IPv6 without brackets."""

    transport: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.transport}:{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class SipConfig:
    """``[sip]``. external_address: the one written in Contact and SDP, None for the local one.

    session_expires: seconds, 0 for no session timer of our own.  min_session_expires: the
    shortest interval we take from others.
    digest: the hashes we ask for passwords with, the preferred first. MD5 alone unless told
    otherwise: phones that know no other give up on a challenge that names one.
    dial_hosts: names and networks that SIP URIs we call may name, ``*`` for all; None: all that
    agents call, none that is ordered over HTTP.
    tls_certificate, tls_key: PEM files of the tls listeners, and what we show where we connect and
    are asked. tls_ca: authorities to trust besides the system's where we connect.
    tls_client_ca: authorities of those who connect to us, None where nobody is asked for a
    certificate; tls_client_certificates: whether one without any may come in.
    """

    listen: tuple[Listen, ...] = (
        Listen("udp", "127.0.0.1", 5060),
        Listen("tcp", "127.0.0.1", 5060),
    )
    external_address: str | None = None
    session_expires: int = 1800
    min_session_expires: int = 90
    digest: tuple[str, ...] = ("MD5",)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    tls_client_ca: Path | None = None
    tls_client_certificates: str = REQUIRED
    dial_hosts: tuple[str, ...] | None = None


def read_sip(table: Table) -> SipConfig:
    """Read ``[sip]``. Raises ConfigError."""
    default = SipConfig()
    listen = table.texts("listen", parse_listen)
    if listen == ():
        raise table.fault("listen", "expected at least one address, got none")
    for each in listen or ():
        if each.port and (listen or ()).count(each) > 1:
            raise table.fault("listen", f"expected different addresses, got {each} twice")
    config = SipConfig(
        listen=default.listen if listen is None else listen,
        external_address=table.text("external_address", _external_address),
        session_expires=table.whole("session_expires", default.session_expires, least=0),
        min_session_expires=table.whole("min_session_expires", default.min_session_expires),
        digest=table.texts("digest", one_of("SHA-256", "MD5")) or default.digest,
        tls_certificate=table.path("tls_certificate"),
        tls_key=table.path("tls_key"),
        tls_ca=table.path("tls_ca"),
        tls_client_ca=table.path("tls_client_ca"),
        tls_client_certificates=table.text("tls_client_certificates", one_of(REQUIRED, OPTIONAL))
        or REQUIRED,
        dial_hosts=table.texts("dial_hosts", host_or_network),
    )
    if 0 < config.session_expires < config.min_session_expires:
        raise table.fault(
            "session_expires",
            f"expected 0 or at least min_session_expires ({config.min_session_expires}), "
            f"got {config.session_expires}",
        )
    tls = any(each.transport == "tls" for each in config.listen)
    for key in ("tls_certificate", "tls_key"):
        if getattr(config, key) is None and tls:
            raise table.fault(key, "missing; expected a PEM file, since listen has a tls address")
    if config.tls_client_ca is None and table.has("tls_client_certificates"):
        raise table.fault("tls_client_certificates", "wants tls_client_ca, who vouches for them")
    if config.tls_client_ca is not None and not tls:
        raise table.fault("tls_client_ca", "listen has no tls address where anybody is asked")
    table.finish()
    return config


def parse_listen(text: str) -> Listen:
    """Read ``udp:127.0.0.1:5060`` or ``tls:[::1]:5061``. Raises ValueError that says what is wrong.

    The port is 0 to 65535; 0 lets the system choose.
    """
    transport, _, address = text.partition(":")
    host, colon, port_text = address.rpartition(":")
    if transport not in TRANSPORTS or not colon:
        raise ValueError('expected "udp:ADDRESS:PORT", "tcp:ADDRESS:PORT" or "tls:ADDRESS:PORT"')
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    try:
        version = ip_address(bare).version
    except ValueError:
        raise ValueError("expected an IP address between transport and port") from None
    if bracketed != (version == 6):
        raise ValueError("expected brackets around an IPv6 address, as in udp:[::1]:5060")
    digits = port_text.isascii() and port_text.isdigit() and len(port_text) <= 5
    if not digits or int(port_text) > 65535:
        raise ValueError("expected a port from 0 to 65535")
    return Listen(transport, bare, int(port_text))


def transports_of(listen: Iterable[Listen]) -> list[str]:
    """Give the transports we can be reached by, the usual first."""
    named = {each.transport for each in listen}
    return [each for each in TRANSPORTS if each in named]


def _external_address(text: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        raise ValueError("expected an IP address") from None
    if address.is_unspecified:
        raise ValueError("expected an address that others can reach")
    return str(address)
