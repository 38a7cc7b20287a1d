"""A call that a peer of the scenario made, for scenarios that begin after it was answered."""

from __future__ import annotations

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
