"""Provisional responses that must arrive: RFC 3262, as callee and as caller."""

from __future__ import annotations

import pytest
from established import invite_peer

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.events import (
    Answered,
    Canceled,
    Confirmed,
    EarlyAnswer,
    Event,
    IncomingInvite,
    OfferReceived,
    Ringing,
)
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.message import Response
from rapida_media.testing.network import Packet
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

REQUIRED = ("Require", "100rel")
SUPPORTED = ("Supported", "100rel")
OTHER = OFFER.replace(b"- 1 1", b"- 1 2")


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")


def called(
    call: Call, peer: SipPeer, header: tuple[str, str] = REQUIRED, body: bytes = OFFER
) -> IncomingSession:
    """Let the peer call Bob, who decides nothing by himself; give Bob's session."""
    call.bob.on_event = None
    peer.send(peer.request("INVITE", headers=[header], body=body), call.bob.address)
    call.world.run_for(0.1)
    event = call.bob.events[-1]
    assert isinstance(event, IncomingInvite)
    return event.session


def prack(
    call: Call, peer: SipPeer, session: IncomingSession, rack: str, cseq: int, body: bytes = b""
) -> Response:
    """Let the peer send a PRACK; give the answer."""
    request = peer.request(
        "PRACK", to_tag=session.id, cseq=cseq, headers=[("RAck", rack)], body=body
    )
    peer.send(request, call.bob.address)
    call.world.run_for(0.1)
    return peer.responses("PRACK")[-1]


def rseqs(peer: SipPeer) -> list[int]:
    return [int(r.header("RSeq") or 0) for r in peer.responses("INVITE") if r.status > 100]


@pytest.mark.parametrize("header", [("require", "100REL"), ("Require", "Timer, 100Rel")])
def test_an_option_tag_is_known_in_any_spelling(
    call: Call, peer: SipPeer, world: World, header: tuple[str, str]
) -> None:
    """RFC 3261 section 7.3.1: "field values, parameter names, and parameter values are
    case-insensitive"."""
    called(call, peer, header).ring(world.now)
    world.run_for(0.1)
    assert peer.responses("INVITE")[-1].require == ["100rel"]
    assert rseqs(peer)[-1]


def test_a_required_180_is_repeated_until_its_prack(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer)
    session.ring(world.now)
    world.run_for(4.0)  # sent at 0, 0.5, 1.5 and 3.5 s
    assert peer.statuses("INVITE") == [100, 180, 180, 180, 180]
    (first, *others) = peer.responses("INVITE")[1:]
    assert first.require == ["100rel"]
    assert {response.raw for response in others} == {first.raw}
    rseq = rseqs(peer)[0]
    assert 1 <= rseq < 2**31
    assert prack(call, peer, session, f"{rseq} 1 INVITE", 2).status == 200
    world.run_for(30.0)
    assert peer.statuses("INVITE") == [100, 180, 180, 180, 180]


def test_a_provisional_nobody_acknowledges_ends_the_call_with_504(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer)
    session.ring(world.now)
    world.run_for(31.9)
    assert peer.statuses("INVITE")[-1] == 180
    world.run_for(0.3)
    assert peer.statuses("INVITE")[-1] == 504
    assert call.bob.events[-1] == Canceled(session, "prack_timeout", 504)
    world.run_idle()
    assert call.bob.idle


@pytest.mark.parametrize("wrong", ["1 1 INVITE", "{rseq} 2 INVITE", "{rseq} 1 UPDATE"])
def test_a_prack_for_something_else_gets_481(
    call: Call, world: World, peer: SipPeer, wrong: str
) -> None:
    session = called(call, peer)
    session.ring(world.now)
    world.run_for(0.1)
    rseq = rseqs(peer)[0]
    assert prack(call, peer, session, wrong.format(rseq=rseq), 2).status == 481
    assert prack(call, peer, session, f"{rseq} 1 INVITE", 3).status == 200
    assert prack(call, peer, session, f"{rseq} 1 INVITE", 4).status == 481


def test_a_prack_without_a_usable_rack_gets_400(call: Call, world: World, peer: SipPeer) -> None:
    session = called(call, peer)
    session.ring(world.now)
    world.run_for(0.1)
    assert prack(call, peer, session, "1 INVITE", 2).status == 400


def test_the_200_waits_for_the_prack_of_early_media(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer, SUPPORTED)
    session.ring(world.now, OFFER)
    session.accept(OFFER, world.now)
    with pytest.raises(LocalProtocolError):
        session.accept(OFFER, world.now)
    with pytest.raises(LocalProtocolError):
        session.ring(world.now)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 183]
    assert prack(call, peer, session, f"{rseqs(peer)[0]} 1 INVITE", 2).status == 200
    answer = peer.responses("INVITE")[-1]
    assert (answer.status, answer.body) == (200, b"")  # the 183 described the session
    peer.send(peer.request("ACK", to_tag=session.id), call.bob.address)
    world.run_for(0.1)
    assert call.bob.events[-1] == Confirmed(session, b"")


def test_a_required_180_without_sdp_does_not_hold_the_200_up(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer)
    session.ring(world.now)
    session.accept(OFFER, world.now)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 180, 200]
    assert peer.responses("INVITE")[-1].body == OFFER
    # "it MUST be prepared to process PRACK requests for those outstanding responses"
    assert prack(call, peer, session, f"{rseqs(peer)[0]} 1 INVITE", 2).status == 200
    peer.send(peer.request("ACK", to_tag=session.id), call.bob.address)
    world.run_for(40.0)
    assert peer.statuses("INVITE").count(180) == 1


def test_provisionals_go_one_at_a_time_and_are_numbered_in_a_row(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer)
    session.ring(world.now)
    session.ring(world.now, OFFER)
    session.ring(world.now, OFFER, 180)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 180]
    first = rseqs(peer)[0]
    prack(call, peer, session, f"{first} 1 INVITE", 2)
    assert peer.statuses("INVITE") == [100, 180, 183]
    prack(call, peer, session, f"{first + 1} 1 INVITE", 3)
    assert rseqs(peer) == [first, first + 1, first + 2]
    assert peer.responses("INVITE")[-1].body == b""  # the 183 had it


def test_a_caller_that_only_supports_100rel_gets_its_180_as_ever(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer, SUPPORTED)
    session.ring(world.now)
    world.run_for(10.0)
    assert peer.statuses("INVITE") == [100, 180]
    assert not peer.responses("INVITE")[-1].has("RSeq")


def test_a_caller_without_100rel_gets_early_media_unreliably_and_the_answer_in_the_200(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer, ("X-Nothing", "here"))
    session.ring(world.now, OFFER)
    session.accept(OFFER, world.now)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 183, 200]
    assert [r.body for r in peer.responses("INVITE")] == [b"", OFFER, OFFER]


def test_a_late_offer_is_made_in_the_180_and_answered_in_the_prack(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer, body=b"")
    assert session.early_offer_required
    with pytest.raises(LocalProtocolError):
        session.ring(world.now)
    session.ring(world.now, OFFER, 180)
    assert not session.early_offer_required
    world.run_for(0.1)
    assert prack(call, peer, session, f"{rseqs(peer)[0]} 1 INVITE", 2, OTHER).status == 200
    assert call.bob.events[-1] == EarlyAnswer(session, OTHER)
    session.accept(OFFER, world.now)
    world.run_for(0.1)
    assert peer.responses("INVITE")[-1].body == b""


def test_an_early_offer_to_a_caller_without_100rel_is_our_mistake(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer, ("X-Nothing", "here"), b"")
    with pytest.raises(LocalProtocolError):
        session.ring(world.now, OFFER)
    session.ring(world.now)
    world.run_for(0.1)
    assert peer.statuses("INVITE") == [100, 180]


def test_an_offer_in_a_prack_is_answered_in_its_200_and_before_the_call_is(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer)
    session.ring(world.now, OFFER)
    world.run_for(0.1)
    session.accept(OFFER, world.now)
    rack = ("RAck", f"{rseqs(peer)[0]} 1 INVITE")
    request = peer.request("PRACK", to_tag=session.id, cseq=2, headers=[rack], body=OTHER)
    peer.send(request, call.bob.address)
    world.run_for(0.1)
    assert call.bob.events[-1] == OfferReceived(session, OTHER)
    assert (peer.statuses("PRACK"), peer.statuses("INVITE")) == ([], [100, 183])
    session.answer_offer(OFFER, world.now)
    world.run_for(0.1)
    assert [r.body for r in peer.responses("PRACK")] == [OFFER]
    assert peer.statuses("INVITE") == [100, 183, 200]
    with pytest.raises(LocalProtocolError):
        session.answer_offer(OFFER, world.now)


def test_an_offer_in_a_prack_is_not_answered_by_the_next_provisional(
    call: Call, peer: SipPeer, world: World
) -> None:
    """It is answered in the 200 of that PRACK (RFC 3262 section 5), which may have to wait for the
    names in it to be looked up; another offer has to wait for that."""
    session = called(call, peer)
    session.ring(world.now, OFFER)
    world.run_for(0.1)
    first = rseqs(peer)[-1]
    peer.send(
        peer.request(
            "PRACK", to_tag=session.id, cseq=2, headers=[("RAck", f"{first} 1 INVITE")], body=OTHER
        ),
        call.bob.address,
    )
    world.run_for(0.1)
    assert call.bob.events[-1] == OfferReceived(session, OTHER)
    session.ring(world.now, OFFER)
    world.run_for(0.1)
    again = peer.responses("INVITE")[-1]
    assert (int(again.header("RSeq") or 0), again.body) == (first + 1, b"")
    assert prack(call, peer, session, f"{first + 1} 1 INVITE", 3, OTHER).status == 500
    session.answer_offer(OFFER, world.now)
    world.run_for(0.1)
    assert [(r.cseq.number, r.status) for r in peer.responses("PRACK")] == [(3, 500), (2, 200)]
    session.reject(486, world.now)
    world.run_idle()
    assert call.bob.idle


def test_an_offer_in_a_prack_can_be_refused(call: Call, world: World, peer: SipPeer) -> None:
    session = called(call, peer)
    session.ring(world.now, OFFER)
    world.run_for(0.1)
    rack = ("RAck", f"{rseqs(peer)[0]} 1 INVITE")
    request = peer.request("PRACK", to_tag=session.id, cseq=2, headers=[rack], body=OTHER)
    peer.send(request, call.bob.address)
    world.run_for(0.1)
    with pytest.raises(LocalProtocolError):
        session.reject_offer(200, world.now)
    session.reject_offer(488, world.now)
    with pytest.raises(LocalProtocolError):
        session.reject_offer(488, world.now)
    world.run_for(5.0)
    assert peer.statuses("PRACK") == [488]
    assert peer.statuses("INVITE") == [100, 183]  # acknowledged all the same


def test_an_offer_in_the_prack_of_a_180_without_sdp_has_to_wait(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = called(call, peer)
    session.ring(world.now)
    world.run_for(0.1)
    answer = prack(call, peer, session, f"{rseqs(peer)[0]} 1 INVITE", 2, OTHER)
    assert answer.status == 500
    assert 0 <= (answer.retry_after or 0) <= 10


@pytest.mark.parametrize("how", ["reject", "cancel", "asked"])
def test_a_call_that_ends_unanswered_leaves_nothing_behind(
    call: Call, world: World, peer: SipPeer, how: str
) -> None:
    session = called(call, peer)
    session.ring(world.now, OFFER)
    world.run_for(0.1)
    if how == "cancel":
        invite = next(m for m in peer.received if isinstance(m, Response))
        branch = invite.top_via.branch
        peer.send(peer.request("CANCEL", branch=branch), call.bob.address)
    elif how == "asked":
        rack = ("RAck", f"{rseqs(peer)[0]} 1 INVITE")
        request = peer.request("PRACK", to_tag=session.id, cseq=2, headers=[rack], body=OTHER)
        peer.send(request, call.bob.address)
        world.run_for(0.1)
        session.reject(486, world.now)
    else:
        session.accept(OFFER, world.now)
        session.reject(486, world.now)
    world.run_for(1.0)
    assert peer.statuses("INVITE")[-1] == (487 if how == "cancel" else 486)
    assert peer.statuses("PRACK") == ([487] if how == "asked" else [])
    world.run_idle()
    assert call.bob.idle


# Two endpoints.


def early_media(call: Call) -> None:
    """Let Bob send early media before he answers."""

    def bob(event: Event) -> None:
        if isinstance(event, IncomingInvite):
            call.incoming.append(event.session)
            event.session.ring(call.world.now, OFFER)
            event.session.accept(OFFER, call.world.now)

    call.bob.on_event = bob


def test_a_lost_prack_is_sent_again_and_the_call_goes_on(call: Call, world: World) -> None:
    early_media(call)
    lost: list[Packet] = []

    def lose_the_first_prack(packet: Packet) -> bool:
        if packet.data.startswith(b"PRACK") and not lost:
            lost.append(packet)
            return False
        return True

    world.network.filter = lose_the_first_prack
    session = call.dial()
    world.run_for(5.0)
    assert lost
    assert call.alice.events == [Ringing(session, 183, OFFER), Answered(session, OFFER)]
    assert names(call.bob) == ["IncomingInvite", "Confirmed"]
    assert call.alice.counters["repeated_provisionals"] == 1
    session.bye(world.now)
    call.ends_clean()


def test_early_media_survives_a_bad_network() -> None:
    for number in range(10):
        call = Call(World(seed=number))
        call.world.network.conditions.loss = 0.25
        early_media(call)
        session = call.dial()
        call.world.run_for(40.0)
        assert session.state == "confirmed"
        assert call.alice.events == [Ringing(session, 183, OFFER), Answered(session, OFFER)]
        session.bye(call.world.now)
        call.ends_clean()


# Alice calls a peer.


def invited(call: Call, peer: SipPeer) -> None:
    invite_peer(call, peer)
    call.world.run_for(0.1)


def ring(
    call: Call,
    peer: SipPeer,
    rseq: int | None,
    status: int = 183,
    tag: str = "b",
    body: bytes = b"",
) -> None:
    headers = [REQUIRED] if rseq is None else [REQUIRED, ("RSeq", str(rseq))]
    invite = peer.requests("INVITE")[0]
    peer.send(
        peer.respond(invite, status, to_tag=tag, headers=headers, body=body), call.alice.address
    )
    call.world.run_for(0.1)


def racks(peer: SipPeer) -> list[str | None]:
    return [prack.header("RAck") for prack in peer.requests("PRACK")]


def acknowledge(call: Call, peer: SipPeer) -> None:
    for request in peer.requests("PRACK"):
        peer.send(peer.respond(request, 200, to_tag=None), call.alice.address)
    call.world.run_for(0.1)


def test_the_caller_says_that_it_knows_100rel(call: Call, peer: SipPeer) -> None:
    invited(call, peer)
    assert "100rel" in peer.requests("INVITE")[0].supported
    assert "PRACK" in peer.requests("INVITE")[0].allow


def test_a_repeated_provisional_is_acknowledged_once_and_told_once(
    call: Call, peer: SipPeer
) -> None:
    invited(call, peer)
    ring(call, peer, 7, body=OFFER)
    acknowledge(call, peer)
    ring(call, peer, 7, body=OFFER)
    cseq = peer.requests("INVITE")[0].cseq.number
    assert racks(peer) == [f"7 {cseq} INVITE"]
    assert peer.requests("PRACK")[0].to.tag == "b"
    assert peer.requests("PRACK")[0].cseq.number == cseq + 1
    assert [event.status for event in call.alice.events if isinstance(event, Ringing)] == [183]


def test_a_gap_in_the_numbers_is_not_acknowledged_until_it_is_filled(
    call: Call, peer: SipPeer
) -> None:
    invited(call, peer)
    ring(call, peer, 7)
    acknowledge(call, peer)
    ring(call, peer, 9, 180)
    assert len(racks(peer)) == 1
    ring(call, peer, 8)
    acknowledge(call, peer)
    ring(call, peer, 9, 180)
    assert [(rack or "").split()[0] for rack in racks(peer)] == ["7", "8", "9"]
    statuses = [event.status for event in call.alice.events if isinstance(event, Ringing)]
    assert statuses == [183, 183, 180]


@pytest.mark.parametrize(("tag", "answer"), [("one", OFFER), ("two", OTHER)])
def test_two_callees_are_acknowledged_each_in_its_own_dialog_and_the_one_that_answers_is_heard(
    call: Call, peer: SipPeer, tag: str, answer: bytes
) -> None:
    invited(call, peer)
    ring(call, peer, 100, tag="one", body=OFFER)
    ring(call, peer, 5, tag="two", body=OTHER)
    acknowledge(call, peer)
    assert [(p.to.tag, (p.header("RAck") or "").split()[0]) for p in peer.requests("PRACK")] == [
        ("one", "100"),
        ("two", "5"),
    ]
    invite = peer.requests("INVITE")[0]
    peer.send(peer.respond(invite, 200, to_tag=tag), call.alice.address)
    call.world.run_for(0.1)
    event = call.alice.events[-1]
    assert event == Answered(event.session, answer)  # its own, whoever was heard last
    assert peer.requests("ACK")[-1].to.tag == tag


def test_the_sequence_numbers_of_an_early_dialog_go_on_when_it_is_confirmed(
    call: Call, peer: SipPeer, world: World
) -> None:
    invited(call, peer)
    ring(call, peer, 1, body=OFFER)
    acknowledge(call, peer)
    invite = peer.requests("INVITE")[0]
    moved = [("Contact", "<sip:carol@192.0.2.9:5060;here>")]
    peer.send(peer.respond(invite, 200, headers=moved), call.alice.address)
    world.run_for(0.1)
    event = call.alice.events[-1]
    assert isinstance(event, Answered)
    event.session.bye(world.now)
    world.run_for(0.1)
    bye = peer.requests("BYE")[0]
    assert bye.cseq.number == invite.cseq.number + 2
    assert bye.uri_text == "sip:carol@192.0.2.9:5060;here"


def test_a_provisional_without_rseq_is_an_ordinary_one(call: Call, peer: SipPeer) -> None:
    invited(call, peer)
    ring(call, peer, None, body=OFFER)
    ring(call, peer, None, body=OFFER)
    assert racks(peer) == []
    assert [type(event) for event in call.alice.events] == [Ringing, Ringing]


def test_a_callee_that_says_bye_before_it_answers_still_owes_its_answer(
    call: Call, peer: SipPeer, world: World
) -> None:
    invited(call, peer)
    ring(call, peer, 1)
    acknowledge(call, peer)
    invite = peer.requests("INVITE")[0]
    bye = peer.request(
        "BYE",
        uri="sip:alice@192.0.2.1",
        from_tag="b",
        to_tag=invite.from_.tag,
        call_id=invite.call_id,
    )
    peer.send(bye, call.alice.address)
    world.run_for(0.1)
    assert peer.statuses("BYE") == [200]
    assert [type(event) for event in call.alice.events] == [Ringing]
    peer.send(peer.respond(invite, 486), call.alice.address)
    world.run_for(0.1)
    assert names(call.alice) == ["Ringing", "Failed"]
