"""How a request that was challenged is sent once more (RFC 3261 section 22.2).

A client transaction that has a ``SecondAttempt`` asks it about a 401 or 407 before it reports the
failure. The session that sent the request does not notice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rapida_media.sip.headers import BRANCH_COOKIE

if TYPE_CHECKING:
    from rapida_media.ids import IdSource
    from rapida_media.sip.dialog import Dialog
    from rapida_media.sip.message import Response
    from rapida_media.sip.outgoing import OutgoingRequest

# Each proxy on the way and the server may challenge once, and call a nonce stale.
MAX_ATTEMPTS = 6


class Attempt(NamedTuple):
    """A request written anew, for a transaction of its own."""

    request: OutgoingRequest
    data: bytes


class SecondAttempt:
    """Second chances of one request. dialog: where its CSeq is counted, None outside one."""

    __slots__ = ("_answered", "_data", "_dialog", "_ids", "_left", "_request")

    def __init__(
        self, request: OutgoingRequest, data: bytes, dialog: Dialog | None, ids: IdSource
    ) -> None:
        self._request = request
        self._data = data
        self._dialog = dialog
        self._ids = ids
        self._answered: set[tuple[str, str]] = set()
        self._left = MAX_ATTEMPTS

    def after(self, response: Response) -> Attempt | None:
        """Give the request with credentials, None when sending it again would not help."""
        before = self._request
        assert before.auth is not None, "made for requests that have credentials"
        if not self._left or not before.auth.take(response, self._answered):
            return None
        self._left -= 1
        body = self._data.partition(b"\r\n\r\n")[2]
        self._request = before._replace(
            branch=BRANCH_COOKIE + self._ids.token(),
            cseq=self._next_cseq(),
            credentials=before.auth.headers(before.method, before.uri, body),
        )
        self._data = self._request.repack(self._data, before)
        return Attempt(self._request, self._data)

    def _next_cseq(self) -> int:
        """Count on: "it MUST increment the CSeq header field value as it would normally when
        sending an updated request"."""
        if self._dialog is None:
            return self._request.cseq + 1
        self._dialog.local_cseq += 1
        return self._dialog.local_cseq
