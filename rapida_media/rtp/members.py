"""Who takes part in the session beside us: the member table of RFC 3550 sections 6.2.1 and 6.3.

Called by ``session``. An SSRC is a member from its first packet on, until it says BYE or has sent
neither RTP nor RTCP for five intervals. RTP is told of by the stream, which knows one source and
when it was heard last.
"""

from __future__ import annotations

# A call has two ends; a mixer or a forked far end may add some. More are not remembered.
MEMBERS_MAX = 16
# Section 6.2.1: "some straggler data packets might arrive after the BYE and cause the entry to be
# recreated. Instead, the entry SHOULD be marked as having received a BYE and then deleted after an
# appropriate delay." What still comes after this long is no straggler.
STRAGGLERS_S = 5.0


class Members:
    """By SSRC: when its last RTCP came, and when its BYE."""

    def __init__(self) -> None:
        self._heard: dict[int, float] = {}
        self._left: dict[int, float] = {}

    def hear(self, ssrc: int, now: float) -> None:
        """Take note of RTCP from it."""
        left_at = self._left.get(ssrc)
        if left_at is not None and now <= left_at + STRAGGLERS_S:
            return
        self._left.pop(ssrc, None)
        _note(self._heard, ssrc, now)

    def leave(self, ssrc: int, now: float) -> None:
        """Take note of its BYE."""
        self._heard.pop(ssrc, None)
        _note(self._left, ssrc, now)

    def forget_silent(self, now: float, timeout_s: float) -> None:
        """Section 6.3.5: who was not heard for that long is none any more."""
        self._heard = _since(self._heard, now - timeout_s)
        # Longer than its last straggler counts for a sign of life.
        self._left = _since(self._left, now - timeout_s - STRAGGLERS_S)

    def includes(self, ssrc: int, rtp_at: float, now: float, timeout_s: float) -> bool:
        """Whether a source whose last RTP packet came at rtp_at takes part."""
        left_at = self._left.get(ssrc)
        if left_at is not None and rtp_at <= left_at + STRAGGLERS_S:
            return False
        return max(rtp_at, self._heard.get(ssrc, rtp_at)) > now - timeout_s

    @property
    def ssrcs(self) -> set[int]:
        """Of whom RTCP was heard."""
        return set(self._heard)


def _note(table: dict[int, float], ssrc: int, now: float) -> None:
    if ssrc in table or len(table) < MEMBERS_MAX:
        table[ssrc] = now


def _since(table: dict[int, float], limit: float) -> dict[int, float]:
    return {ssrc: at for ssrc, at in table.items() if at > limit}
