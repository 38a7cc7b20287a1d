"""Dialogs: routes, targets and order, from RFC 3261 sections 12 and 16.12."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.address import Address, Path
from rapida_media.sip.dialog import Dialog
from rapida_media.sip.hops import Hop
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.sip.outgoing import OutgoingRequest

FLOW = Path(Address("198.51.100.7", 5066), Address("192.0.2.2", 5060))


def invite(*headers: str) -> Request:
    lines = [
        "INVITE sip:bob@192.0.2.2 SIP/2.0",
        "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK1",
        "From: Alice <sip:alice@example.com>;tag=a73kszlfl",
        "To: Bob <sip:bob@example.net>",
        "Call-ID: 1j9FpLxk3uxtm8tn",
        "CSeq: 42 INVITE",
        *headers,
    ]
    message = parse_message("\r\n".join(lines).encode() + b"\r\n\r\n")
    assert isinstance(message, Request)
    return message


def callee(*headers: str, flow: Path = FLOW) -> Dialog:
    return Dialog.of_request(invite(*headers), "local", 100, flow)


def caller(*headers: str) -> Dialog:
    request = OutgoingRequest(
        "INVITE", "sip:bob@example.net", "UDP 192.0.2.1:5060", "z9hG4bK1", (),
        "<sip:alice@example.com>;tag=local", "<sip:bob@example.net>", "id", 7,
    )  # fmt: skip
    lines = [
        "SIP/2.0 200 OK",
        "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
        "From: <sip:alice@example.com>;tag=local",
        "To: <sip:bob@example.net>;tag=remote",
        "Call-ID: id",
        "CSeq: 7 INVITE",
        *headers,
    ]
    response = parse_message("\r\n".join(lines).encode() + b"\r\n\r\n")
    assert isinstance(response, Response)
    return Dialog.of_response(request, "local", response, FLOW)


def test_the_callee_swaps_from_and_to_and_adds_its_tag() -> None:
    dialog = callee("Contact: <sip:alice@198.51.100.7:5070>")
    bye = dialog.request("BYE", "UDP 192.0.2.2:5060", "z9hG4bKx")
    assert bye.uri == "sip:alice@198.51.100.7:5070"
    assert bye.from_ == "Bob <sip:bob@example.net>;tag=local"
    assert bye.to == "Alice <sip:alice@example.com>;tag=a73kszlfl"
    assert (bye.call_id, bye.cseq, bye.routes) == ("1j9FpLxk3uxtm8tn", 101, ())
    assert dialog.next_hop() == Path(Address("198.51.100.7", 5070), FLOW.local)


def test_each_request_takes_the_next_cseq_but_the_ack_takes_its_invites() -> None:
    dialog = callee("Contact: <sip:alice@198.51.100.7>")
    numbers = [dialog.request("INFO", "UDP h:1", "b").cseq for _ in range(3)]
    assert numbers == [101, 102, 103]
    assert dialog.request("ACK", "UDP h:1", "b", cseq=102).cseq == 102
    assert dialog.request("BYE", "UDP h:1", "b").cseq == 104


def test_loose_routes_are_kept_in_order_by_the_callee_and_reversed_by_the_caller() -> None:
    record = (
        "Record-Route: <sip:203.0.113.2;lr>, <sip:203.0.113.1;lr>",
        "Contact: <sip:peer@198.51.100.7>",
    )
    uas, uac = callee(*record), caller(*record)
    assert uas.request("BYE", "UDP h:1", "b").routes == (
        "<sip:203.0.113.2;lr>", "<sip:203.0.113.1;lr>",
    )  # fmt: skip
    assert uas.next_hop().remote == Address("203.0.113.2", 5060)
    bye = uac.request("BYE", "UDP h:1", "b")
    assert bye.routes == ("<sip:203.0.113.1;lr>", "<sip:203.0.113.2;lr>")
    assert bye.uri == "sip:peer@198.51.100.7"
    assert uac.next_hop().remote == Address("203.0.113.1", 5060)


def test_a_strict_router_gets_its_own_uri_and_the_target_comes_last() -> None:
    # The example of section 12.2.1.1.
    dialog = callee(
        "Record-Route: <sip:proxy1>,<sip:proxy2>,<sip:proxy3;lr>,<sip:proxy4>",
        "Contact: <sip:user@remoteua>",
    )
    request = dialog.request("BYE", "UDP h:1", "b")
    assert request.uri == "sip:proxy1"
    assert request.routes == (
        "<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("contact", "flow", "expected"),
    [
        ("<sip:a@203.0.113.9>", Address("198.51.100.7", 5066), Address("203.0.113.9", 5060)),
        ("<sip:a@[2001:db8::9]:5070>", Address("2001:db8::1", 1), Address("2001:db8::9", 5070)),
        ("<sip:a@phone.example>", Address("198.51.100.7", 5066), Address("198.51.100.7", 5066)),
        (
            "<sip:a@203.0.113.9;transport=tcp>",
            Address("198.51.100.7", 5066),
            Address("203.0.113.9", 5060, "tcp"),
        ),
        (
            "<sips:a@203.0.113.9>",
            Address("198.51.100.7", 5066),
            Address("203.0.113.9", 5061, "tls"),
        ),
        (
            "<sip:a@198.51.100.7;transport=tcp>",
            Address("198.51.100.7", 40001, "tcp"),
            Address("198.51.100.7", 40001, "tcp"),
        ),
        *(
            (f"<sip:a@{host}:5060>", Address("198.51.100.7", 40001), Address("198.51.100.7", 40001))
            for host in ("10.1.2.3", "172.31.0.9", "192.168.1.5", "100.64.0.1", "127.0.0.1")
        ),
        ("<sip:a@[fd00::5]>", Address("2001:db8::1", 40001), Address("2001:db8::1", 40001)),
        ("<sip:a@172.32.0.9>", Address("198.51.100.7", 40001), Address("172.32.0.9", 5060)),
        ("<sip:a@10.1.2.3>", Address("10.9.9.9", 5066), Address("10.1.2.3", 5060)),
        ("<sip:a@10.1.2.3>", Address("127.0.0.1", 5066), Address("10.1.2.3", 5060)),
    ],
    ids=[
        *("numeric", "IPv6", "name: by the flow", "other transport", "sips", "open connection"),
        *(f"behind a NAT: {network}" for network in ("10", "172.16", "192.168", "100.64", "127")),
        *("behind a NAT: IPv6", "172.32 is public", "within one network", "by our own machine"),
    ],
)
def test_requests_go_where_the_target_says(contact: str, flow: Address, expected: Address) -> None:
    dialog = callee(f"Contact: {contact}", flow=Path(flow, None))
    assert dialog.next_hop().remote == expected


def test_when_its_connection_is_gone_a_peer_is_called_where_it_listens() -> None:
    flow = Path(Address("198.51.100.7", 40001, "tcp"), Address("192.0.2.2", 5060, "tcp"))
    dialog = callee("Contact: <sip:a@198.51.100.7:5070;transport=tcp>", flow=flow)
    dialog.connection_lost(Address("198.51.100.7", 40002, "tcp"))
    assert dialog.next_hop() == flow
    dialog.connection_lost(flow.remote)
    assert dialog.next_hop().remote == Address("198.51.100.7", 5070, "tcp")
    later = Path(Address("198.51.100.7", 40003, "tcp"), flow.local)
    dialog.follow(later)
    assert dialog.next_hop() == later


def test_a_connection_of_ours_is_made_again_for_the_same_domain() -> None:
    server = Address("198.51.100.7", 5061, "tls", domain="carrier.example")
    dialog = callee("Contact: <sip:a@198.51.100.7:5061;transport=tls>", flow=Path(server, None))
    dialog.connection_lost(server)
    assert dialog.next_hop().remote.domain == "carrier.example"


@pytest.mark.parametrize(
    ("contact", "transport", "hop"),
    [
        ("sip:a@Gw.example", "udp", Hop("gw.example", None, None)),
        ("sip:a@gw.example:5070;transport=TCP", "udp", Hop("gw.example", 5070, "tcp")),
        ("sip:a@gw.example;transport=sctp", "udp", Hop("gw.example", None, None)),
        ("sips:a@gw.example", "tcp", Hop("gw.example", None, "tls")),
        # Spoken over TLS, it is never left for less.
        ("sip:a@gw.example", "tls", Hop("gw.example", None, "tls")),
        ("sip:a@192.0.2.9", "udp", None),
        ("sip:a@[2001:db8::9]", "udp", None),
    ],
)
def test_a_name_may_stand_for_other_addresses(
    contact: str, transport: str, hop: Hop | None
) -> None:
    flow = Path(Address("192.0.2.1", 5060, transport), None)
    assert callee(f"Contact: <{contact}>", flow=flow).named_hop() == hop
    routed = callee("Contact: <sip:a@192.0.2.9>", f"Record-Route: <{contact};lr>", flow=flow)
    assert routed.named_hop() == hop


def test_a_lower_cseq_is_out_of_order_and_changes_nothing() -> None:
    dialog = callee("Contact: <sip:a@198.51.100.7>")
    request = invite()
    assert dialog.remote_cseq == 42
    for number, expected in ((41, False), (42, True), (50, True), (49, False)):
        request.__dict__["cseq"] = request.cseq._replace(number=number)
        assert dialog.check_order(request) is expected
    assert dialog.remote_cseq == 50


def test_a_reinvite_moves_the_target_but_not_the_routes() -> None:
    dialog = callee("Contact: <sip:a@198.51.100.7>")
    dialog.refresh_target(invite("Contact: <sip:a@198.51.100.8:5080>"))
    assert dialog.request("BYE", "UDP h:1", "b").uri == "sip:a@198.51.100.8:5080"
    assert dialog.next_hop().remote == Address("198.51.100.8", 5080)
    dialog.refresh_target(invite())
    assert dialog.remote_target == "sip:a@198.51.100.8:5080"


@pytest.mark.parametrize(
    "headers",
    [
        ("Contact: <sip:a@198.51.100.7>, <sip:b@198.51.100.8>",),
        ("Contact: *",),
        ("Contact: <tel:+15550100>",),
        ("Contact: <sip:a@198.51.100.7>", "Record-Route: <tel:+15550100>"),
    ],
)
def test_an_invite_without_one_usable_target_makes_no_dialog(headers: tuple[str, ...]) -> None:
    with pytest.raises(RemoteProtocolError):
        callee(*headers)


def test_without_contact_an_old_peer_is_reached_by_its_from_uri() -> None:
    assert callee().remote_target == "sip:alice@example.com"


@pytest.mark.parametrize("make", [callee, caller])
def test_the_target_loses_what_no_request_line_may_have(
    make: Callable[..., Dialog],
) -> None:
    # RFC 3261 section 19.1.1, table 1: no headers and no method in a Request-URI.
    dialog = make("Contact: <sip:a@198.51.100.7;ob;method=INVITE?Subject=x&Route=%3Csip:b%3E>")
    assert dialog.request("BYE", "UDP h:1", "b").uri == "sip:a@198.51.100.7;ob"


def test_a_strict_routers_uri_loses_what_no_request_line_may_have() -> None:
    dialog = callee("Record-Route: <sip:198.51.100.1?Subject=x>", "Contact: <sip:a@198.51.100.7>")
    assert dialog.request("BYE", "UDP h:1", "b").uri == "sip:198.51.100.1"
