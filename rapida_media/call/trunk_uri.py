"""Which trunk a SIP URI belongs to: whoever calls it calls as that trunk's customer."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from rapida_media.config import Trunk
from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.address import format_host
from rapida_media.sip.uri import SipUri, escape_user, parse_request_uri

# RFC 3966 section 5.1.1: visual separators, and the spaces people write.
SEPARATORS = str.maketrans("", "", "-.() ")
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


def uri_by_trunk(tel: str, trunk: Trunk | None) -> str | None:
    """Write a tel URI as a SIP URI of a trunk (RFC 3261 section 19.1.6); None without a trunk whose
    server can be asked for the number, and for a URI of another scheme."""
    try:
        uri = parse_request_uri(tel)
    except RemoteProtocolError:
        return None
    if uri.host or uri.user is None or trunk is None or trunk.server is None:
        return None
    number, semicolon, params = uri.user.partition(";")
    assert trunk.domain is not None, "a trunk with a server has a domain"
    user = escape_user(number.translate(SEPARATORS) + semicolon + params)
    return f"sip:{user}@{format_host(trunk.domain)}"


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
