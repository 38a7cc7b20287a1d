"""Host names in ``c=`` and ``a=rtcp`` (RFC 8866 section 5.7): found, and replaced by addresses.

Sans-IO code takes addresses only, so the shell looks the names of a body up before it hands the
body in (``net/media_names``). A name that was not found stays, and its media line is unusable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from rapida_media.errors import RemoteProtocolError
from rapida_media.sdp.description import (
    Attribute,
    Connection,
    MediaDescription,
    parse_sdp,
)
from rapida_media.sdp.peer_audio import parse_address

# A name is up to 253 characters long (RFC 1035 section 2.3.4).
_NAME_MAX = 253
# Names looked up for one body; one is usual.
NAMES_MAX = 4
# What stands where an address would and is none, in whatever line.
_MAYBE_NAME = re.compile(
    rb"IN IP(?:4 (?![\d./]+[\r\n]|[\d./]+\Z)|6 (?![\dA-Fa-f./]*:[\dA-Fa-f:./]*(?:[\r\n]|\Z))|[^46])"
)
_FAMILIES = {"IP4": False, "IP6": True}


class HostName(NamedTuple):
    """A name in a body, and the family its address is to be of."""

    host: str
    ipv6: bool


def host_names(body: bytes) -> tuple[HostName, ...]:
    """Give the host names media would go to, NAMES_MAX at most; none for what cannot be read."""
    # Nearly every body names addresses only, and need not be read twice.
    if _MAYBE_NAME.search(body) is None:
        return ()
    try:
        session = parse_sdp(body)
    except RemoteProtocolError:
        return ()
    found: dict[HostName, None] = {}
    for media in session.media:
        if media.kind == "audio" and media.port:
            for connection in _connections(media, session.connection):
                if (name := _name(connection)) is not None:
                    found[name] = None
    return tuple(found)[:NAMES_MAX]


def with_addresses(body: bytes, addresses: Mapping[HostName, str]) -> bytes:
    """Write a body again with these addresses in place of the names."""
    session = parse_sdp(body)
    changed = replace(
        session,
        connection=_resolved(session.connection, addresses),
        media=tuple(
            replace(
                media,
                connection=_resolved(media.connection, addresses),
                attributes=tuple(_attribute(each, addresses) for each in media.attributes),
            )
            for media in session.media
        ),
    )
    return changed.format()


def _connections(media: MediaDescription, general: Connection | None) -> list[Connection]:
    rtcp = _rtcp_connection(media.attribute("rtcp") or "")
    return [each for each in (media.connection or general, rtcp) if each is not None]


def _rtcp_connection(value: str) -> Connection | None:
    """Read the address of ``a=rtcp:port IN IP4 host`` (RFC 3605 section 2.1)."""
    fields = value.split()
    return Connection(fields[2], fields[3], fields[1]) if len(fields) == 4 else None


def _name(connection: Connection) -> HostName | None:
    host = connection.address
    if connection.address_type not in _FAMILIES or parse_address(host) is not None:
        return None
    if (
        len(host) > _NAME_MAX
        or not host.isascii()
        or not host.replace("-", "a").replace(".", "a").isalnum()
    ):
        return None
    return HostName(host.lower(), _FAMILIES[connection.address_type])


def _resolved(
    connection: Connection | None, addresses: Mapping[HostName, str]
) -> Connection | None:
    name = None if connection is None else _name(connection)
    if connection is None or name is None or name not in addresses:
        return connection
    return replace(connection, address=addresses[name])


def _attribute(attribute: Attribute, addresses: Mapping[HostName, str]) -> Attribute:
    if attribute.name != "rtcp" or attribute.value is None:
        return attribute
    named = _rtcp_connection(attribute.value)
    found = _resolved(named, addresses)
    if named is None or found is None or found == named:
        return attribute
    return Attribute("rtcp", f"{attribute.value.split()[0]} {found}")
