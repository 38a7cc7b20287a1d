"""Which trunk a SIP URI belongs to: whoever calls it calls as that trunk's customer."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from rapida_media.config import Trunk
from rapida_media.sip.uri import SipUri

_SERVER, _DOMAIN, _CALLER = range(3)


def trunk_of_uri(uri: SipUri, trunks: Iterable[Trunk]) -> Trunk | None:
    """Find the trunk that has a URI's host as its proxy, its domain or among ``hosts``.

    The port only tells two trunks on one host apart. None for a SIPS URI whose trunk is not
    reached over TLS, which is what such a URI is for (RFC 3261 section 26.2.2).
    """
    ranked = [
        (rank, number, trunk)
        for number, trunk in enumerate(trunks)
        if (rank := _rank(uri, trunk)) is not None
        and (uri.scheme != "sips" or trunk.transport == "tls")
    ]
    return min(ranked)[2] if ranked else None


def goes_to_server(uri: SipUri, trunk: Trunk) -> bool:
    """Tell whether a URI of a trunk is reached through the trunk's server: one that names the
    server, or the domain and no port. Any other says itself where it wants to be called."""
    return _rank(uri, trunk) == _SERVER or (_host(uri) == trunk.domain and uri.port is None)


def _rank(uri: SipUri, trunk: Trunk) -> int | None:
    """Say what of a trunk a URI names, the closest first; None for nothing."""
    host = _host(uri)
    if trunk.server is not None and trunk.server == (host, uri.port):
        return _SERVER
    if host in {trunk.domain, trunk.server and trunk.server[0]}:
        return _DOMAIN
    if host in trunk.names or _within(host, trunk):
        return _CALLER
    return None


def _host(uri: SipUri) -> str:
    host = uri.host.lower().removesuffix(".")
    try:
        return str(ip_address(host))
    except ValueError:
        return host


def _within(host: str, trunk: Trunk) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in trunk.networks)
