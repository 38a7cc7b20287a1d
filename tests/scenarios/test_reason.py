"""Why a call ended, as the far end says it and as we do (RFC 3326)."""

from __future__ import annotations

import pytest
from established import invite_peer

from rapida_media.sip.events import Canceled, Failed, Terminated
from rapida_media.testing.parties import Call
from rapida_media.testing.sip import SipPeer
from rapida_media.testing.world import World

NORMAL = 'Q.850;cause=16;text="Normal call clearing"'
ELSEWHERE = 'SIP ;cause=200 ;text="Call completed elsewhere"'


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")


def test_the_reason_of_a_bye_is_told(call: Call, world: World) -> None:
    session = call.connected()
    session.bye(world.now, [("Reason", NORMAL)])
    world.run_for(0.1)
    assert call.bob.events[-1] == Terminated(call.incoming[0], "bye", cause=NORMAL)
    call.ends_clean()


def test_the_reason_of_a_cancel_is_told(call: Call, world: World) -> None:
    call.answers = False
    session = call.dial()
    world.run_for(0.1)
    session.cancel(world.now, [("Reason", ELSEWHERE)])
    world.run_for(0.1)
    assert call.bob.events[-1] == Canceled(call.incoming[0], "cancel", 487, ELSEWHERE)
    call.ends_clean()


def test_the_reason_of_a_cancel_that_waited_for_a_provisional_is_sent_too(
    call: Call, world: World
) -> None:
    call.answers = False
    session = call.dial()
    session.cancel(world.now, [("Reason", ELSEWHERE)])
    world.run_for(0.1)
    assert call.bob.events[-1] == Canceled(call.incoming[0], "cancel", 487, ELSEWHERE)
    call.ends_clean()


@pytest.mark.parametrize(
    ("headers", "cause"),
    [
        ([("Reason", NORMAL)], NORMAL),
        ([("Reason", f"{NORMAL}, {ELSEWHERE}")], NORMAL),
        ([("Reason", 'SIP;text="never, closed')], None),
        ([("Reason", '"')], None),
        ([("Reason", "Q.850 cause 16;;")], None),
        ([], None),
    ],
)
def test_the_reason_of_a_refusal_is_told_beside_its_retry_after(
    call: Call,
    world: World,
    peer: SipPeer,
    headers: list[tuple[str, str]],
    cause: str | None,
) -> None:
    session = invite_peer(call, peer)
    world.run_for(0.1)
    refusal = peer.respond(
        peer.requests("INVITE")[0], 486, headers=[*headers, ("Retry-After", "120")]
    )
    peer.send(refusal, call.alice.address)
    world.run_for(0.1)
    assert call.alice.events == [Failed(session, 486, "Busy Here", 120, cause)]
