"""What REFER, its NOTIFYs and Replaces carry: RFC 3515, RFC 3891, RFC 3420.

Values and their spelling only; ``ReferringSession`` and the endpoint act on them.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.headers import parse_call_id, parse_name_addr
from rapida_media.sip.syntax import malformed, parse_params
from rapida_media.sip.uri import escape_header_value, parse_request_uri, unescape

if TYPE_CHECKING:
    from rapida_media.sip.message import Message, Request

EVENT = "refer"
SIPFRAG = ("Content-Type", "message/sipfrag;version=2.0")
_STATUS_LINE = re.compile(rb"SIP/2\.0[ \t]+([1-6][0-9][0-9])(?:[ \t]+([^\r\n]*))?", re.IGNORECASE)


class Replaces(NamedTuple):
    """The dialog to be replaced, as its owner sees it: to_tag is the owner's tag."""

    call_id: str
    to_tag: str
    from_tag: str
    early_only: bool = False

    def __str__(self) -> str:
        flag = ";early-only" if self.early_only else ""
        return f"{self.call_id};to-tag={self.to_tag};from-tag={self.from_tag}{flag}"


class ReferTo(NamedTuple):
    """Whom a REFER wants called, and the call there that is to be replaced."""

    target: str
    replaces: Replaces | None

    def __str__(self) -> str:
        if self.replaces is None:
            return f"<{self.target}>"
        value = escape_header_value(str(self.replaces))
        return f"<{self.target}?Replaces={value}>"


def parse_replaces(text: str) -> Replaces:
    """Read a Replaces value. Raises RemoteProtocolError (400)."""
    call_id, semicolon, rest = text.partition(";")
    params = parse_params(semicolon + rest, "Replaces")
    to_tag, from_tag = params.get("to-tag"), params.get("from-tag")
    if not to_tag or not from_tag:
        raise malformed("Replaces")
    return Replaces(parse_call_id(call_id.strip()), to_tag, from_tag, "early-only" in params)


def replaces_of(invite: Request) -> Replaces | None:
    """Read the Replaces header of an INVITE. Raises RemoteProtocolError (400), also for two:
    "A UAS that receives an INVITE with more than one Replaces header MUST reject" (RFC 3891)."""
    values = invite.header_values("Replaces")
    if not values:
        return None
    if len(values) > 1:
        raise RemoteProtocolError("more than one Replaces", 400)
    return parse_replaces(values[0])


def refer_to_of(refer: Request) -> ReferTo:
    """Read Refer-To. Raises RemoteProtocolError (400) unless there is exactly one, with a SIP or
    tel URI that is to be called (RFC 3515 section 2.4.2), 416 for one of another scheme."""
    values = refer.header_values("Refer-To")
    if len(values) != 1:
        raise RemoteProtocolError("expected one Refer-To", 400)
    try:
        uri = parse_request_uri(_uri_text(values[0]))
    except RemoteProtocolError as error:
        raise RemoteProtocolError(f"Refer-To: {error}", error.status) from error
    if uri.params.get("method", "INVITE") != "INVITE":
        raise RemoteProtocolError("Refer-To: only INVITE can be asked for", 400)
    headers = dict(part.partition("=")[::2] for part in uri.headers.split("&"))
    wanted = next((v for name, v in headers.items() if name.lower() == "replaces"), None)
    params = {name: value for name, value in uri.params.items() if name != "method"}
    target = str(replace(uri, headers="", params=params))
    return ReferTo(target, None if wanted is None else parse_replaces(unescape(wanted)))


def referred_by_of(refer: Request) -> str | None:
    """Give Referred-By (RFC 3892) as written, None without a usable one."""
    value = refer.header("Referred-By")
    try:
        if value is not None:
            parse_name_addr(value, "Referred-By")
    except RemoteProtocolError:
        return None
    return value


def _uri_text(value: str) -> str:
    """Give the URI of a Refer-To.

    One with a question mark "MUST be enclosed in angle brackets" (RFC 3261 section 20); Asterisk
    leaves them out, and what follows is the URI's: the field has no parameters of its own.
    """
    if "?" in value and "<" not in value:
        return value
    return parse_name_addr(value, "Refer-To").uri_text


def format_sipfrag(status: int, reason: str) -> bytes:
    """Write the body of a NOTIFY: "at a minimum … the status line" (RFC 3515 section 2.4.5)."""
    return f"SIP/2.0 {status} {reason}\r\n".encode()


def parse_sipfrag(notify: Message) -> tuple[int, str] | None:
    """Read the status line of a NOTIFY's body; None where there is none."""
    match = _STATUS_LINE.match(notify.body.lstrip())
    if match is None:
        return None
    return int(match[1]), (match[2] or b"").decode("utf-8", "replace").strip()
