"""Whether a UAS can act on a request at all: RFC 3261 section 8.2.

Pure functions used by the endpoint and the sessions. A refusal is ``(status, headers)``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.dtmf_info import PLAIN, RELAY
from rapida_media.sip.multipart import Part, parts_of
from rapida_media.sip.syntax import PARAMS, TCHARS
from rapida_media.sip.user_agent import ACCEPT, ALLOW, SUPPORTED, Headers
from rapida_media.sip.validation import REGISTERED_METHODS

if TYPE_CHECKING:
    from rapida_media.sip.message import Message, Request

SDP = "application/sdp"
MULTIPART = "multipart"
INFO_CONTENT = (RELAY, PLAIN)
MESSAGE_CONTENT = "text/plain"
ALLOWED_METHODS = frozenset(ALLOW[1].split(", "))
OPTION_TAGS = frozenset(SUPPORTED[1].split(", "))
OUTSIDE_DIALOG = frozenset({"INVITE", "OPTIONS"})
ALLOW_OUTSIDE = ("Allow", "INVITE, ACK, CANCEL, OPTIONS")

_REASON = re.compile(rf"[{TCHARS}]++{PARAMS}")

Refusal = tuple[int, Headers]


def refusal(request: Request) -> Refusal | None:
    """Give why a request cannot be served, in the order of section 8.2, None when it can."""
    return (
        method_refusal(request)
        or extension_refusal(request)
        or (body_refusal(request) if request.method == "INVITE" else None)
    )


def method_refusal(request: Request) -> Refusal | None:
    """405 for a method SIP knows, 501 for another, with Allow (sections 8.2.1, 21.5.2)."""
    if request.method in ALLOWED_METHODS:
        return None
    return 405 if request.method in REGISTERED_METHODS else 501, (ALLOW,)


def extension_refusal(request: Request) -> Refusal | None:
    """420 naming each option tag of Require that is not ours (section 8.2.2.3)."""
    unknown = [tag for tag in request.require if tag.lower() not in OPTION_TAGS]
    return (420, (("Unsupported", ", ".join(unknown)),)) if unknown else None


def body_refusal(request: Request) -> Refusal | None:
    """415 for an offer we cannot read, 406 for a caller that cannot read our answer.

    A body may be ignored when its Content-Disposition says handling=optional (section 20.11). Of
    several parts (RFC 5621) those that do not say that they must be understood are, too, though
    the standard takes that for said: what carriers put beside their SDP is not for us.
    """
    if request.body and not _optional(request):
        if request.encoded:
            return 415, (("Accept-Encoding", "identity"),)
        if request.content_type is None:
            return 400, ()  # "MUST be present if the body is not empty" (section 20.15)
        refused = request.content_type.name != SDP
        if request.content_type.type == MULTIPART:
            parts = parts_of(request.content_type, request.body)
            if not parts:
                return 400, ()
            refused = any(each.required and not _is_offer(each) for each in parts)
        if refused:
            return 415, (ACCEPT,)
    if request.has("Accept") and not _accepts_sdp(request):
        return 406, (ACCEPT,)
    return None


def offer_of(message: Message | None) -> bytes:
    """Give the SDP a message carries, alone or among other parts; empty when it carries none."""
    if message is None or not message.body or message.encoded:
        return b""
    content = message.content_type
    if content is None or content.type != MULTIPART:
        return message.body if content is not None and content.name == SDP else b""
    parts = parts_of(content, message.body)
    return next((each.body for each in parts if _is_offer(each)), b"")


def _is_offer(part: Part) -> bool:
    """Tell the SDP of the session from that of an early one (RFC 3959) and from other parts."""
    return part.content_type == SDP and part.disposition == "session"


def cause_of(message: Message) -> str | None:
    """Give the first value of Reason (RFC 3326) as written, None without a usable one.

    The other end of a bridge gets it in a BYE, which it must not stumble over.
    """
    try:
        value = next(iter(message.header_values("Reason")), "")
    except RemoteProtocolError:
        return None
    return value if _REASON.fullmatch(value) else None


def _optional(request: Request) -> bool:
    disposition = request.header("Content-Disposition") or ""
    return "handling=optional" in disposition.lower().replace(" ", "")


def _accepts_sdp(request: Request) -> bool:
    return any(kind.name in (SDP, "application/*", "*/*") for kind in request.accept)
