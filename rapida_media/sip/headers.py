"""Typed values of SIP header fields (RFC 3261 section 20): Via, name-addr, CSeq, media types.

``message`` parses them on first use, ``builder`` and the dialog write them with ``str``. Each
``parse_*`` takes one unfolded value and raises RemoteProtocolError (400) when it is malformed.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rapida_media.sip.syntax import (
    PARAMS,
    QUOTED_TEXT,
    TCHARS,
    format_params,
    malformed,
    parse_params,
    quote,
    unescape_pairs,
)
from rapida_media.sip.uri import HOST, SipUri, parse_host, parse_port, parse_uri

# "The branch ID inserted by an element compliant with this specification MUST always begin with
# the characters 'z9hG4bK'" (RFC 3261 section 8.1.1.7).
BRANCH_COOKIE = "z9hG4bK"

# Leading zeros are legal (RFC 4475 section 3.1.1.1); this many digits of anything are enough.
_DIGITS = 128

_VIA = re.compile(
    rf"[Ss][Ii][Pp][ \t]*+/[ \t]*+2\.0[ \t]*+/[ \t]*+([{TCHARS}]++)[ \t]++({HOST})"
    rf"(?:[ \t]*+:[ \t]*+([0-9]{{1,5}}+))?+({PARAMS})",
    re.DOTALL,
)
_ABSOLUTE_URI = r"[A-Za-z][A-Za-z0-9+.\-]*+:"
_NAME_ADDR = re.compile(
    rf"(?:\"({QUOTED_TEXT})\"[ \t]*+|([^\"<>,;]*+))<({_ABSOLUTE_URI}[^\s<>\"]++)>({PARAMS})",
    re.DOTALL,
)
# "If the URI is not enclosed in angle brackets, any semicolon-delimited parameters are
# header-parameters, not URI parameters" (section 20); comma and question mark demand brackets.
_ADDR_SPEC = re.compile(rf"({_ABSOLUTE_URI}[^\s<>;,?\"]++)({PARAMS})", re.DOTALL)
_CSEQ = re.compile(rf"([0-9]{{1,{_DIGITS}}}+)[ \t]++([{TCHARS}]++)")
_MEDIA_TYPE = re.compile(rf"([{TCHARS}]++)[ \t]*+/[ \t]*+([{TCHARS}]++)({PARAMS})", re.DOTALL)
_NUMBER = re.compile(rf"[0-9]{{1,{_DIGITS}}}+")


class Via(NamedTuple):
    """One Via value: who sent the message over what, and how to answer it.

    transport is upper-case; host (the sent-by) is without IPv6 brackets.
    """

    transport: str
    host: str
    port: int | None
    params: dict[str, str | None]

    @property
    def branch(self) -> str | None:
        """Give the transaction's branch, None from an RFC 2543 element that sent none."""
        return self.params.get("branch")

    @property
    def has_magic_cookie(self) -> bool:
        """Tell whether the branch alone identifies the transaction (section 17.2.3).

        A branch that is nothing but the cookie identifies nothing: such a request is matched as
        from an RFC 2543 element (RFC 4475 section 3.2.1).
        """
        branch = self.params.get("branch") or ""
        return len(branch) > len(BRANCH_COOKIE) and branch.startswith(BRANCH_COOKIE)

    @property
    def received(self) -> str | None:
        return self.params.get("received")

    @property
    def rport(self) -> int | None:
        """Give the port a server filled in (RFC 3581); None when absent, empty or no port."""
        value = self.params.get("rport") or ""
        return int(value) if value.isdecimal() and value.isascii() and len(value) <= 5 else None

    @property
    def sent_by(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"SIP/2.0/{self.transport} {self.sent_by}{format_params(self.params)}"


class NameAddr(NamedTuple):
    """One From, To, Contact, Route … value.

    uri_text is the URI as written, of whatever scheme ("*" for the Contact that means all);
    params are those of the header field, not of the URI.
    """

    display_name: str
    uri_text: str
    params: dict[str, str | None]

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    @property
    def uri(self) -> SipUri:
        """Parse the URI. Raises RemoteProtocolError as ``parse_uri`` does."""
        return parse_uri(self.uri_text)

    def __str__(self) -> str:
        if self.uri_text == "*":
            return "*"
        name = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{name}<{self.uri_text}>{format_params(self.params)}"


class CSeq(NamedTuple):
    """A CSeq value; the method is as written, as its case counts."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


class MediaType(NamedTuple):
    """A Content-Type or one Accept range; type and subtype are lower-case."""

    type: str
    subtype: str
    params: dict[str, str | None]

    @property
    def name(self) -> str:
        """Give ``type/subtype``, what ``application/sdp`` is compared with."""
        return f"{self.type}/{self.subtype}"

    def __str__(self) -> str:
        return f"{self.name}{format_params(self.params)}"


def parse_via(text: str) -> Via:
    """Parse one Via value (RFC 3261 section 20.42). RemoteProtocolError (400)."""
    match = _VIA.fullmatch(text)
    if match is None:
        raise malformed("Via")
    transport, host, port, params = match.groups()
    return Via(
        transport.upper(),
        host if host[0] != "[" else parse_host(host),
        None if port is None else parse_port(port),
        parse_params(params, "Via") if params else {},
    )


def parse_name_addr(text: str, what: str) -> NameAddr:
    """Parse ``"name" <uri>;params`` or ``uri;params``; what names the field in the error."""
    match = _NAME_ADDR.fullmatch(text)
    if match is not None:
        quoted, name, uri_text, params = match.groups()
        if quoted is None:
            name = name.strip(" \t")
        else:
            name = unescape_pairs(quoted) if "\\" in quoted else quoted
    else:
        match = _ADDR_SPEC.fullmatch(text)
        if match is None:
            raise malformed(what)
        name = ""
        uri_text, params = match.groups()
    parsed = parse_params(params, what) if params else {}
    if parsed.get("tag", "") is None:  # section 25.1: tag-param = "tag" EQUAL token
        raise malformed(f"{what}: tag without a value")
    return NameAddr(name, uri_text, parsed)


def parse_contact(text: str) -> NameAddr:
    """Parse one Contact value, or the "*" of a REGISTER, whose ``uri_text`` it becomes."""
    return NameAddr("", "*", {}) if text == "*" else parse_name_addr(text, "Contact")


def parse_cseq(text: str) -> CSeq:
    """Parse a CSeq: "The sequence number value MUST be expressible as a 32-bit unsigned integer"
    (RFC 3261 section 8.1.1.5)."""
    match = _CSEQ.fullmatch(text)
    if match is None or (number := int(match.group(1))) > 0xFFFFFFFF:
        raise malformed("CSeq")
    return CSeq(number, match.group(2))


def parse_call_id(text: str) -> str:
    """Check a Call-ID for the white space it cannot have. RemoteProtocolError (400)."""
    if not text or " " in text or "\t" in text:
        raise malformed("Call-ID")
    return text


def parse_media_type(text: str, what: str) -> MediaType:
    """Parse a media type or range; what names the field in the error."""
    match = _MEDIA_TYPE.fullmatch(text)
    if match is None:
        raise malformed(what)
    kind, subtype, params = match.groups()
    return MediaType(kind.lower(), subtype.lower(), parse_params(params, what) if params else {})


def parse_number(text: str, what: str, limit: int) -> int:
    """Read a decimal number that must not exceed limit."""
    if _NUMBER.fullmatch(text) is None or (number := int(text)) > limit:
        raise malformed(what)
    return number


def parse_delta_seconds(text: str, what: str) -> int:
    """Read leading delta-seconds, held to 2**32 - 1; what follows (Retry-After's comment and
    parameters) is ignored."""
    match = _NUMBER.match(text)
    if match is None:
        raise malformed(what)
    return min(int(match.group()), 0xFFFFFFFF)
