"""Client transactions on their own: what is sent when, and what the owner is told."""

from __future__ import annotations

import pytest
from surrounded import Surrounded

from rapida_media.sip.address import Address, Path
from rapida_media.sip.builder import build_response
from rapida_media.sip.client_transaction import ClientTransaction
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.sip.outgoing import OutgoingRequest

REQUEST = OutgoingRequest(
    method="INVITE",
    uri="sip:bob@biloxi.example.com",
    sent_by="UDP 192.0.2.1:5060",
    branch="z9hG4bK74bf9",
    routes=("<sip:ss1.example.com;lr>",),
    from_="Alice <sip:alice@example.com>;tag=9fxced76sl",
    to="Bob <sip:bob@biloxi.example.com>",
    call_id="3848276298220188511",
    cseq=2,
)


class Bench(Surrounded):
    """One transaction, its outbox and its owner."""

    def __init__(self, method: str = "INVITE", transport: str = "udp") -> None:
        super().__init__()
        self.heard: list[tuple[int, bool]] = []
        request = REQUEST._replace(method=method)
        self.data = request.pack()
        self.request = parse_message(self.data)
        path = Path(Address("192.0.2.2", 5060, transport), None)
        self.transaction = ClientTransaction(self.around, request, self.data, path, self.hear)
        self.transaction.step("send", None, 0.0)

    def hear(
        self, transaction: ClientTransaction, status: int, response: Response | None, now: float
    ) -> None:
        self.heard.append((status, response is not None))

    def respond(self, status: int, now: float) -> None:
        assert isinstance(self.request, Request)
        response = build_response(self.request, status, to_tag="b")
        self.transaction.receive_response(response, now)


def test_an_unanswered_invite_is_sent_seven_times_and_times_out_at_64_t1() -> None:
    bench = Bench()
    # Section 17.1.1.2: "after an interval of T1 … 2*T1 … 4*T1 …"
    assert bench.run(100.0) == [0.0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert bench.heard == [(408, False)]
    assert bench.around.clients == {}
    assert len(bench.around.timers) == 0


def test_an_unanswered_request_is_sent_at_growing_intervals_of_at_most_t2() -> None:
    bench = Bench("OPTIONS")
    # Section 17.1.2.1: "500 ms, 1 s, 2 s, 4 s, 4 s, 4 s, etc."
    expected = [0.0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.run(100.0) == expected
    assert bench.heard == [(408, False)]
    assert bench.around.clients == {}


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_nothing_is_retransmitted_over_a_reliable_transport(method: str) -> None:
    bench = Bench(method, "tcp")
    assert bench.run(100.0) == [0.0]
    assert bench.heard == [(408, False)]


def test_a_provisional_response_stops_retransmission_and_timeout_of_an_invite() -> None:
    bench = Bench()
    bench.respond(100, 0.2)
    assert bench.run(1000.0) == [0.0]
    assert bench.heard == [(100, True)]
    assert bench.transaction.state == "proceeding"


def test_a_provisional_response_slows_other_requests_down_to_t2() -> None:
    bench = Bench("OPTIONS")
    bench.respond(100, 0.2)
    assert bench.run(13.0) == [0.0, 0.5, 4.5, 8.5, 12.5]
    assert bench.run(100.0)[-1] == 28.5
    assert bench.heard == [(100, True), (408, False)]


def test_the_ack_of_a_failure_is_the_one_of_section_17_1_1_3() -> None:
    bench = Bench()
    bench.sent()
    bench.respond(486, 0.2)
    (data,) = bench.sent()
    ack = parse_message(data)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri_text) == ("ACK", "sip:bob@biloxi.example.com")
    assert [via.branch for via in ack.vias] == ["z9hG4bK74bf9"]
    assert ack.header("From") == "Alice <sip:alice@example.com>;tag=9fxced76sl"
    assert ack.header("To") == "Bob <sip:bob@biloxi.example.com>;tag=b"
    assert ack.call_id == "3848276298220188511"
    assert str(ack.cseq) == "2 ACK"
    assert ack.header_values("Route") == ["<sip:ss1.example.com;lr>"]
    ack.validate()


def test_a_repeated_failure_is_acknowledged_again_and_told_once() -> None:
    bench = Bench()
    bench.sent()
    bench.respond(486, 0.2)
    first = bench.sent()
    bench.respond(486, 0.7)
    assert bench.sent() == first
    assert bench.heard == [(486, True)]
    bench.run(32.3)  # timer D
    assert bench.around.clients == {}


def test_every_2xx_is_passed_up_until_timer_m() -> None:
    bench = Bench()
    bench.respond(200, 0.2)
    bench.respond(200, 0.7)
    assert bench.heard == [(200, True), (200, True)]
    bench.run(32.1)
    assert len(bench.around.clients) == 1
    bench.run(32.3)
    assert bench.around.clients == {}


def test_a_final_response_to_another_request_ends_it_after_timer_k() -> None:
    bench = Bench("OPTIONS")
    bench.respond(200, 0.2)
    bench.respond(200, 0.3)
    assert bench.heard == [(200, True)]
    bench.run(5.1)
    assert len(bench.around.clients) == 1
    bench.run(5.3)
    assert bench.around.clients == {}


@pytest.mark.parametrize(("method", "status"), [("INVITE", 486), ("OPTIONS", 200)])
def test_over_a_reliable_transport_nothing_lingers(method: str, status: int) -> None:
    bench = Bench(method, "tcp")
    bench.respond(status, 0.2)
    assert bench.around.clients == {}
    assert len(bench.around.timers) == 0


@pytest.mark.parametrize("method", ["INVITE", "OPTIONS"])
def test_a_transport_error_is_told_as_503(method: str) -> None:
    bench = Bench(method)
    bench.transaction.step("transport_error", None, 0.1)
    assert bench.heard == [(503, False)]
    assert bench.around.clients == {}
    assert len(bench.around.timers) == 0
