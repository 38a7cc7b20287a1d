"""A call that meets no trouble, hung up by either side; the ladder and the events."""

from __future__ import annotations

import pytest

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.events import Answered, Confirmed, IncomingInvite, Ringing, Terminated
from rapida_media.sip.message import Request, parse_message
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER
from rapida_media.testing.world import SipNode, World


def ladder(node: SipNode) -> list[str]:
    steps = []
    for packet in node.sent:
        message = parse_message(packet.data)
        if isinstance(message, Request):
            steps.append(message.method)
        else:
            steps.append(f"{message.status} {message.cseq.method}")
    return steps


def test_the_caller_hangs_up(call: Call, world: World) -> None:
    session = call.connected()
    incoming = call.incoming[0]
    assert incoming.state == "confirmed"
    session.bye(world.now)
    world.run_for(1.0)
    assert ladder(call.alice) == ["INVITE", "ACK", "BYE"]
    assert ladder(call.bob) == ["100 INVITE", "180 INVITE", "200 INVITE", "200 BYE"]
    assert call.alice.events == [
        Ringing(session, 180, b""),
        Answered(session, OFFER),
        Terminated(session, "local_bye"),
    ]
    invite = call.bob.events[0]
    assert isinstance(invite, IncomingInvite)
    assert incoming.request is None  # no whole message is kept
    assert (invite.session, invite.body, invite.request.uri.user) == (incoming, OFFER, "bob")
    assert call.bob.events[1:] == [Confirmed(incoming, b""), Terminated(incoming, "bye")]
    call.ends_clean()
    assert call.alice.counters.snapshot() == {}
    assert call.bob.counters.snapshot() == {}


def test_the_callee_hangs_up(call: Call, world: World) -> None:
    session = call.connected()
    call.incoming[0].bye(world.now)
    world.run_for(1.0)
    assert ladder(call.alice) == ["INVITE", "ACK", "200 BYE"]
    assert call.alice.events[-1] == Terminated(session, "bye")
    assert call.bob.events[-1] == Terminated(call.incoming[0], "local_bye")
    call.ends_clean()


def test_the_invite_is_at_hand_until_it_is_answered(call: Call, world: World) -> None:
    call.answers = False
    call.dial()
    world.run_for(0.1)
    request = call.incoming[0].request
    assert request is not None
    assert request.body == OFFER


def test_both_hang_up_at_once(call: Call, world: World) -> None:
    session = call.connected()
    session.bye(world.now)
    call.incoming[0].bye(world.now)
    world.run_for(1.0)
    assert ladder(call.alice)[2:] == ["BYE", "200 BYE"]
    assert ladder(call.bob)[3:] == ["BYE", "200 BYE"]
    assert call.alice.events[-1] == Terminated(session, "local_bye")
    assert call.bob.events[-1] == Terminated(call.incoming[0], "local_bye")
    call.ends_clean()


def test_the_callee_rejects(call: Call, world: World) -> None:
    call.answers = False
    session = call.dial()
    world.run_for(0.1)
    call.incoming[0].reject(486, world.now, headers=[("Retry-After", "30")])
    world.run_for(0.1)
    failed = call.alice.events[-1]
    assert (failed.status, failed.reason, failed.retry_after) == (486, "Busy Here", 30)
    assert session.state == "terminated"
    assert ladder(call.alice) == ["INVITE", "ACK"]
    assert names(call.bob) == ["IncomingInvite"]
    call.ends_clean()


def test_nobody_decides_and_the_call_is_answered_480(world: World) -> None:
    call = Call(world, alice={"ring_seconds": 300})
    call.answers = False
    call.dial()
    world.run_for(181.0)
    # "a non-100 provisional response at every minute": at 0, 60 and 120 s
    assert ladder(call.bob) == ["100 INVITE", *["180 INVITE"] * 3, "480 INVITE"]
    assert names(call.bob) == ["IncomingInvite", "Canceled"]
    assert names(call.alice) == ["Ringing"] * 3 + ["Failed"]
    call.ends_clean()


def test_the_caller_gives_up_ringing(world: World) -> None:
    call = Call(world, bob={"ring_seconds": 300})
    call.answers = False
    call.dial()
    world.run_for(181.0)
    assert ladder(call.alice) == ["INVITE", "CANCEL", "ACK"]
    assert call.alice.events[-1].status == 487
    call.ends_clean()


def test_verbs_out_of_place_are_refused_and_change_nothing(call: Call, world: World) -> None:
    call.answers = False
    session = call.dial()
    world.run_for(0.1)
    incoming = call.incoming[0]
    sent = len(call.bob.sent), len(call.alice.sent)
    refused = [
        lambda: session.bye(world.now),
        lambda: session.reinvite(OFFER, world.now),
        lambda: incoming.bye(world.now),
        lambda: incoming.answer_reinvite(OFFER, world.now),
        lambda: incoming.reject_reinvite(488, world.now),
        lambda: incoming.ring(world.now, status=200),
        lambda: incoming.reject(200, world.now),
        lambda: incoming.accept(OFFER, world.now, headers=[("X", "a\r\nInjected: yes")]),
        lambda: incoming.reject(486, world.now, headers=[("X", "a\nb")]),
    ]
    for verb in refused:
        with pytest.raises(LocalProtocolError):
            verb()
    world.run_for(0.1)
    assert (len(call.bob.sent), len(call.alice.sent)) == sent
    incoming.accept(OFFER, world.now)
    world.run_for(0.1)
    done = [
        lambda: session.cancel(world.now),
        lambda: incoming.accept(OFFER, world.now),
        lambda: incoming.ring(world.now),
        lambda: incoming.reject(486, world.now),
    ]
    for verb in done:
        with pytest.raises(LocalProtocolError):
            verb()
    session.bye(world.now)
    with pytest.raises(LocalProtocolError):
        session.bye(world.now)
    call.ends_clean()


@pytest.mark.parametrize(
    "change",
    [
        {"target": "tel:+15550100"},
        {"target": "not a uri"},
        {"body": b""},
        {"from_uri": "<sip:a@b>"},
        {"from_display": "Eve\r\nInjected: yes"},
        {"headers": [("X", "a\r\nb")]},
        {"headers": [("Content-Length", "5")]},
    ],
)
def test_an_invite_that_cannot_be_written_leaves_nothing_behind(
    call: Call, world: World, change: dict[str, object]
) -> None:
    arguments: dict[str, object] = {
        "target": "sip:bob@192.0.2.2",
        "destination": call.bob.address,
        "from_uri": "sip:alice@192.0.2.1",
        "body": OFFER,
        "now": world.now,
    }
    with pytest.raises(LocalProtocolError):
        call.alice.endpoint.invite(**(arguments | change))
    assert call.alice.idle
    assert call.alice.endpoint.datagrams_to_send() == []
