"""Alice and Bob: two endpoints and one call between them, for scenarios."""

from __future__ import annotations

from typing import Any

from rapida_media.sip.events import AnyEvent, IncomingInvite
from rapida_media.sip.incoming_session import IncomingSession
from rapida_media.sip.outgoing_session import OutgoingSession
from rapida_media.testing.sip import OFFER
from rapida_media.testing.world import SipNode, World


class Call:
    """Alice calls Bob; Bob rings and, if ``answers``, accepts at once.

    alice, bob: settings of their endpoints.
    """

    def __init__(
        self,
        world: World,
        alice: dict[str, Any] | None = None,
        bob: dict[str, Any] | None = None,
    ) -> None:
        self.world = world
        self.alice: SipNode = world.add_sip("192.0.2.1", **alice or {})
        self.bob: SipNode = world.add_sip("192.0.2.2", **bob or {})
        self.answers = True
        self.incoming: list[IncomingSession] = []
        self.bob.on_event = self._bob

    def _bob(self, event: AnyEvent) -> None:
        if isinstance(event, IncomingInvite):
            self.incoming.append(event.session)
            event.session.ring(self.world.now)
            if self.answers:
                event.session.accept(OFFER, self.world.now)

    def dial(self) -> OutgoingSession:
        return self.alice.endpoint.invite(
            target="sip:bob@192.0.2.2",
            destination=self.bob.address,
            from_uri="sip:alice@192.0.2.1",
            body=OFFER,
            now=self.world.now,
        )

    def connected(self) -> OutgoingSession:
        """Dial and let the call be answered and acknowledged."""
        session = self.dial()
        self.world.run_for(1.0)
        assert session.state == "confirmed"
        return session

    def ends_clean(self) -> None:
        """Let all timers run out; nothing may be left."""
        self.world.run_idle()
        assert self.alice.idle
        assert self.bob.idle


def names(node: SipNode) -> list[str]:
    """Give the names of a node's events, in order."""
    return [type(event).__name__ for event in node.events]
