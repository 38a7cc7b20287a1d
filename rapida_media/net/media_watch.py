"""For how long nothing was received on a call: a far end that vanished says no BYE.

A report is a sign of life as a packet is: RFC 3550 section 6.3.5 takes a participant for gone when
neither comes. A far end that is muted, or leaves out silence, may send nothing else for minutes.
"""

from __future__ import annotations

from rapida_media.legs.rtp_leg import RtpLeg


class MediaWatch:
    """Asked once a second; each answer compares with the one before."""

    def __init__(self, leg: RtpLeg) -> None:
        self._leg = leg
        self._packets = 0
        self._seen_at = 0.0

    def silent_for(self, now: float, answered: float, on_purpose: bool) -> float:
        """Give the seconds since the last packet, RTP or RTCP, or since the answer.

        on_purpose: one side holds, or the far end only listens: that counts as a packet.
        """
        received = self._leg.stream.packets_received + self._leg.rtcp.counters.received
        if received != self._packets or on_purpose:
            self._packets, self._seen_at = received, now
        return now - max(self._seen_at, answered)
