"""Where a SIP URI is called: its host resolved to an address, and ours towards it.

Addresses only (A and AAAA, RFC 3263 section 4.2 without SRV): a trunk is named by its host.
"""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass

from rapida_media.errors import ConfigError, RemoteProtocolError
from rapida_media.net.local_address import local_address_towards
from rapida_media.sip.address import DEFAULT_PORTS, Address
from rapida_media.sip.uri import parse_uri


@dataclass(frozen=True, slots=True)
class Target:
    """uri: as dialled.  address: where the INVITE goes.  local_host: how that peer sees us."""

    uri: str
    address: Address
    local_host: str


async def resolve_target(uri: str, transport: str | None = None) -> Target:
    """Resolve ``sip:user@host[:port][;transport=tcp]``; ConfigError names what is wrong."""
    try:
        parsed = parse_uri(uri)
    except RemoteProtocolError as error:
        raise ConfigError(f"{uri!r} is not a SIP URI such as sip:echo@127.0.0.1: {error}") from None
    if parsed.scheme != "sip":
        raise ConfigError(f"{uri!r}: only sip: URIs can be called")
    chosen = (parsed.params.get("transport") or transport or "udp").lower()
    if chosen not in {"udp", "tcp"}:
        raise ConfigError(f"{uri!r}: the transport {chosen!r} is unknown; use udp or tcp")
    port = parsed.port or DEFAULT_PORTS[chosen]
    host = await _resolve(parsed.host, port)
    try:
        local_host = local_address_towards(host)
    except OSError as error:
        raise ConfigError(f"{uri!r}: there is no route to {host}: {error.strerror}") from None
    return Target(uri, Address(host, port, chosen), local_host)


async def _resolve(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise ConfigError(f"the host {host!r} cannot be resolved: {error.strerror}") from None
    return str(found[0][4][0])
