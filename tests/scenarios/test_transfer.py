"""Transfer: REFER in both directions and the NOTIFYs that follow it (RFC 3515)."""

from __future__ import annotations

import pytest

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.events import (
    Event,
    IncomingInvite,
    ReferAccepted,
    ReferDone,
    ReferProgress,
    ReferReceived,
    Terminated,
)
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.refer import Replaces
from rapida_media.testing.network import Packet
from rapida_media.testing.parties import Call, names
from rapida_media.testing.sip import OFFER, SipPeer
from rapida_media.testing.world import World

TARGET = "sip:carol@192.0.2.4"
REFER_TO = ("Refer-To", f"<{TARGET}>")
Headers = list[tuple[str, str]]


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")


def establish(call: Call, peer: SipPeer) -> IncomingSession:
    """Let the peer call Bob."""
    peer.send(peer.request("INVITE", body=OFFER), call.bob.address)
    call.world.run_for(0.1)
    session = call.incoming[-1]
    peer.send(peer.request("ACK", to_tag=session.id), call.bob.address)
    call.world.run_for(0.1)
    peer.received.clear()
    call.bob.events.clear()
    return session


def notify(
    call: Call, peer: SipPeer, cseq: int, state: str, body: bytes, event: str = "refer"
) -> int:
    headers = [
        ("Event", event),
        ("Subscription-State", state),
        ("Content-Type", "message/sipfrag"),
    ]
    tag = call.incoming[-1].id
    peer.send(
        peer.request("NOTIFY", to_tag=tag, cseq=cseq, headers=headers, body=body),
        call.bob.address,
    )
    call.world.run_for(0.1)
    return peer.statuses("NOTIFY")[-1]


def referred(call: Call, peer: SipPeer, headers: Headers | None = None, cseq: int = 2) -> None:
    """Let the peer ask Bob to call Carol."""
    tag = call.incoming[-1].id
    request = peer.request("REFER", to_tag=tag, cseq=cseq, headers=headers or [REFER_TO])
    peer.send(request, call.bob.address)
    call.world.run_for(0.1)


# Two endpoints.


@pytest.mark.parametrize("lossy", [False, True])
def test_a_transfer_that_works_is_told_step_by_step(world: World, lossy: bool) -> None:
    call = Call(world)
    session = call.connected()
    incoming = call.incoming[0]
    if lossy:
        world.network.conditions.loss = 0.2
    session.refer(TARGET, world.now)
    with pytest.raises(LocalProtocolError):
        session.refer(TARGET, world.now)
    world.run_for(10.0)
    assert call.bob.events[-1] == ReferReceived(incoming, TARGET, None, "<sip:alice@192.0.2.1>")
    assert not incoming.telling
    with pytest.raises(LocalProtocolError):
        incoming.notify_refer(200, "OK", world.now)
    incoming.accept_refer(world.now)
    world.run_for(10.0)
    incoming.notify_refer(180, "Ringing", world.now)
    world.run_for(10.0)
    incoming.notify_refer(200, "OK", world.now)
    assert not incoming.telling
    with pytest.raises(LocalProtocolError):
        incoming.notify_refer(200, "OK", world.now)
    world.run_for(10.0)
    events = [event for event in call.alice.events if "Refer" in type(event).__name__]
    assert events[-3:] == [
        ReferProgress(session, 100, "Trying"),
        ReferProgress(session, 180, "Ringing"),
        ReferDone(session, 200, "OK"),
    ]
    assert ReferAccepted(session) in events
    session.refer(TARGET, world.now)  # and another time
    world.run_for(10.0)
    incoming.reject_refer(603, world.now)
    world.run_for(10.0)
    assert call.alice.events[-1] == ReferDone(session, 603, "Decline")
    session.bye(world.now)
    call.ends_clean()


def test_the_notify_that_overtakes_the_202_counts(call: Call, world: World) -> None:
    session = call.connected()
    late: list[Packet] = []

    def hold_back_the_202(packet: Packet) -> bool:
        if packet.data.startswith(b"SIP/2.0 202"):
            late.append(packet)
            return False
        return True

    world.network.filter = hold_back_the_202
    session.refer(TARGET, world.now)
    world.run_for(0.1)
    call.incoming[0].accept_refer(world.now)
    call.incoming[0].notify_refer(200, "OK", world.now)
    world.run_for(0.2)
    world.network.filter = None
    for packet in late:
        world.network.send(packet, world.now)
    world.run_for(0.2)
    assert names(call.alice)[-2:] == ["ReferProgress", "ReferDone"]
    session.bye(world.now)
    call.ends_clean()


# Ours.


def test_a_refer_names_target_referrer_and_the_call_to_replace(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = establish(call, peer)
    session.refer(TARGET, world.now, Replaces("other@host", "their-tag", "our-tag"))
    world.run_for(0.1)
    (refer,) = peer.requests("REFER")
    assert refer.header("Refer-To") == (
        f"<{TARGET}?Replaces=other%40host%3Bto-tag%3Dtheir-tag%3Bfrom-tag%3Dour-tag>"
    )
    assert refer.header("Referred-By") == "<sip:bob@192.0.2.2>"
    assert refer.contacts[0].uri_text == "sip:192.0.2.2:5060"


def test_what_names_a_call_to_others_has_the_tag_of_its_far_end_first(
    call: Call, world: World
) -> None:
    session = call.dial()
    with pytest.raises(LocalProtocolError):
        _ = session.replaces
    world.run_for(1.0)
    incoming = call.incoming[0]
    assert session.replaces == Replaces(session.call_id, incoming.id, session.id)
    assert incoming.replaces == Replaces(session.call_id, session.id, incoming.id)


@pytest.mark.parametrize("status", [405, 481, 603])
def test_a_refused_refer_is_told_and_the_call_goes_on(
    call: Call, world: World, peer: SipPeer, status: int
) -> None:
    session = establish(call, peer)
    session.refer(TARGET, world.now)
    world.run_for(0.1)
    peer.send(peer.respond(peer.requests("REFER")[0], status, to_tag=None), call.bob.address)
    world.run_for(0.1)
    (event,) = call.bob.events
    assert isinstance(event, ReferDone)
    assert event.status == status
    assert session.state == "confirmed"


def test_a_refer_nobody_answers_is_told(call: Call, world: World, peer: SipPeer) -> None:
    session = establish(call, peer)
    session.refer(TARGET, world.now)
    world.run_for(33.0)
    assert call.bob.events == [ReferDone(session, 408, "Request Timeout")]


def accepted(call: Call, peer: SipPeer) -> IncomingSession:
    session = establish(call, peer)
    session.refer(TARGET, call.world.now)
    call.world.run_for(0.1)
    peer.send(peer.respond(peer.requests("REFER")[0], 202, to_tag=None), call.bob.address)
    call.world.run_for(0.1)
    assert call.bob.events == [ReferAccepted(session)]
    call.bob.events.clear()
    return session


@pytest.mark.parametrize(
    ("state", "body", "event"),
    [
        ("active;expires=60", b"SIP/2.0 183 Session Progress\r\n", (183, "Session Progress")),
        ("terminated;reason=noresource", b"SIP/2.0 486 Busy Here\r\n", (486, "Busy Here")),
        ("active;expires=60", b"SIP/2.0 200 OK\r\n", (200, "OK")),
        ("Terminated;reason=timeout", b"SIP/2.0 100 Trying\r\n", (408, "No outcome")),
        ("terminated", b"", (408, "No outcome")),
    ],
)
def test_a_notify_is_followed(
    call: Call,
    world: World,
    peer: SipPeer,
    state: str,
    body: bytes,
    event: tuple[int, str],
) -> None:
    session = accepted(call, peer)
    assert notify(call, peer, 2, state, body) == 200
    kind = ReferProgress if event[0] < 200 else ReferDone
    assert call.bob.events == [kind(session, *event)]
    assert notify(call, peer, 3, "active", b"") == (200 if event[0] < 200 else 481)


def test_a_notify_of_something_else_gets_489_and_one_out_of_the_blue_481(
    call: Call, peer: SipPeer
) -> None:
    accepted(call, peer)
    assert notify(call, peer, 2, "active", b"SIP/2.0 200 OK\r\n", "presence") == 489
    assert peer.responses("NOTIFY")[-1].header("Allow-Events") == "refer"
    assert notify(call, peer, 3, "active", b"no status line", "Refer;id=7") == 200
    assert call.bob.events == []


def test_a_transfer_whose_outcome_nobody_tells_is_given_up(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = accepted(call, peer)
    world.run_for(180.0 + 31.8)
    assert call.bob.events == []
    world.run_for(0.5)
    assert call.bob.events == [ReferDone(session, 408, "No outcome")]
    assert session.state == "confirmed"


def test_the_end_of_the_call_ends_the_telling(call: Call, world: World, peer: SipPeer) -> None:
    session = accepted(call, peer)
    peer.send(peer.request("BYE", to_tag=session.id, cseq=2), call.bob.address)
    world.run_for(300.0)
    assert call.bob.events == [Terminated(session, "bye")]
    world.run_idle()
    assert call.bob.idle


@pytest.mark.parametrize("target", ["tel:+15550100", "carol", "sip:c@192.0.2.4?Subject=x"])
def test_what_is_no_target_is_our_mistake(call: Call, world: World, target: str) -> None:
    session = call.connected()
    with pytest.raises(LocalProtocolError):
        session.refer(target, world.now)
    session.refer(TARGET, world.now)


# Theirs.


def test_the_peers_refer_is_accepted_and_told_about(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = establish(call, peer)
    referred(call, peer)
    assert call.bob.events == [ReferReceived(session, TARGET, None)]
    session.accept_refer(world.now)
    with pytest.raises(LocalProtocolError):
        session.accept_refer(world.now)
    world.run_for(0.1)
    assert peer.statuses("REFER") == [202]
    (first,) = peer.requests("NOTIFY")
    assert first.body == b"SIP/2.0 100 Trying\r\n"
    assert first.header("Event") == "refer"
    assert first.header("Subscription-State") == "active;expires=180"
    assert first.header("Content-Type") == "message/sipfrag;version=2.0"
    assert session.telling
    referred(call, peer, cseq=3)
    assert peer.statuses("REFER") == [202, 500]  # one at a time
    peer.send(peer.respond(first, 200, to_tag=None), call.bob.address)
    session.notify_refer(486, "Busy Here", world.now)
    world.run_for(0.1)
    last = peer.requests("NOTIFY")[-1]
    assert last.body == b"SIP/2.0 486 Busy Here\r\n"
    assert last.header("Subscription-State") == "terminated;reason=noresource"
    referred(call, peer, cseq=4)
    session.accept_refer(world.now)
    world.run_for(0.1)
    assert peer.requests("NOTIFY")[-1].header("Event") == "refer;id=4"


def test_a_refer_to_replace_a_call_there_says_which(call: Call, peer: SipPeer) -> None:
    session = establish(call, peer)
    refer_to = f"<{TARGET}?Replaces=1%3Bto-tag%3D2%3Bfrom-tag%3D3>"
    referred(call, peer, [("Refer-To", refer_to)])
    assert call.bob.events == [ReferReceived(session, TARGET, Replaces("1", "2", "3"))]


@pytest.mark.parametrize("headers", [[("X", "y")], [("Refer-To", "<sip:>")], [REFER_TO, REFER_TO]])
def test_a_refer_we_cannot_read_gets_400(call: Call, peer: SipPeer, headers: Headers) -> None:
    establish(call, peer)
    referred(call, peer, headers)
    assert peer.statuses("REFER") == [400]
    assert call.bob.events == []
    referred(call, peer, cseq=3)
    assert names(call.bob) == ["ReferReceived"]


def test_a_refer_can_be_refused(call: Call, world: World, peer: SipPeer) -> None:
    session = establish(call, peer)
    referred(call, peer)
    with pytest.raises(LocalProtocolError):
        session.reject_refer(202, world.now)
    session.reject_refer(603, world.now)
    with pytest.raises(LocalProtocolError):
        session.reject_refer(603, world.now)
    world.run_for(0.1)
    assert peer.statuses("REFER") == [603]
    assert peer.requests("NOTIFY") == []


def test_a_refer_that_is_undecided_when_the_call_ends_gets_487(
    call: Call, world: World, peer: SipPeer
) -> None:
    session = establish(call, peer)
    referred(call, peer)
    session.bye(world.now)
    world.run_for(0.1)
    assert peer.statuses("REFER") == [487]
    peer.send(peer.respond(peer.requests("BYE")[0], 200, to_tag=None), call.bob.address)
    world.run_idle()
    assert call.bob.idle


# Replaces.


def replacing(call: Call, peer: SipPeer, value: str, call_id: str = "new") -> int:
    invite = peer.request("INVITE", call_id=call_id, headers=[("Replaces", value)], body=OFFER)
    peer.send(invite, call.bob.address)
    call.world.run_for(0.1)
    return peer.statuses("INVITE")[-1]


def test_an_invite_takes_the_place_of_a_call(call: Call, world: World, peer: SipPeer) -> None:
    call.connected()
    old = call.incoming[0]
    told: list[Event] = []

    def bob(event: Event) -> None:
        told.append(event)
        if isinstance(event, IncomingInvite):
            event.session.accept(OFFER, world.now)
            assert event.replaces is old
            event.replaces.bye(world.now)

    call.bob.on_event = bob
    assert (
        replacing(call, peer, f"{old.call_id};to-tag={old.id};from-tag={old.dialog.remote_tag}")
        == 200
    )
    world.run_for(0.1)
    assert names(call.alice)[-1] == "Terminated"


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("{call_id};to-tag=unknown;from-tag={theirs}", 481),
        ("{call_id};to-tag={ours};from-tag=unknown", 481),
        ("unknown;to-tag={ours};from-tag={theirs}", 481),
        ("{call_id};to-tag={ours};from-tag={theirs};early-only", 486),
        ("{call_id};to-tag={ours}", 400),
        ("{call_id};to-tag={ours};from-tag={theirs}, x;to-tag=1;from-tag=2", 400),
    ],
)
def test_an_invite_that_names_no_call_of_ours_is_refused(
    call: Call, peer: SipPeer, value: str, status: int
) -> None:
    call.connected()
    old = call.incoming[0]
    assert old.dialog is not None
    text = value.format(call_id=old.call_id, ours=old.id, theirs=old.dialog.remote_tag)
    assert replacing(call, peer, text) == status
    assert len(call.bob.endpoint.sessions) == 1


def test_a_call_that_is_over_is_not_replaced(call: Call, world: World, peer: SipPeer) -> None:
    """RFC 3891 section 3: "the UA SHOULD decline the request with a 603 Declined response"."""
    call.connected()
    old = call.incoming[0]
    value = f"{old.call_id};to-tag={old.id};from-tag={old.dialog.remote_tag}"
    world.nodes.pop(call.alice.address)  # so that the BYE has no answer
    old.bye(world.now)
    assert replacing(call, peer, value) == 603


def test_a_call_that_only_rings_here_is_not_replaced(
    call: Call, world: World, peer: SipPeer
) -> None:
    call.answers = False
    call.dial()
    world.run_for(0.1)
    old = call.incoming[0]
    assert old.dialog is not None
    value = f"{old.call_id};to-tag={old.id};from-tag={old.dialog.remote_tag}"
    assert replacing(call, peer, value) == 481
