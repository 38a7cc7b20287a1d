"""Where a SIP URI is called: its host resolved to addresses, and ours towards them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapida_media.errors import ConfigError, RemoteProtocolError
from rapida_media.net.local_address import local_address_towards
from rapida_media.net.resolver import Resolver
from rapida_media.sip.address import DEFAULT_PORTS, Address, format_host
from rapida_media.sip.uri import parse_uri


@dataclass(frozen=True, slots=True)
class Target:
    """uri: as dialled.  host: the one in it, as URIs want it.  addresses: where the INVITE goes,
    and where next when that fails.  local_host: how the first of them sees us."""

    uri: str
    host: str
    addresses: tuple[Address, ...]
    local_host: str


async def resolve_target(uri: str, transport: str | None, resolver: Resolver) -> Target:
    """Resolve ``sip:user@host[:port][;transport=tcp]``; ConfigError names what is wrong.

    transport: of a URI that names none; None for what the records of its host say.
    """
    try:
        parsed = parse_uri(uri)
    except RemoteProtocolError as error:
        raise ConfigError(f"{uri!r} is not a SIP URI such as sip:echo@127.0.0.1: {error}") from None
    chosen = (parsed.params.get("transport") or "").lower() or transport
    if chosen not in {None, *DEFAULT_PORTS}:
        known = ", ".join(DEFAULT_PORTS)
        raise ConfigError(f"{uri!r}: the transport {chosen!r} is unknown; known are {known}")
    sips = parsed.scheme == "sips"
    addresses = await resolver.resolve(parsed.host, parsed.port, chosen, sips=sips)
    return towards(uri, format_host(parsed.host), addresses)


def towards(uri: str, host: str, addresses: Sequence[Address]) -> Target:
    """Give the target of a URI whose host was resolved; ConfigError without a way to it."""
    if not addresses:
        raise ConfigError(f"the host {host!r} cannot be resolved")
    first = addresses[0].host
    try:
        local_host = local_address_towards(first)
    except OSError as error:
        raise ConfigError(f"{uri!r}: there is no route to {first}: {error.strerror}") from None
    same_family = [each for each in addresses if (":" in each.host) == (":" in first)]
    return Target(uri, host, tuple(same_family), local_host)
