"""SIP and SIPS URIs (RFC 3261 section 19.1): parse, write, compare.

``message`` parses Request-URIs with this, ``headers`` the addresses in From, To, Contact and
routes, and the dialog and command line build targets from it.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from rapida_media.errors import RemoteProtocolError

# Excluded everywhere in a URI: controls, space, delimiters of the surrounding header field.
_BAD = r"\x00-\x20\x7f<>\""
HOST = r"\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9._\-]++"
_SIP_URI = re.compile(
    rf"(sips?):(?:([^@{_BAD}]++)@)?({HOST})(?::([0-9]{{1,5}}+))?+"
    rf"((?:;[^;?@{_BAD}]++)*+)(?:\?([^@{_BAD}]++))?+",
    re.IGNORECASE | re.ASCII,
)
_OTHER_URI = re.compile(
    rf"(?!sips?:)[A-Za-z][A-Za-z0-9+.\-]*+:[^{_BAD}]++", re.IGNORECASE | re.ASCII
)
_TEL_URI = re.compile(
    rf"tel:(\+?+[0-9A-Fa-f*#().\-]++(?:;[^;?@{_BAD}]++)*+)", re.IGNORECASE | re.ASCII
)
_ESCAPE = re.compile(r"%([0-9A-Fa-f]{2})")
# unreserved = alphanum / mark (RFC 3261 section 25.1)
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")
_USER_UNRESERVED = _UNRESERVED | frozenset("&=+$,;?/")
_PARAM_UNRESERVED = _UNRESERVED | frozenset("[]/:&+$")
_HEADER_UNRESERVED = _UNRESERVED | frozenset("[]/?:+$")
# "A user, ttl, or method uri-parameter appearing in only one URI never matches"; likewise maddr,
# and transport by the examples of section 19.1.4.
_DECISIVE = frozenset({"user", "ttl", "method", "maddr", "transport"})


@dataclass(frozen=True, slots=True)
class SipUri:
    """One SIP or SIPS URI.

    user, password, headers and the values of params are kept escaped, as on the wire; ``unescape``
    decodes them. Names in params are lower-case and decoded. host is an IPv6 address without
    its brackets.
    """

    scheme: str
    user: str | None
    host: str
    port: int | None = None
    params: dict[str, str | None] = field(default_factory=dict)
    headers: str = ""
    password: str | None = None

    def __str__(self) -> str:
        text = f"{self.scheme}:"
        if not self.host:  # a tel URI
            return f"{text}{self.user}"
        if self.user is not None:
            text += self.user if self.password is None else f"{self.user}:{self.password}"
            text += "@"
        text += f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            text += f":{self.port}"
        for name, value in self.params.items():
            text += f";{_escape(name, _PARAM_UNRESERVED)}"
            if value is not None:
                text += f"={value}"
        return f"{text}?{self.headers}" if self.headers else text


def parse_uri(text: str) -> SipUri:
    """Parse a SIP or SIPS URI.

    Raises RemoteProtocolError: 416 for a well-formed URI of another scheme (RFC 3261 section
    8.2.2.1), 400 for anything else that is no SIP URI.
    """
    match = _SIP_URI.fullmatch(text)
    if match is None:
        if _OTHER_URI.fullmatch(text):
            raise RemoteProtocolError("expected a sip or sips URI", 416)
        raise RemoteProtocolError("malformed URI", 400)
    scheme, user, host, port, params, headers = match.groups()
    password = None
    if user is not None and ":" in user:
        user, _, password = user.partition(":")
        if not user:
            raise RemoteProtocolError("malformed URI: empty user", 400)
    return SipUri(
        scheme.lower(),
        user,
        parse_host(host),
        parse_port(port),
        _parse_params(params) if params else {},
        headers or "",
        password,
    )


def parse_request_uri(text: str) -> SipUri:
    """Parse what a request may be addressed to: a SIP or SIPS URI or, as telephone networks have
    it, a tel URI (RFC 3966).

    Of the last, user is the number with its parameters, as in the SIP URI it can be written as
    (section 19.1.6), and host is empty. Raises RemoteProtocolError as ``parse_uri`` does.
    """
    match = _TEL_URI.fullmatch(text)
    return parse_uri(text) if match is None else SipUri("tel", match[1], "")


def parse_host(text: str) -> str:
    """Give the host without IPv6 brackets. Raises RemoteProtocolError (400)."""
    if not text.startswith("["):
        return text
    try:
        ipaddress.IPv6Address(text[1:-1])
    except ValueError:
        raise RemoteProtocolError("malformed IPv6 address", 400) from None
    return text[1:-1]


def parse_port(text: str | None) -> int | None:
    """Read the digits of a port, None when there are none. Raises RemoteProtocolError (400)."""
    if text is None:
        return None
    port = int(text)
    if port > 65535:
        raise RemoteProtocolError("port above 65535", 400)
    return port


def _parse_params(text: str) -> dict[str, str | None]:
    params: dict[str, str | None] = {}
    for part in text.split(";")[1:]:
        name, equals, value = part.partition("=")
        name = unescape(name).lower()
        if not name or name in params:
            raise RemoteProtocolError("malformed URI: parameter empty or repeated", 400)
        params[name] = value if equals else None
    return params


def unescape(text: str) -> str:
    """Decode %-escapes once; octets that are no UTF-8 become U+FFFD."""
    return unquote(text, errors="replace") if "%" in text else text


def user_of(uri: str) -> str | None:
    """Give the user of a SIP URI, unescaped, or the number of a tel URI; None for a URI that names
    none and for anything else."""
    try:
        return unescape(parse_request_uri(uri).user or "") or None
    except RemoteProtocolError:
        return None


def escape_user(text: str) -> str:
    """Escape any text so that it can be the user part of a URI."""
    return _escape(text, _USER_UNRESERVED)


def escape_header_value(text: str) -> str:
    """Escape any text so that it can be the value of a header in a URI."""
    return _escape(text, _HEADER_UNRESERVED)


def _escape(text: str, keep: frozenset[str]) -> str:
    if keep.issuperset(text):
        return text
    return "".join(
        char if char in keep else "".join(f"%{octet:02X}" for octet in char.encode())
        for char in text
    )


def equivalent(a: SipUri, b: SipUri) -> bool:
    """Compare two URIs by the rules of RFC 3261 section 19.1.4."""
    return (
        a.scheme == b.scheme
        and _same_text(a.user, b.user)
        and _same_text(a.password, b.password)
        and _same_host(a.host, b.host)
        and a.port == b.port
        and _same_params(a.params, b.params)
        and _header_set(a.headers) == _header_set(b.headers)
    )


def _same_text(a: str | None, b: str | None) -> bool:
    if a is None or b is None:
        return a is b
    return a == b or _normal(a) == _normal(b)


def _same_host(a: str, b: str) -> bool:
    if ":" in a and ":" in b:
        return ipaddress.IPv6Address(a) == ipaddress.IPv6Address(b)
    return a.lower() == b.lower()


def _same_params(a: dict[str, str | None], b: dict[str, str | None]) -> bool:
    for name in a.keys() | b.keys():
        if name in a and name in b:
            if _normal(a[name] or "").lower() != _normal(b[name] or "").lower():
                return False
        elif name in _DECISIVE:
            return False
    return True


def _header_set(headers: str) -> list[tuple[str, str]]:
    pairs = [part.partition("=") for part in headers.split("&") if part]
    return sorted((_normal(name).lower(), _normal(value)) for name, _, value in pairs)


def _normal(text: str) -> str:
    """Undo the escapes that do not matter.

    "Characters other than those in the 'reserved' set are equivalent to their '%' HEX HEX
    encoding" (section 19.1.4).
    """

    def decode(match: re.Match[str]) -> str:
        char = chr(int(match.group(1), 16))
        return char if char in _UNRESERVED else match.group().upper()

    return _ESCAPE.sub(decode, text) if "%" in text else text
