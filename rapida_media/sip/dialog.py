"""A dialog (RFC 3261 section 12): who talks to whom, in which order, over which route.

An invite session owns one per answered call and asks it for the requests it sends and whether
those it receives are in order. Nothing here keeps a message.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.address import DEFAULT_PORTS, Address, Path, is_numeric, is_private
from rapida_media.sip.headers import parse_name_addr
from rapida_media.sip.hops import Hop
from rapida_media.sip.outgoing import OutgoingRequest
from rapida_media.sip.uri import parse_uri

if TYPE_CHECKING:
    from rapida_media.sip.client_auth import ClientAuth
    from rapida_media.sip.message import Message, Request, Response
    from rapida_media.sip.uri import SipUri


class Dialog:
    """The state both ends share.

    local, remote: our and the peer's name-addr with tag, as From and To carry them.
    flow: the address the peer's messages come from and our listener they arrive at.
    connected: whether the connection they came over is still there.
    auth: our credentials towards whoever challenges requests of this dialog, if we have any.
    """

    __slots__ = (
        "_next_hop",
        "auth",
        "call_id",
        "connected",
        "flow",
        "local",
        "local_cseq",
        "local_tag",
        "remote",
        "remote_cseq",
        "remote_tag",
        "remote_target",
        "route_set",
    )

    def __init__(
        self,
        *,
        call_id: str,
        local: str,
        local_tag: str,
        remote: str,
        remote_tag: str | None,
        remote_target: str,
        route_set: tuple[str, ...],
        local_cseq: int,
        remote_cseq: int | None,
        flow: Path,
        auth: ClientAuth | None = None,
    ) -> None:
        self.call_id = call_id
        self.local = local
        self.local_tag = local_tag
        self.remote = remote
        self.remote_tag = remote_tag
        self.remote_target = remote_target
        self.route_set = route_set
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.flow = flow
        self.auth = auth
        self.connected = True
        self._next_hop: Path | None = None

    @classmethod
    def of_request(cls, request: Request, local_tag: str, local_cseq: int, flow: Path) -> Dialog:
        """Make the callee's dialog from an INVITE (section 12.1.1).

        Raises RemoteProtocolError (400) when Contact or Record-Route cannot be used.
        """
        dialog = cls(
            call_id=request.call_id,
            local=f"{request.header('To')};tag={local_tag}",
            local_tag=local_tag,
            remote=request.header("From") or "",
            remote_tag=request.from_.tag,
            remote_target=contact_target(request) or request_uri(request.from_.uri_text),
            route_set=tuple(request.header_values("Record-Route")),
            local_cseq=local_cseq,
            remote_cseq=request.cseq.number,
            flow=flow,
        )
        dialog.next_hop()
        return dialog

    @classmethod
    def of_response(
        cls, request: OutgoingRequest, local_tag: str, response: Response, flow: Path
    ) -> Dialog:
        """Make the caller's dialog from a 1xx or 2xx to its INVITE (section 12.1.2).

        Raises RemoteProtocolError when Contact or Record-Route cannot be used.
        """
        dialog = cls(
            call_id=request.call_id,
            local=request.from_,
            local_tag=local_tag,
            remote=response.header("To") or request.to,
            remote_tag=response.to.tag,
            remote_target=contact_target(response) or request.uri,
            # "… the list of URIs in the Record-Route header field … in reverse order"
            route_set=tuple(reversed(response.header_values("Record-Route"))),
            local_cseq=request.cseq,
            remote_cseq=None,
            flow=flow,
            auth=request.auth,
        )
        dialog.next_hop()
        return dialog

    def confirm(self, response: Response) -> None:
        """Take what the 2xx says about a dialog that was early.

        "the dialog MUST be transitioned to the 'confirmed' state, and the route set for the dialog
        MUST be recomputed based on the 2xx response" (section 13.2.2.4). Raises
        RemoteProtocolError when its Contact cannot be used.
        """
        self.route_set = tuple(reversed(response.header_values("Record-Route")))
        self._next_hop = None
        self.refresh_target(response)
        self.next_hop()

    def request(
        self, method: str, sent_by: str, branch: str, cseq: int | None = None
    ) -> OutgoingRequest:
        """Give the next request within the dialog (section 12.2.1.1).

        cseq: that of the INVITE when it is its ACK; None takes the next number.
        """
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        uri, routes = self._route()
        return OutgoingRequest(
            method,
            uri,
            sent_by,
            branch,
            routes,
            self.local,
            self.remote,
            self.call_id,
            cseq,
            self.auth,
        )

    def _route(self) -> tuple[str, tuple[str, ...]]:
        if not self.route_set:
            return self.remote_target, ()
        first = parse_name_addr(self.route_set[0], "Route")
        if "lr" in first.uri.params:
            return self.remote_target, self.route_set
        # A strict router: "the UAC MUST place the first URI from the route set into the
        # Request-URI … and MUST then place the remote target URI into the Route header field as
        # the last value."
        return request_uri(first.uri_text), (*self.route_set[1:], f"<{self.remote_target}>")

    def next_hop(self) -> Path:
        """Give where requests go: the first route, else the remote target.

        A name, which only the shell could resolve, and a host that already talks to us over a
        connection are reached by the flow the peer uses. So is a peer behind a NAT that does not
        know its outside address: what it names is private, and it talks to us from elsewhere.
        """
        if self._next_hop is None:
            remote = uri_address(self._hop_uri(), self.flow.remote, connected=self.connected)
            self._next_hop = Path(remote, self.flow.local)
        return self._next_hop

    def _hop_uri(self) -> SipUri:
        if self.route_set:
            return parse_name_addr(self.route_set[0], "Route").uri
        return parse_uri(self.remote_target)

    def named_hop(self) -> Hop | None:
        """Give the name of where requests go, None where the URI has an address.

        A dialog that is spoken over TLS stays there, whatever the records of the name say.
        """
        uri = self._hop_uri()
        if is_numeric(uri.host):
            return None
        transport = (uri.params.get("transport") or "").lower()
        if uri.scheme == "sips" or self.flow.remote.transport == "tls":
            transport = "tls"
        return Hop(uri.host.lower(), uri.port, transport if transport in DEFAULT_PORTS else None)

    def go_by(self, path: Path) -> None:
        """Take another way, since the one there was failed, until the peer comes by one itself."""
        self._next_hop = path

    def check_order(self, request: Request) -> bool:
        """Note the CSeq of a request within the dialog; False when it is out of order.

        "If the remote sequence number was not empty, but the sequence number of the request is
        lower than the remote sequence number, the request is out of order" (section 12.2.2).
        """
        number = request.cseq.number
        if self.remote_cseq is not None and number < self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def follow(self, flow: Path) -> None:
        """Take the way the peer's latest request came: its connection may be a new one."""
        if flow != self.flow or not self.connected:
            self.flow = flow
            self.connected = True
            self._next_hop = None

    def connection_lost(self, peer: Address) -> None:
        """Take the way the URIs name again where the connection to ``peer`` was the one in use."""
        if peer == self.flow.remote:
            self.connected = False
            self._next_hop = None

    def refresh_target(self, message: Message) -> None:
        """Take the Contact of a re-INVITE or its 2xx as the new remote target (12.2.1.2)."""
        target = contact_target(message)
        if target is not None and target != self.remote_target:
            self.remote_target = target
            if not self.route_set:
                self._next_hop = None


def contact_target(message: Message) -> str | None:
    """Give the Contact URI, None without one.

    Raises RemoteProtocolError (400): "The Contact header field MUST be present and contain
    exactly one SIP or SIPS URI" (section 8.1.1.8). RFC 2543 peers may leave it out.
    """
    contacts = message.contacts
    if not contacts:
        return None
    if len(contacts) > 1:
        raise RemoteProtocolError("expected one Contact", 400)
    text = contacts[0].uri_text
    try:
        return request_uri(text)
    except RemoteProtocolError as error:
        raise RemoteProtocolError("expected a sip or sips URI in Contact", 400) from error


def request_uri(text: str) -> str:
    """Give a URI as it may stand in a request line: table 1 of section 19.1.1 has neither header
    components nor a method parameter there, nor in the Contact or Record-Route of a dialog.

    Raises RemoteProtocolError (400, 416) as ``parse_uri`` does.
    """
    uri = parse_uri(text)
    if not uri.headers and "method" not in uri.params:
        return text
    params = {name: value for name, value in uri.params.items() if name != "method"}
    return str(replace(uri, params=params, headers=""))


def uri_address(uri: SipUri, flow: Address, *, connected: bool = True) -> Address:
    """Give the transport address a URI names, or ``flow`` where it names none or the host already
    talks to us over that connection."""
    transport = (uri.params.get("transport") or "").lower()
    if uri.scheme == "sips":
        transport = "tls"
    elif transport not in DEFAULT_PORTS:
        transport = flow.transport if flow.reliable else "udp"
    same_host = flow.transport == transport != "udp" and flow.host == uri.host
    translated = is_private(uri.host) and not is_private(flow.host)
    if (connected and same_host) or translated or not is_numeric(uri.host):
        return flow
    named = Address(uri.host, uri.port or DEFAULT_PORTS[transport], transport)
    return flow if named == flow else named  # which knows what its certificate has to prove
