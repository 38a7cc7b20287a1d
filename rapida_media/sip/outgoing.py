"""The requests we send: the parts a transaction must remember of one, and those derived from it.

Sessions and dialogs make an ``OutgoingRequest``; ACK for a failed INVITE (RFC 3261 section
17.1.1.3) and CANCEL (section 9.1) are cut from the parts of the request they belong to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rapida_media.sip.builder import build_request

if TYPE_CHECKING:
    from rapida_media.sip.client_auth import ClientAuth
    from rapida_media.sip.message import Message

# "The RECOMMENDED value is 70" (section 8.1.1.6).
MAX_FORWARDS = 70
_NO_BODY = b"Content-Length: 0\r\n\r\n"


class OutgoingRequest(NamedTuple):
    """What identifies a request of ours. Header values as written; routes: Route values.

    auth: answers challenges to it, None without credentials. credentials: its answers so far.
    max_forwards: how many elements may pass it on.
    """

    method: str
    uri: str
    sent_by: str  # "UDP 192.0.2.1:5060"
    branch: str
    routes: Sequence[str]
    from_: str
    to: str
    call_id: str
    cseq: int
    auth: ClientAuth | None = None
    credentials: Sequence[tuple[str, str]] = ()
    max_forwards: int = MAX_FORWARDS

    def pack(self, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> bytes:
        """Write the request. Raises LocalProtocolError when a value contains CR or LF."""
        return build_request(self.method, self.uri, (*self._fixed(), *headers), body).raw

    def repack(self, data: bytes, before: OutgoingRequest) -> bytes:
        """Write this request with the further headers and the body of ``data``, which ``before``
        packed."""
        return self._head() + data[len(before._head()) :]

    def _head(self) -> bytes:
        return build_request(self.method, self.uri, self._fixed()).raw.removesuffix(_NO_BODY)

    def _fixed(self) -> list[tuple[str, str]]:
        return [
            ("Via", f"SIP/2.0/{self.sent_by};branch={self.branch};rport"),
            ("Max-Forwards", str(self.max_forwards)),
            *(("Route", route) for route in self.routes),
            ("From", self.from_),
            ("To", self.to),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {self.method}"),
            *self.credentials,
        ]


def acknowledge_failure(request: OutgoingRequest, response: Message) -> bytes:
    """Write the ACK for a 300-699 response to an INVITE.

    "The To header field in the ACK MUST equal the To header field in the response being
    acknowledged"; everything else, the branch and the credentials (22.1) included, is the
    INVITE's (17.1.1.3).
    """
    to = response.header("To") or request.to
    return request._replace(method="ACK", to=to).pack()


def cancel(request: OutgoingRequest) -> OutgoingRequest:
    """Give the CANCEL of a request, with the same branch: that is how it is matched (9.1).

    It has no credentials: nobody can challenge a request that "cannot be resubmitted" (22.1).
    """
    return request._replace(method="CANCEL", auth=None, credentials=())
