"""How a request that failed is sent once more (RFC 3261 sections 18.1.1, 22.2, RFC 3263 4.3).

A client transaction that has a ``SecondAttempt`` asks it before it reports a failure. The session
that sent the request does not notice: a challenge is answered, and a server that fails is left
for the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from rapida_media.sip.address import Address, Path

if TYPE_CHECKING:
    from rapida_media.sip.dialog import Dialog
    from rapida_media.sip.hops import Hop
    from rapida_media.sip.message import Response
    from rapida_media.sip.outgoing import OutgoingRequest
    from rapida_media.sip.user_agent import UserAgent

# Each proxy on the way and the server may challenge once, and call a nonce stale.
MAX_CHALLENGES = 6


class Attempt(NamedTuple):
    """A request written anew, for a transaction of its own."""

    request: OutgoingRequest
    data: bytes
    path: Path


class SecondAttempt:
    """Second chances of one request.

    dialog: where its CSeq is counted, None outside one. others: where else it may go, the next
    first; after them to the addresses of ``hop``, the name it goes to within a dialog.
    """

    __slots__ = (
        "_agent",
        "_answered",
        "_data",
        "_dialog",
        "_hop",
        "_left",
        "_others",
        "_path",
        "_request",
    )

    def __init__(
        self,
        agent: UserAgent,
        request: OutgoingRequest,
        data: bytes,
        path: Path,
        *,
        dialog: Dialog | None,
        others: Sequence[Address],
        hop: Hop | None = None,
    ) -> None:
        self._agent = agent
        self._request = request
        self._data = data
        self._path = path
        self._dialog = dialog
        self._others = list(others)
        self._hop = hop
        self._answered: set[tuple[str, str]] = set()
        self._left = MAX_CHALLENGES

    def after(self, status: int, response: Response | None, now: float) -> Attempt | None:
        """Give the request as it is to be sent next, None when that would not help.

        response: None when nothing came (408) or the transport failed (503).
        """
        if status in (401, 407) and response is not None:
            return self._with_credentials(response, now)
        if status == 503 or response is None:
            self._agent.avoid(self._path.remote, response, now)
            return self._elsewhere()
        return None

    def _with_credentials(self, response: Response, now: float) -> Attempt | None:
        auth = self._request.auth
        if auth is None or not self._left or not auth.take(response, self._answered):
            return None
        self._left -= 1
        # "it MUST increment the CSeq header field value as it would normally when sending an
        # updated request" (section 22.2)
        attempt = self._again(self._request._replace(cseq=self._next_cseq()))
        path = self._agent.path_for(attempt.data, self._path, now)
        if path == self._path:
            return attempt
        # With them it has become too big for UDP.
        self._others.insert(0, self._path.remote)
        self._path = path
        return self._rewritten(attempt.request._replace(sent_by=self._agent.sent_by(path)))

    def _elsewhere(self) -> Attempt | None:
        """Go to the next server: "a new request, which is identical to the previous, but has a
        different value of the Via branch ID" (RFC 3263 section 4.3)."""
        if not self._others and self._hop is not None:
            named, self._hop = self._agent.hops.of(self._hop), None
            self._others = [each for each in named if each != self._path.remote]
        if not self._others:
            return None
        address = self._others.pop(0)
        self._path = Path(address, None)
        if self._dialog is not None:
            self._dialog.go_by(self._path)
        sent_by = self._agent.sent_by(self._path)
        return self._again(self._request._replace(sent_by=sent_by))

    def _again(self, request: OutgoingRequest) -> Attempt:
        body = self._data.partition(b"\r\n\r\n")[2]
        request = request._replace(branch=self._agent.branch())
        if request.auth is not None:
            credentials = request.auth.headers(request.method, request.uri, body)
            request = request._replace(credentials=credentials)
        return self._rewritten(request)

    def _rewritten(self, request: OutgoingRequest) -> Attempt:
        self._data = request.repack(self._data, self._request)
        self._request = request
        return Attempt(request, self._data, self._path)

    def _next_cseq(self) -> int:
        if self._dialog is None:
            return self._request.cseq + 1
        self._dialog.local_cseq += 1
        return self._dialog.local_cseq
