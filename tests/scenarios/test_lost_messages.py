"""Single messages that never arrive: INVITE, 200, ACK and BYE."""

from __future__ import annotations

from collections.abc import Callable

from rapida_media.sip.address import Address
from rapida_media.sip.events import Failed, Terminated
from rapida_media.sip.message import Request, Response, parse_message
from rapida_media.testing.network import Packet
from rapida_media.testing.parties import Call, names
from rapida_media.testing.world import World


def is_request(method: str) -> Callable[[Packet], bool]:
    def test(packet: Packet) -> bool:
        message = parse_message(packet.data)
        return isinstance(message, Request) and message.method == method

    return test


def is_response(status: int, method: str) -> Callable[[Packet], bool]:
    def test(packet: Packet) -> bool:
        message = parse_message(packet.data)
        return (
            isinstance(message, Response)
            and message.status == status
            and message.cseq.method == method
        )

    return test


def lose(world: World, which: Callable[[Packet], bool], times: int = 10**9) -> list[float]:
    """Lose the first packets that match; give the list of when any that match were sent."""
    sent: list[float] = []

    def keep(packet: Packet) -> bool:
        if not which(packet):
            return True
        sent.append(round(world.now, 3))
        return len(sent) > times

    world.network.filter = keep
    return sent


def relative(times: list[float], start: float) -> list[float]:
    return [round(at - start, 2) for at in times]


def test_a_lost_200_is_retransmitted_until_the_ack(call: Call, world: World) -> None:
    start = world.now
    sent = lose(world, is_response(200, "INVITE"), 2)
    call.dial()
    world.run_for(5.0)
    # From T1, doubling; answered after the third.
    assert relative(sent, start) == [0.01, 0.51, 1.51]
    assert names(call.alice) == ["Ringing", "Answered"]
    assert names(call.bob) == ["IncomingInvite", "Confirmed"]
    call.incoming[0].bye(world.now)
    call.ends_clean()


def test_a_lost_ack_is_sent_again_for_the_repeated_200(call: Call, world: World) -> None:
    sent = lose(world, is_request("ACK"), 2)
    session = call.dial()
    world.run_for(5.0)
    assert len(sent) == 3
    assert call.incoming[0].state == "confirmed"
    assert names(call.alice) == ["Ringing", "Answered"]
    assert names(call.bob) == ["IncomingInvite", "Confirmed"]
    session.bye(world.now)
    call.ends_clean()


def test_an_answer_never_acknowledged_ends_with_bye_after_64_t1(call: Call, world: World) -> None:
    start = world.now
    lose(world, is_request("ACK"))
    session = call.dial()
    world.run_for(33.0)
    twos = [p for p in call.bob.sent if is_response(200, "INVITE")(p)]
    # 0.5 s, 1 s, 2 s, 4 s, then every T2 = 4 s
    assert len(twos) == 1 + 10
    assert call.bob.events[-1] == Terminated(call.incoming[0], "ack_timeout")
    assert call.alice.events[-1] == Terminated(session, "bye")
    assert world.now - start < 34
    call.ends_clean()


def test_an_answer_hung_up_before_its_ack_waits_for_the_ack(call: Call, world: World) -> None:
    lose(world, is_request("ACK"), 1)
    call.dial()
    world.run_for(0.1)
    incoming = call.incoming[0]
    incoming.bye(world.now)
    world.run_for(0.1)
    assert not any(is_request("BYE")(packet) for packet in call.bob.sent)
    world.run_for(1.0)
    assert names(call.bob) == ["IncomingInvite", "Confirmed", "Terminated"]
    assert names(call.alice) == ["Ringing", "Answered", "Terminated"]
    call.ends_clean()


def test_a_lost_bye_is_retransmitted(call: Call, world: World) -> None:
    session = call.connected()
    sent = lose(world, is_request("BYE"), 3)
    start = world.now
    session.bye(world.now)
    world.run_for(10.0)
    assert relative(sent, start) == [0.0, 0.5, 1.5, 3.5]
    assert names(call.bob)[-1] == "Terminated"
    call.ends_clean()


def test_a_bye_nobody_answers_ends_the_call_all_the_same(call: Call, world: World) -> None:
    session = call.connected()
    lose(world, is_request("BYE"))
    session.bye(world.now)
    world.run_for(40.0)
    assert call.alice.idle
    assert call.alice.events[-1] == Terminated(session, "local_bye")
    assert list(call.bob.endpoint.sessions) == [call.incoming[0].id]  # it was never told


def test_a_lost_answer_to_bye_is_repeated_without_a_second_event(call: Call, world: World) -> None:
    session = call.connected()
    lose(world, is_response(200, "BYE"), 2)
    session.bye(world.now)
    call.ends_clean()
    assert names(call.bob).count("Terminated") == 1
    assert call.bob.counters["retransmitted_requests"] == 2


def test_a_lost_invite_is_retransmitted_and_answered_once(call: Call, world: World) -> None:
    start = world.now
    sent = lose(world, is_request("INVITE"), 3)
    session = call.dial()
    world.run_for(10.0)
    assert relative(sent, start) == [0.0, 0.5, 1.5, 3.5]
    assert len(call.incoming) == 1
    session.bye(world.now)
    call.ends_clean()


def test_lost_provisional_and_final_failures_are_repeated(call: Call, world: World) -> None:
    call.answers = False
    call.dial()
    world.run_for(0.1)
    lose(world, is_response(486, "INVITE"), 2)
    call.incoming[0].reject(486, world.now)
    world.run_for(10.0)
    assert isinstance(call.alice.events[-1], Failed)
    assert call.alice.events[-1].status == 486
    call.ends_clean()
    assert call.bob.counters["missing_acks"] == 0


def test_a_dead_host_is_given_up_after_64_t1(call: Call, world: World) -> None:
    del world.nodes[call.bob.address]
    start = world.now
    session = call.dial()
    world.run_for(31.9)
    assert call.alice.events == []
    world.run_for(0.2)
    assert call.alice.events == [Failed(session, 408, "Request Timeout", None, heard=False)]
    assert len(call.alice.sent) == 7
    assert call.alice.idle
    assert world.now - start < 33


def test_a_refused_port_fails_at_once_with_503(call: Call, world: World) -> None:
    session = call.dial()
    call.alice.endpoint.transport_failed(Address("192.0.2.3", 5060), world.now)  # not ours
    world.run_for(0.0)
    assert call.alice.events == []
    call.alice.endpoint.transport_failed(call.bob.address, world.now)
    world.run_for(0.0)
    assert call.alice.events == [Failed(session, 503, "Service Unavailable", None, heard=False)]
    assert call.alice.idle
