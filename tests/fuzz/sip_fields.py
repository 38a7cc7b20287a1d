"""Header fields of the extensions, as a peer of the endpoint under test may send them.

``how`` is an octet of the script: it chooses among what the method or the status can carry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rapida_media.sip.invite_session import InviteSession
from rapida_media.testing.sip import OFFER

Fields = list[tuple[str, str]]
ASKED = (
    "INVITE", "PRACK", "UPDATE", "BYE", "REFER", "NOTIFY", "INFO", "MESSAGE", "OPTIONS", "CANCEL",
    "SUBSCRIBE", "ACK",
)  # fmt: skip
ANSWERS = 180, 183, 200, 202, 302, 200, 401, 407, 422, 491, 423, 481, 500, 503, 408, 199

# What an INVITE or UPDATE asks for, or what its 2xx says.
_SESSION: tuple[Fields, ...] = (
    [("Supported", "100rel, timer, replaces")],
    [("Require", "100rel")],
    [("Supported", "timer"), ("Session-Expires", "90;refresher=uac")],
    [("Supported", "timer"), ("Session-Expires", "120;refresher=uas")],
    [("Supported", "timer"), ("Session-Expires", "1800"), ("Min-SE", "900")],
    [("Session-Expires", "20")],
    [("Expires", "1"), ("Supported", "100rel")],
    [],
)
_DIGEST = 'Digest realm="r{}", nonce="n{}", qop="auth{}", stale={}, algorithm={}'


@dataclass(frozen=True, slots=True)
class Known:
    """What the peer has seen: the sessions, that of the dialog in question, the last RSeq."""

    sessions: Sequence[InviteSession]
    session: InviteSession | None
    rseq: int

    @property
    def replaces(self) -> str:
        """Name the newest session as its far end would in Replaces."""
        if not self.sessions:
            return "call-0;to-tag=x;from-tag=a"
        session = self.sessions[-1]
        theirs = "a" if session.direction == "incoming" else "b0"
        return f"{session.call_id};to-tag={session.id};from-tag={theirs}"

    @property
    def cseq(self) -> int:
        """Give the CSeq of the INVITE that waits for its PRACK."""
        request = getattr(self.session, "request", None)
        return 1 if request is None else request.cseq.number


def request_fields(method: str, how: int, known: Known) -> tuple[Fields, bytes]:
    """Give header fields and a body for a request."""
    choice, offer = how >> 1 & 7, OFFER if how & 16 else b""
    if method in ("INVITE", "UPDATE"):
        fields = [*_SESSION[choice]]
        if how & 32:
            fields.append(("Allow", "INVITE, ACK, BYE" if how & 64 else "INVITE, UPDATE, ACK, BYE"))
        elif how & 64 and method == "INVITE":
            fields.append(("Replaces", known.replaces + (";early-only" if choice & 1 else "")))
        return fields, offer
    if method == "PRACK":
        rseq = known.rseq + (choice if how & 32 else 0)
        return [("RAck", f"{rseq} {known.cseq} INVITE")], offer
    if method == "REFER":
        target = "sip:carol@192.0.2.4"
        escaped = known.replaces.replace(";", "%3B").replace("=", "%3D")
        if how & 32:
            target += f"?Replaces={escaped}"
        return [("Refer-To", f"<{target}>"), ("Referred-By", "<sip:alice@192.0.2.9>")], b""
    if method == "NOTIFY":
        state = "terminated;reason=noresource" if how & 32 else "active;expires=60"
        fields = [("Event", "refer"), ("Subscription-State", state)]
        status = (100, 180, 200, 486, 503, 603, 202, 487)[choice]
        return [*fields, ("Content-Type", "message/sipfrag")], f"SIP/2.0 {status} X\r\n".encode()
    if method == "INFO":
        return [("Content-Type", "application/dtmf-relay")], b"Signal=5\r\nDuration=100\r\n"
    if method == "MESSAGE":
        return [("Content-Type", "text/plain")], b"hello"
    return [], offer if method == "ACK" else b""


def answer_fields(status: int, how: int) -> tuple[Fields, bytes]:
    """Give header fields and a body for a response."""
    choice, offer = how >> 2 & 7, OFFER if how & 32 else b""
    if 100 < status < 200:
        if not how & 64:
            return [], offer
        return [("Require", "100rel"), ("RSeq", str(1 + choice))], offer
    if status < 300:
        fields = [*_SESSION[choice]]
        return [*fields, ("Expires", "60"), ("Allow", "INVITE, UPDATE")], offer
    if status == 302:
        return [("Contact", "<sip:a@192.0.2.9>;q=0.5, <sip:b@192.0.2.9>;q=0.7")], b""
    if status in (401, 407):
        name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
        text = _DIGEST.format(
            choice >> 1,
            how,
            "-int" if how & 64 else "",
            "true" if choice & 1 else "false",
            "SHA-256" if how & 32 else "MD5",
        )
        return [(name, text)], b""
    if status == 422:
        return [("Min-SE", str(300 << choice))], b""
    if status == 423:
        return [("Min-Expires", str(200 << choice))], b""
    return [("Retry-After", str(choice))] if how & 32 else [], b""
