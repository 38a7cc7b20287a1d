"""How the endpoint treats requests that are no ordinary call: RFC 3261 sections 8.2 and 11."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.address import Address
from rapida_media.sip.builder import build_response
from rapida_media.sip.endpoint import EndpointConfig, SipEndpoint
from rapida_media.sip.events import (
    Canceled,
    IncomingInvite,
    InfoAnswered,
    InfoReceived,
    InviteRefused,
    MessageReceived,
)
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.stats import Counters
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import SipNode, World

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, PRACK, UPDATE, MESSAGE, REFER, NOTIFY"


class Desk:
    """Bob's endpoint and a peer that sends him single requests."""

    def __init__(self, **settings: object) -> None:
        self.world = World(3)
        self.bob: SipNode = self.world.add_sip("192.0.2.2", **settings)
        self.peer = SipPeer(self.world, "192.0.2.9")

    def ask(self, data: bytes) -> list[Response]:
        """Send bytes; give what comes back."""
        self.peer.received.clear()
        self.peer.send(data, self.bob.address)
        self.world.run_for(0.1)
        return [message for message in self.peer.received if isinstance(message, Response)]

    def ask_one(self, data: bytes) -> Response:
        (response,) = self.ask(data)
        return response


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_options_tells_what_we_can_do(desk: Desk) -> None:
    response = desk.ask_one(desk.peer.request("OPTIONS"))
    assert response.status == 200
    assert response.header("Allow") == ALLOW
    assert response.header("Accept") == "application/sdp"
    assert response.header("Accept-Encoding") == "identity"
    assert response.header("Accept-Language") == "en"
    assert response.header("Supported") == "100rel, timer, replaces"
    assert response.to.tag
    desk.world.run_idle()
    assert desk.bob.idle


def test_an_endpoint_does_not_look_at_max_forwards(desk: Desk) -> None:
    request = desk.peer.request("OPTIONS").replace(b"Max-Forwards: 70", b"Max-Forwards: 0")
    assert desk.ask_one(request).status == 200


@pytest.mark.parametrize("method", ["REGISTER", "SUBSCRIBE", "PUBLISH"])
def test_a_method_we_do_not_serve_gets_405_with_allow(desk: Desk, method: str) -> None:
    response = desk.ask_one(desk.peer.request(method))
    assert (response.status, response.header("Allow")) == (405, ALLOW)


def test_a_method_nobody_knows_gets_501_with_allow(desk: Desk) -> None:
    response = desk.ask_one(desk.peer.request("DANCE"))
    assert (response.status, response.header("Allow")) == (501, ALLOW)


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_required_extensions_we_lack_get_420_and_are_named(desk: Desk, method: str) -> None:
    headers = [("Require", "100rel, x-other, x-magic"), ("Proxy-Require", "not-ours")]
    response = desk.ask_one(desk.peer.request(method, headers=headers))
    assert response.status == 420
    assert response.unsupported == ["x-other", "x-magic"]


def test_another_uri_scheme_gets_416(desk: Desk) -> None:
    assert desk.ask_one(desk.peer.request("INVITE", uri="h323:bob@example.com")).status == 416


@pytest.mark.parametrize(
    ("headers", "body", "status", "header"),
    [
        ([("Content-Type", "text/plain")], b"hi", 415, ("Accept", "application/sdp")),
        ([("Content-Encoding", "gzip")], OFFER, 415, ("Accept-Encoding", "identity")),
        ([("Accept", "text/plain")], OFFER, 406, ("Accept", "application/sdp")),
        ([("Accept", "")], OFFER, 406, ("Accept", "application/sdp")),
    ],
)
def test_an_offer_we_cannot_read_or_answer_is_refused(
    desk: Desk,
    headers: list[tuple[str, str]],
    body: bytes,
    status: int,
    header: tuple[str, str],
) -> None:
    response = desk.ask_one(desk.peer.request("INVITE", headers=headers, body=body))
    assert (response.status, response.header(header[0])) == (status, header[1])
    (event,) = desk.bob.events
    assert isinstance(event, InviteRefused)
    assert (event.status, event.why) == (status, ": ".join(header))


@pytest.mark.parametrize("encoding", ["identity", "Identity"])
def test_an_offer_that_is_not_encoded_may_say_so(desk: Desk, encoding: str) -> None:
    request = desk.peer.request("INVITE", headers=[("Content-Encoding", encoding)], body=OFFER)
    desk.ask_one(request)
    (event,) = desk.bob.events
    assert isinstance(event, IncomingInvite)
    assert event.body == OFFER


def test_a_body_without_content_type_gets_400(desk: Desk) -> None:
    request = desk.peer.request("INVITE", body=OFFER)
    untyped = request.replace(b"Content-Type: application/sdp\r\n", b"")
    assert desk.ask_one(untyped).status == 400


@pytest.mark.parametrize(
    "headers",
    [
        [("Accept", "text/plain, application/sdp")],
        [("Accept", "application/*")],
        [("Accept", "*/*;q=0.1")],
        [("Content-Type", "Application/SDP;charset=utf-8")],
    ],
)
def test_an_offer_we_can_read_is_a_call(desk: Desk, headers: list[tuple[str, str]]) -> None:
    desk.ask(desk.peer.request("INVITE", headers=headers, body=OFFER))
    (event,) = desk.bob.events
    assert isinstance(event, IncomingInvite)
    assert event.body == OFFER


def test_an_optional_body_of_another_type_is_ignored(desk: Desk) -> None:
    headers = [
        ("Content-Type", "application/isup"),
        ("Content-Disposition", "signal; handling=optional"),
    ]
    desk.ask(desk.peer.request("INVITE", headers=headers, body=b"\x01\x10"))
    (event,) = desk.bob.events
    assert isinstance(event, IncomingInvite)
    assert event.body == b""


def test_an_ack_is_never_answered(desk: Desk) -> None:
    ack = desk.peer.request("ACK")
    for data in (ack, ack.replace(b"CSeq: 1 ACK", b"CSeq: x"), ack.replace(b"SIP/2.0", b"SIP/3.0")):
        assert desk.ask(data) == []
    assert desk.bob.counters["stray_acks"] == 1
    assert desk.bob.counters["malformed_requests"] == 2


def test_a_malformed_request_gets_the_same_400_each_time_and_costs_no_state(desk: Desk) -> None:
    bad = desk.peer.request("INVITE").replace(b"CSeq: 1 INVITE", b"CSeq: one INVITE")
    first, second = desk.ask_one(bad), desk.ask_one(bad)
    assert first.status == 400
    assert first.reason == "malformed CSeq"
    assert first.raw == second.raw
    assert first.to.tag
    assert desk.bob.idle


def test_admission_refuses_and_admits(desk: Desk) -> None:
    asked: list[tuple[str | None, Address]] = []

    def admission(request: Request, source: Address) -> tuple[int, list[tuple[str, str]]] | None:
        asked.append((request.uri.user, source))
        return (503, [("Retry-After", "7")]) if len(asked) == 1 else None

    desk = Desk(admission=admission)
    response = desk.ask_one(desk.peer.request("INVITE", body=OFFER))
    assert (response.status, response.retry_after) == (503, 7)
    assert desk.bob.events == []
    desk.ask(desk.peer.request("INVITE", call_id="2", body=OFFER))
    assert len(desk.bob.events) == 1
    assert asked == [("bob", desk.peer.address)] * 2
    assert desk.ask_one(desk.peer.request("OPTIONS")).status == 200
    asked.clear()
    assert desk.ask_one(desk.peer.request("OPTIONS", call_id="3")).status == 503


def test_beyond_max_sessions_a_call_gets_503_and_those_admitted_go_on() -> None:
    desk = Desk(max_sessions=1, retry_after_seconds=4)
    desk.ask(desk.peer.request("INVITE", body=OFFER))
    response = desk.ask_one(desk.peer.request("INVITE", call_id="2", body=OFFER))
    assert (response.status, response.retry_after) == (503, 4)
    event = desk.bob.events[0]
    assert isinstance(event, IncomingInvite)
    event.session.accept(OFFER, desk.world.now)
    desk.world.run_for(0.1)
    assert desk.peer.statuses("INVITE")[-1] == 200
    assert desk.bob.counters["overload_refusals"] == 1
    with pytest.raises(LocalProtocolError):
        desk.bob.endpoint.invite(
            target="sip:a@192.0.2.9",
            destination=desk.peer.address,
            from_uri="sip:b@192.0.2.2",
            body=OFFER,
            now=desk.world.now,
        )


def test_beyond_max_transactions_every_request_gets_503_without_state() -> None:
    desk = Desk(max_transactions=2)
    for _ in range(2):
        assert desk.ask_one(desk.peer.request("OPTIONS")).status in (200, 482)
    assert desk.bob.endpoint.transaction_count == 2
    for _ in range(3):
        response = desk.ask_one(desk.peer.request("OPTIONS", call_id="other"))
        assert (response.status, response.retry_after) == (503, 10)
    assert desk.bob.endpoint.transaction_count == 2
    assert desk.ask_one(desk.peer.request("BYE", to_tag="unknown")).status == 503
    desk.world.run_for(33.0)
    assert desk.ask_one(desk.peer.request("OPTIONS", call_id="later")).status == 200


def test_a_call_can_be_hung_up_in_overload() -> None:
    desk = Desk(max_transactions=1)
    tag = confirmed(desk)
    assert desk.ask_one(desk.peer.request("INFO", to_tag=tag, cseq=2)).status == 503
    assert desk.ask_one(desk.peer.request("BYE", to_tag=tag, cseq=2)).status == 200


def confirmed(desk: Desk) -> str:
    desk.ask(desk.peer.request("INVITE", body=OFFER))
    event = desk.bob.events[0]
    assert isinstance(event, IncomingInvite)
    event.session.accept(OFFER, desk.world.now)
    desk.ask(desk.peer.request("ACK", to_tag=event.session.id))
    desk.bob.events.clear()
    return event.session.id


def test_info_with_dtmf_is_answered_and_told(desk: Desk) -> None:
    tag = confirmed(desk)
    body = b"Signal=5\r\nDuration=160\r\n"
    headers = [("Content-Type", "application/dtmf-relay")]
    info = desk.peer.request("INFO", to_tag=tag, cseq=2, headers=headers, body=body)
    assert desk.ask_one(info).status == 200
    (event,) = desk.bob.events
    assert isinstance(event, InfoReceived)
    assert (event.content_type, event.body) == ("application/dtmf-relay", body)
    assert desk.ask_one(desk.peer.request("INFO", to_tag=tag, cseq=3)).status == 200


@pytest.mark.parametrize(
    ("headers", "status", "header"),
    [
        (
            [("Content-Type", "text/plain")],
            415,
            ("Accept", "application/dtmf-relay, application/dtmf"),
        ),
        ([("Content-Type", "text/plain"), ("Info-Package", "foo")], 469, ("Recv-Info", "")),
        ([("Require", "foo"), ("Content-Type", "application/dtmf")], 420, ("Unsupported", "foo")),
    ],
)
def test_info_we_do_not_understand_is_refused(
    desk: Desk, headers: list[tuple[str, str]], status: int, header: tuple[str, str]
) -> None:
    tag = confirmed(desk)
    response = desk.ask_one(
        desk.peer.request("INFO", to_tag=tag, cseq=2, headers=headers, body=b"x")
    )
    assert (response.status, response.header(header[0])) == (status, header[1])
    assert desk.bob.events == []


def test_options_and_unserved_methods_within_a_call(desk: Desk) -> None:
    tag = confirmed(desk)
    response = desk.ask_one(desk.peer.request("OPTIONS", to_tag=tag, cseq=2))
    assert (response.status, response.header("Allow")) == (200, ALLOW)
    response = desk.ask_one(desk.peer.request("PUBLISH", to_tag=tag, cseq=3))
    assert (response.status, response.header("Allow")) == (405, ALLOW)


def test_every_method_we_allow_has_something_to_do_within_a_call() -> None:
    elsewhere = {"ACK", "BYE", "CANCEL"}
    for session in (IncomingSession, OutgoingSession):
        assert {*session.handlers, *elsewhere} == set(ALLOW.split(", "))


def test_a_text_within_a_call_is_answered_and_told(desk: Desk) -> None:
    tag = confirmed(desk)
    headers = [("Content-Type", "text/plain;charset=utf-8")]
    body = "grüß Gott".encode() + b"\xff"
    text = desk.peer.request("MESSAGE", to_tag=tag, cseq=2, headers=headers, body=body)
    assert desk.ask_one(text).status == 200
    (event,) = desk.bob.events
    assert event == MessageReceived(event.session, "grüß Gott\ufffd")


@pytest.mark.parametrize(
    "headers",
    [
        [("Content-Type", "text/html")],
        [("Content-Type", "text/plain"), ("Content-Encoding", "gzip")],
    ],
)
def test_a_text_we_cannot_read_gets_415(desk: Desk, headers: list[tuple[str, str]]) -> None:
    tag = confirmed(desk)
    request = desk.peer.request("MESSAGE", to_tag=tag, cseq=2, headers=headers, body=b"x")
    response = desk.ask_one(request)
    assert (response.status, response.header("Accept")) == (415, "text/plain")
    assert desk.bob.events == []


def test_a_text_for_nobody_in_particular_gets_405(desk: Desk) -> None:
    refer = desk.peer.request("REFER", call_id="2", headers=[("Refer-To", "<sip:c@192.0.2.4>")])
    assert desk.ask_one(refer).status == 405
    response = desk.ask_one(desk.peer.request("MESSAGE"))
    assert (response.status, response.header("Allow")) == (405, "INVITE, ACK, CANCEL, OPTIONS")


def test_an_info_of_ours_is_sent_and_its_answer_told(desk: Desk) -> None:
    tag = confirmed(desk)
    session = desk.bob.endpoint.sessions[tag]
    session.info("application/dtmf-relay", b"Signal=1\r\n", desk.world.now)
    desk.world.run_for(0.1)
    (info,) = desk.peer.requests("INFO")
    assert (info.header("Content-Type"), info.body) == ("application/dtmf-relay", b"Signal=1\r\n")
    desk.peer.send(desk.peer.respond(info, 415), desk.bob.address)
    desk.world.run_for(0.1)
    assert desk.bob.events == [InfoAnswered(session, 415)]
    session.bye(desk.world.now)
    with pytest.raises(LocalProtocolError):
        session.info("application/dtmf-relay", b"", desk.world.now)


def test_an_invite_with_two_contacts_gets_400_and_leaves_no_session(desk: Desk) -> None:
    headers = [("Contact", "<sip:a@192.0.2.9>, <sip:b@192.0.2.9>")]
    assert desk.ask_one(desk.peer.request("INVITE", headers=headers, body=OFFER)).status == 400
    assert not desk.bob.endpoint.sessions
    assert [type(event) for event in desk.bob.events] == [InviteRefused]


def test_an_invite_that_expires_unanswered_gets_487(desk: Desk) -> None:
    desk.ask(desk.peer.request("INVITE", headers=[("Expires", "20")], body=OFFER))
    desk.world.run_for(19.0)
    assert desk.peer.statuses("INVITE") == [100]
    desk.world.run_for(1.0)
    assert desk.peer.statuses("INVITE") == [100, 487]
    assert [type(event) for event in desk.bob.events] == [IncomingInvite, Canceled]


@pytest.mark.parametrize("header", [("Expires", "soon"), ("Accept", "sdp")])
def test_a_field_found_malformed_where_it_is_used_gets_400(
    desk: Desk, header: tuple[str, str]
) -> None:
    request = desk.peer.request("INVITE", headers=[header], body=OFFER)
    response = desk.ask_one(request)
    assert (response.status, response.reason) == (400, f"malformed {header[0]}")
    assert not desk.bob.endpoint.sessions
    assert [type(event) for event in desk.bob.events] == [InviteRefused]


def test_a_value_that_ends_in_an_empty_continuation_line_can_be_written_again(
    desk: Desk,
) -> None:
    request = desk.peer.request("INVITE", body=OFFER)
    folded = request.replace(b"Call-ID: call-1\r\n", b"Call-ID: call-1\r\n \r\n")
    desk.ask(folded)
    event = desk.bob.events[0]
    assert isinstance(event, IncomingInvite)
    event.session.accept(OFFER, desk.world.now)
    desk.world.run_for(40.0)
    assert {bye.call_id for bye in desk.peer.requests("BYE")} == {"call-1"}


def test_an_endpoint_needs_a_contact() -> None:
    with pytest.raises(LocalProtocolError):
        SipEndpoint(EndpointConfig({}), SeededIds(0), Counters())


SOURCE = Address("192.0.2.9", 5060)
WHOLE = SipPeer(World(), "192.0.2.9").request("INVITE", body=OFFER)


def fresh() -> tuple[SipEndpoint, Counters]:
    counters = Counters()
    return SipEndpoint(
        EndpointConfig({"udp": ("192.0.2.2", 5060)}), SeededIds(0), counters
    ), counters


def drained(endpoint: SipEndpoint, accept: bool = False) -> int:
    """Drain an endpoint; give how many datagrams it sent, each a message that parses."""
    while (event := endpoint.next_event()) is not None:
        if accept and isinstance(event, IncomingInvite):
            event.session.accept(OFFER, 0.0)
    datagrams = endpoint.datagrams_to_send()
    for datagram in datagrams:
        parse_message(datagram.data)
    return len(datagrams)


@settings(max_examples=300)
@example([b"SIP/0.0 100"])
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_random_bytes_are_counted_and_never_raise(packets: list[bytes]) -> None:
    endpoint, counters = fresh()
    for data in packets:
        endpoint.receive_datagram(data, SOURCE, None, 0.0)
    assert drained(endpoint) == 0
    # A status line alone, such as "SIP/0.0 100", can be read, and is still no response.
    dropped = ("unparsable_messages", "malformed_responses", "keep_alives")
    assert sum(counters[name] for name in dropped) == len(packets)
    assert endpoint.next_timeout() is None


mangling = st.lists(
    st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 30), st.binary(max_size=20)),
    min_size=1,
    max_size=4,
)


def mangle(data: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for start, length, insert in cuts:
        data = data[:start] + insert + data[start + length :]
    return data


def runs_out(endpoint: SipEndpoint) -> None:
    """Let every timer fire; nothing may be left."""
    for step in range(1, 10):
        endpoint.handle_timeout(step * 100.0)
        drained(endpoint)
    assert endpoint.next_timeout() is None
    assert endpoint.transaction_count == 0
    assert not endpoint.sessions


@settings(max_examples=500)
@given(mangling)
def test_a_mangled_invite_never_raises_and_leaves_nothing(
    cuts: list[tuple[int, int, bytes]],
) -> None:
    endpoint, _ = fresh()
    data = mangle(WHOLE, cuts)
    endpoint.receive_datagram(data, SOURCE, None, 0.0)
    drained(endpoint, accept=True)
    runs_out(endpoint)


@settings(max_examples=500)
@given(mangling)
def test_a_mangled_answer_never_raises_and_leaves_nothing(
    cuts: list[tuple[int, int, bytes]],
) -> None:
    endpoint, _ = fresh()
    endpoint.invite(
        target="sip:carol@192.0.2.9",
        destination=SOURCE,
        from_uri="sip:bob@192.0.2.2",
        body=OFFER,
        now=0.0,
    )
    invite = parse_message(endpoint.datagrams_to_send()[0].data)
    assert isinstance(invite, Request)
    headers = [("Record-Route", "<sip:192.0.2.8;lr>"), ("Contact", "<sip:carol@192.0.2.9>")]
    answer = build_response(invite, 200, to_tag="c", headers=headers, body=OFFER).raw
    endpoint.receive_datagram(mangle(answer, cuts), SOURCE, None, 0.1)
    drained(endpoint)
    for session in list(endpoint.sessions.values()):
        if session.state == "confirmed":
            session.bye(0.2)
    runs_out(endpoint)


@settings(max_examples=200)
@given(st.integers(0, len(WHOLE)))
def test_a_truncated_invite_never_raises(length: int) -> None:
    endpoint, _ = fresh()
    endpoint.receive_datagram(WHOLE[:length], SOURCE, None, 0.0)
    drained(endpoint)
    endpoint.receive_datagram(WHOLE, SOURCE, None, 0.0)
    assert len(endpoint.sessions) == 1
