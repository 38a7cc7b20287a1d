"""Whose offer waits for its answer in a session: what the glare rules ask (RFC 3261 section 14,
RFC 3262 section 5, RFC 3311 section 5.2, RFC 6337 section 2).

A session moves it with every session description that counts; one in an unreliable provisional
response is a preview and does not.
"""

from __future__ import annotations

# Nothing was exchanged yet; our offer waits; the peer's offer waits; both are answered.
NEW, OFFERED, ASKED, STABLE = "new", "offered", "asked", "stable"

OFFER_ANSWER = {
    (NEW, "send"): OFFERED,
    (NEW, "receive"): ASKED,
    (STABLE, "send"): OFFERED,
    (STABLE, "receive"): ASKED,
    (OFFERED, "receive"): STABLE,
    (ASKED, "send"): STABLE,
}


def after(state: str, event: str, body: bytes) -> str:
    """Give the state after ``body`` was sent or received; nothing changes without a body, nor
    for a description out of turn, which "MUST" be ignored (RFC 3261 section 13.2.1)."""
    return OFFER_ANSWER.get((state, event), state) if body else state
