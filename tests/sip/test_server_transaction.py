"""Server transactions on their own: what is repeated, absorbed and given up."""

from __future__ import annotations

import pytest
from surrounded import Surrounded

from rapida_media.sip.address import Address, Path
from rapida_media.sip.message import Request, parse_message
from rapida_media.sip.server_transaction import ServerTransaction

ACK = parse_message(
    b"ACK sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\n"
    b"From: <sip:a@192.0.2.1>;tag=a\r\nTo: <sip:bob@192.0.2.2>;tag=b\r\nCall-ID: 1\r\n"
    b"CSeq: 1 ACK\r\n\r\n"
)


class User:
    id = "b"

    def __init__(self) -> None:
        self.acks: list[Request] = []

    def receive_ack(self, ack: Request, now: float) -> None:
        self.acks.append(ack)

    def receive_cancel(self, transaction: ServerTransaction, now: float) -> None:
        raise AssertionError("the layer, not the transaction, reports a CANCEL")


class Bench(Surrounded):
    def __init__(self, method: str = "INVITE", transport: str = "udp") -> None:
        super().__init__()
        source = Address("192.0.2.1", 5060, transport)
        self.transaction = ServerTransaction(
            self.around, "key", method, source=source, path=Path(source, None)
        )
        self.user = self.transaction.user = User()

    def respond(self, status: int, now: float = 0.0) -> None:
        self.transaction.respond(status, str(status).encode(), now)

    def step(self, event: str, now: float = 0.0) -> None:
        self.transaction.step(event, ACK if event == "ack" else None, now)


def test_a_repeated_invite_gets_the_latest_provisional_response_again() -> None:
    bench = Bench()
    bench.step("request")  # nothing was answered yet
    bench.respond(100)
    bench.respond(180)
    bench.step("request")
    assert bench.sent() == [b"100", b"180", b"180"]
    assert bench.around.counters["retransmitted_requests"] == 2


def test_a_failure_is_repeated_from_t1_to_t2_until_timer_h() -> None:
    bench = Bench()
    bench.respond(486)
    assert bench.sent() == [b"486"]
    # Section 17.2.1: "500 ms, 1 s, 2 s, 4 s, 4 s …", for 64*T1
    assert bench.run(100.0) == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert bench.around.servers == {}
    assert bench.around.counters["missing_acks"] == 1


def test_the_ack_of_a_failure_stops_its_repetition_and_is_absorbed() -> None:
    bench = Bench()
    bench.respond(486)
    bench.sent()
    bench.step("ack", 0.1)
    bench.step("ack", 0.2)
    assert bench.run(5.0) == []
    assert len(bench.around.servers) == 1
    bench.run(5.1)  # timer I = T4
    assert bench.around.servers == {}
    assert bench.user.acks == []


def test_a_2xx_is_sent_once_and_repeated_invites_are_absorbed_until_timer_l() -> None:
    bench = Bench()
    bench.respond(200)
    bench.step("request", 0.5)
    assert bench.sent() == [b"200"]
    bench.respond(200, 0.6)  # the session repeats it
    assert bench.sent() == [b"200"]
    bench.step("ack", 0.7)
    assert bench.user.acks == [ACK]
    assert bench.run(31.9) == []
    assert len(bench.around.servers) == 1
    bench.run(32.0)
    assert bench.around.servers == {}


def test_a_repeated_request_gets_the_final_response_again_until_timer_j() -> None:
    bench = Bench("BYE")
    bench.step("request")
    assert bench.sent() == []
    bench.respond(200)
    bench.step("request", 1.0)
    assert bench.sent() == [b"200", b"200"]
    bench.run(31.9)
    assert len(bench.around.servers) == 1
    bench.run(32.0)
    assert bench.around.servers == {}


def test_over_a_reliable_transport_nothing_lingers_or_repeats() -> None:
    bye = Bench("BYE", "tcp")
    bye.respond(200)
    assert bye.around.servers == {}
    invite = Bench("INVITE", "tcp")
    invite.respond(486)
    assert len(invite.sent()) == 1
    assert invite.run(31.0) == []
    invite.step("ack", 31.0)
    assert invite.around.servers == {}
    assert len(invite.around.timers) == 0


def test_a_transport_error_leaves_an_invite_and_ends_another_request() -> None:
    for state in (100, 200, 486):
        invite = Bench()
        invite.respond(state)
        before = invite.transaction.state
        invite.step("transport_error")
        assert invite.transaction.state == before
        assert invite.around.counters["response_transport_errors"] == 1
    bye = Bench("BYE")
    bye.respond(200)
    bye.step("transport_error")
    assert bye.around.servers == {}


def test_who_sends_to_an_address_is_known_until_it_is_over() -> None:
    bye = Bench("BYE")
    source, other = bye.transaction.source, Address("192.0.2.9", 5060)
    assert bye.around.sending_to(source) == [bye.transaction]
    assert bye.around.sending_to(other) == []
    bye.respond(200)
    bye.step("transport_error")
    assert bye.around.sending_to(source) == []


def test_a_second_final_response_is_not_sent() -> None:
    bench = Bench()
    bench.respond(486)
    bench.respond(200)
    assert bench.sent() == [b"486"]
    assert bench.transaction.state == "completed"


@pytest.mark.parametrize(("sent_by_port", "expected"), [(5070, 5070), (None, 5060)])
def test_when_its_connection_is_gone_the_answer_goes_where_the_client_listens(
    sent_by_port: int | None, expected: int
) -> None:
    around, source = Surrounded().around, Address("192.0.2.1", 40001, "tcp")
    transaction = ServerTransaction(
        around,
        "key",
        "INVITE",
        source=source,
        path=Path(source, None),
        sent_by_port=sent_by_port,
    )
    assert around.sending_to(source) == [transaction]
    transaction.connection_lost(1.0)
    transaction.respond(486, b"486", 2.0)
    (datagram,) = around.outbox
    listens = Address("192.0.2.1", expected, "tcp")
    assert datagram.destination == listens
    assert (around.sending_to(source), around.sending_to(listens)) == ([], [transaction])
