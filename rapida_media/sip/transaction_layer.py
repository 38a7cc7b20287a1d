"""Match messages to transactions: RFC 3261 sections 17.1.3, 17.2.3, 18.1 and 18.2.

The endpoint hands every parsed message in; what no transaction absorbs is the endpoint's to
treat. Requests of ours leave through ``send_request``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rapida_media.sip.address import DEFAULT_PORTS, Address, Path
from rapida_media.sip.client_transaction import ClientTransaction, Outcome, client_key
from rapida_media.sip.outgoing import OutgoingRequest
from rapida_media.sip.server_transaction import ServerTransaction
from rapida_media.sip.transaction import Surroundings

if TYPE_CHECKING:
    from rapida_media.sip.headers import Via
    from rapida_media.sip.message import Request, Response
    from rapida_media.sip.second_attempt import SecondAttempt
    from rapida_media.sip.timers import TimerValues
    from rapida_media.stats import Counters


# How our own requests begin (``OutgoingRequest``).
_REQUEST_BRANCH = re.compile(rb"([A-Z]+) [^\r\n]*\r\nVia: [^\r\n;]*;branch=([^\r\n;]+);")


class TransactionLayer:
    """All live transactions of one endpoint."""

    __slots__ = ("around",)

    def __init__(self, values: TimerValues, counters: Counters) -> None:
        self.around = Surroundings(values, counters)

    def __len__(self) -> int:
        return len(self.around.clients) + len(self.around.servers)

    def send_request(
        self,
        request: OutgoingRequest,
        data: bytes,
        path: Path,
        on_response: Outcome,
        now: float,
        *,
        second: SecondAttempt | None = None,
    ) -> ClientTransaction:
        """Start a client transaction for a request already written as ``data``."""
        transaction = ClientTransaction(
            self.around, request, data, path, on_response, second=second
        )
        transaction.step("send", None, now)
        return transaction

    def receive_response(self, response: Response, now: float) -> None:
        """Give a response to its transaction; a stray one is dropped and counted.

        Branches of ours hold 128 random bits, so a match also shows that the response is ours
        and not misrouted, which section 18.1.2 would test by the Via's sent-by.
        """
        key = client_key(response.top_via.branch or "", response.cseq.method)
        transaction = self.around.clients.get(key)
        if transaction is None:
            self.around.counters.add("stray_responses")
        else:
            transaction.receive_response(response, now)

    def receive_request(self, key: str, request: Request, now: float) -> bool:
        """Give a retransmission, or the ACK of a failed INVITE, to its transaction."""
        transaction = self.around.servers.get(key)
        if transaction is None:
            return False
        transaction.step("ack" if request.method == "ACK" else "request", request, now)
        return True

    def merged(self, key: str) -> bool:
        """Tell whether the same request came to us over another path (section 8.2.2.2)."""
        return key in self.around.merges

    def open_server(
        self, key: str, request: Request, path: Path, merge_key: str | None = None
    ) -> ServerTransaction:
        """Start the server transaction of a request that matched none and came over ``path``."""
        answer_path = Path(response_address(request.top_via, path.remote), path.local)
        transaction = ServerTransaction(
            self.around,
            key,
            request.method,
            source=path.remote,
            path=answer_path,
            sent_by_port=request.top_via.port,
        )
        if merge_key is not None:
            transaction.merge_key = merge_key
            self.around.merges[merge_key] = transaction
        return transaction

    def invite_of(self, cancel: Request) -> ServerTransaction | None:
        """Find the INVITE a CANCEL is for: the same key but for the method (section 9.2)."""
        return self.around.servers.get(server_key(cancel, "INVITE"))

    def transport_failed(self, destination: Address, now: float) -> None:
        """Tell every transaction that was sending to ``destination`` (section 17.1.4)."""
        for transaction in self.around.sending_to(destination):
            transaction.transport_failed(now)

    def undelivered(self, quoted: bytes, now: float) -> None:
        """Tell the client transaction whose request begins so (section 18.4).

        A branch holds 128 random bits: who can quote it has seen the request. Of an answer of ours
        nobody is told, since the branch there is the peer's; it may be asked for again.
        """
        match = _REQUEST_BRANCH.match(quoted)
        if match is None:
            return
        method, branch = (each.decode("ascii", "replace") for each in match.groups())
        transaction = self.around.clients.get(client_key(branch, method))
        if transaction is not None:
            transaction.transport_failed(now)

    def connection_lost(self, peer: Address, now: float) -> None:
        """Tell every transaction that was sending over the connection to ``peer``."""
        for transaction in self.around.sending_to(peer):
            transaction.connection_lost(now)


def server_key(request: Request, method: str) -> str:
    """Give what a request is matched by (section 17.2.3): branch, sent-by and method.

    "The method of the request matches the one that created the transaction, except for ACK,
    where the method of the request that created the transaction is INVITE". A branch without
    the magic cookie comes from RFC 2543, where these together tell transactions apart.
    """
    via = request.top_via
    if method == "ACK":
        method = "INVITE"
    if via.has_magic_cookie:
        return f"{method} {via.branch} {via.host}:{via.port}"
    return " ".join(
        (
            method,
            request.uri_text,
            request.from_.tag or "",
            request.call_id,
            str(request.cseq.number),
            str(via),
        )
    )


def merge_key(request: Request) -> str:
    """Give what a request from outside a dialog has in common with its forks: "the From tag,
    Call-ID, and CSeq exactly match those associated with an ongoing transaction" (8.2.2.2)."""
    return f"{request.call_id} {request.from_.tag} {request.cseq.number} {request.method}"


def response_address(via: Via, source: Address) -> Address:
    """Give where the responses to a request go.

    Reliable transports: back over the connection. UDP: to the address the request came from
    ("received"), at the source port if the client asked with rport (RFC 3581 section 4), else
    at the port of sent-by (RFC 3261 section 18.2.2). A maddr parameter is not followed: it
    would let any sender aim our responses at a third party.
    """
    if source.reliable or "rport" in via.params:
        return source
    return Address(source.host, via.port or DEFAULT_PORTS["udp"], source.transport)
