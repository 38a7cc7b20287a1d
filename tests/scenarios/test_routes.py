"""Which way messages go: rport and received, Record-Route, several listeners, streams."""

from __future__ import annotations

import pytest

from rapida_media.sip.address import Address, Datagram
from rapida_media.sip.endpoint import EndpointConfig, SipEndpoint
from rapida_media.sip.events import IncomingInvite
from rapida_media.sip.message import Response, parse_message
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

CONTACTS = {"udp": ("203.0.113.7", 5060), "tcp": ("203.0.113.7", 5060)}


def endpoint() -> SipEndpoint:
    return SipEndpoint(EndpointConfig(CONTACTS), SeededIds(1), Counters())


def request(via: str, method: str = "OPTIONS", *headers: str) -> bytes:
    lines = [
        f"{method} sip:bob@203.0.113.7 SIP/2.0",
        f"Via: {via}",
        "From: <sip:alice@example.com>;tag=a",
        "To: <sip:bob@203.0.113.7>",
        "Call-ID: 1",
        f"CSeq: 1 {method}",
        "Contact: <sip:alice@198.51.100.7:5066>",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\nContent-Length: 0\r\n\r\n"


def answer(data: bytes, source: Address, local: Address | None = None) -> tuple[Response, Datagram]:
    sip = endpoint()
    sip.receive_datagram(data, source, local, 0.0)
    (datagram,) = sip.datagrams_to_send()
    response = parse_message(datagram.data)
    assert isinstance(response, Response)
    return response, datagram


@pytest.mark.parametrize(
    ("sent_by", "source", "received", "destination"),
    [
        # RFC 3261 18.2.1 and 18.2.2
        ("198.51.100.7", ("198.51.100.7", 4000), None, ("198.51.100.7", 5060)),
        ("198.51.100.7:5066", ("198.51.100.7", 4000), None, ("198.51.100.7", 5066)),
        ("10.0.0.1:5066", ("198.51.100.7", 4000), "198.51.100.7", ("198.51.100.7", 5066)),
        ("phone.example", ("198.51.100.7", 4000), "198.51.100.7", ("198.51.100.7", 5060)),
        # RFC 3581 section 4
        ("10.1.1.1:4540;rport", ("192.0.2.1", 9988), "192.0.2.1", ("192.0.2.1", 9988)),
        # RFC 3261 section 19.1.2's IPv6 sent-by
        ("[2001:db8::1]:5066", ("2001:db8::1", 4000), None, ("2001:db8::1", 5066)),
        # maddr is not followed
        ("198.51.100.7;maddr=192.0.2.250", ("198.51.100.7", 9), None, ("198.51.100.7", 5060)),
    ],
)
def test_a_response_goes_where_via_and_source_say(
    sent_by: str, source: tuple[str, int], received: str | None, destination: tuple[str, int]
) -> None:
    host, _, params = sent_by.partition(";")
    via = f"SIP/2.0/UDP {host};branch=z9hG4bK1" + (f";{params}" if params else "")
    response, datagram = answer(request(via), Address(*source))
    assert datagram.destination == Address(*destination)
    assert response.top_via.received == received
    assert response.top_via.rport == (source[1] if "rport" in params else None)


def test_over_a_stream_the_response_goes_back_over_the_connection() -> None:
    source = Address("198.51.100.7", 43210, "tcp")
    _, datagram = answer(request("SIP/2.0/TCP 10.0.0.1:5060;branch=z9hG4bK1"), source)
    assert datagram.destination == source


def test_everything_leaves_from_the_listener_the_call_came_in_by() -> None:
    sip = endpoint()
    source, local = Address("198.51.100.7", 5066), Address("192.0.2.2", 5080)
    invite = request("SIP/2.0/UDP 198.51.100.7:5066;branch=z9hG4bK1", "INVITE")
    sip.receive_datagram(invite, source, local, 0.0)
    event = sip.next_event()
    assert isinstance(event, IncomingInvite)
    event.session.accept(OFFER, 0.0)
    sip.handle_timeout(100.0)  # nobody acknowledges: repeated 200, then BYE
    assert {datagram.local for datagram in sip.datagrams_to_send()} == {local}


def test_our_contact_and_via_name_the_outside_address_of_the_transport() -> None:
    sip = endpoint()
    sip.invite(
        target="sip:bob@198.51.100.7",
        destination=Address("198.51.100.7", 5060, "tcp"),
        from_uri="sip:alice@example.com",
        from_display='The "A" Team',
        body=OFFER,
        now=0.0,
    )
    invite = parse_message(sip.datagrams_to_send()[0].data)
    invite.validate()
    assert invite.header("Contact") == "<sip:203.0.113.7:5060;transport=tcp>"
    assert (invite.top_via.transport, invite.top_via.host) == ("TCP", "203.0.113.7")
    assert invite.from_.display_name == 'The "A" Team'
    assert sip.next_timeout() == 32.0  # timer B alone: nothing is retransmitted over TCP


def test_a_call_through_a_record_routing_proxy_stays_on_its_route(world: World) -> None:
    bob, proxy = world.add_sip("192.0.2.2"), SipPeer(world, "192.0.2.50")
    routes = ("<sip:192.0.2.50;lr>", "<sip:192.0.2.51;lr>")
    headers = [("Record-Route", route) for route in routes]
    headers.append(("Contact", "<sip:alice@10.0.0.1:5090>"))
    proxy.send(proxy.request("INVITE", headers=headers, body=OFFER), bob.address)
    world.run_for(0.1)
    event = bob.events[0]
    assert isinstance(event, IncomingInvite)
    event.session.accept(OFFER, world.now)
    world.run_for(0.1)
    answered = proxy.responses("INVITE")[-1]
    assert answered.header_values("Record-Route") == list(routes)
    assert proxy.responses("INVITE")[0].header_values("Record-Route") == []  # 100
    proxy.send(proxy.request("ACK", to_tag=event.session.id), bob.address)
    world.run_for(0.1)
    event.session.bye(world.now)
    world.run_for(0.1)
    (bye,) = proxy.requests("BYE")
    assert bye.uri_text == "sip:alice@10.0.0.1:5090"
    assert bye.header_values("Route") == list(routes)


def test_a_call_of_ours_through_a_record_routing_proxy_reverses_the_route(world: World) -> None:
    alice, proxy = world.add_sip("192.0.2.1"), SipPeer(world, "192.0.2.50")
    session = alice.endpoint.invite(
        target="sip:bob@biloxi.example",
        destination=proxy.address,
        from_uri="sip:alice@192.0.2.1",
        body=OFFER,
        now=world.now,
    )
    world.run_for(0.1)
    headers = [
        ("Record-Route", "<sip:192.0.2.51;lr>, <sip:192.0.2.50;lr>"),
        ("Contact", "<sip:bob@10.9.9.9>"),
    ]
    invite = proxy.requests("INVITE")[0]
    proxy.send(proxy.respond(invite, 200, body=OFFER, headers=headers), alice.address)
    world.run_for(0.1)
    session.bye(world.now)
    world.run_for(0.1)
    for request in (*proxy.requests("ACK"), *proxy.requests("BYE")):
        assert request.uri_text == "sip:bob@10.9.9.9"
        assert request.header_values("Route") == ["<sip:192.0.2.50;lr>", "<sip:192.0.2.51;lr>"]
    assert [r.method for r in proxy.received[1:]] == ["ACK", "BYE"]
