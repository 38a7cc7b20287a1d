"""Where RTCP comes from and goes to: the address of the SDP (RFC 3605), until what arrives shows
that the far end is behind a NAT (symmetric RTCP, RFC 4961).

Called by ``session`` per datagram. A datagram counts from the signalled place, and from the
machine that our media goes to. From anywhere else it has to name what an outsider cannot guess:
the SSRC of the media we hear, or ours.
"""

from __future__ import annotations

Address = tuple[str, int]


class RtcpPath:
    """The far end's RTCP address. muxed: it is the one of the media (RFC 5761)."""

    def __init__(self) -> None:
        self.muxed = False
        self._signalled: Address | None = None
        self._latched: Address | None = None

    def signal(self, remote: Address | None, muxed: bool) -> None:
        """Take the address of a new SDP body; the same one again changes nothing."""
        if (remote, muxed) != (self._signalled, self.muxed):
            self._signalled, self.muxed, self._latched = remote, muxed, None

    def destination(self, media: Address | None) -> Address | None:
        """Give where to send to; media: where RTP goes now. None: nowhere."""
        if self.muxed:
            return media
        return None if self._signalled is None else self._latched or self._signalled

    def accept(self, source: Address, media: Address | None, proven: bool) -> bool:
        """Whether a datagram from there counts; proven: it names an SSRC of this call."""
        if self.muxed:
            known = source == media
        else:
            known = source in (self._signalled, self._latched) or (
                media is not None and source[0] == media[0]
            )
        if proven and not self.muxed and self._latched is None:
            self._latched = source
        return known or proven
