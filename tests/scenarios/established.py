"""Calls between a peer of the scenario and its own two: to Bob, and from Alice."""

from __future__ import annotations

from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.testing.parties import Call
from rapida_media.testing.sip import OFFER, SipPeer


def establish(call: Call, peer: SipPeer) -> str:
    """Let the peer call Bob; give Bob's tag."""
    peer.send(peer.request("INVITE", body=OFFER), call.bob.address)
    call.world.run_for(0.1)
    tag = call.incoming[-1].id
    peer.send(peer.request("ACK", to_tag=tag), call.bob.address)
    call.world.run_for(0.1)
    peer.received.clear()
    call.bob.events.clear()
    return tag


def invite_peer(call: Call, peer: SipPeer) -> OutgoingSession:
    """Let Alice call the peer, which has her INVITE after ``world.run_for``."""
    return call.alice.endpoint.invite(
        target="sip:carol@192.0.2.9",
        destination=peer.address,
        from_uri="sip:alice@192.0.2.1",
        body=OFFER,
        now=call.world.now,
    )
