"""What is seen of a call's RTP from outside, once a second: when it began, what is wrong with it,
and for how long nothing was received. A far end that vanished says no BYE.

A report is a sign of life as a packet is: RFC 3550 section 6.3.5 takes a participant for gone when
neither comes. A far end that is muted, or leaves out silence, may send nothing else for minutes.
"""

from __future__ import annotations

import logging

from rapida_media import clock
from rapida_media.call.call import Call
from rapida_media.call.journal import Journal
from rapida_media.legs.rtp_leg import RtpLeg

log = logging.getLogger(__name__)


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


def note_first_media(call: Call, leg: RtpLeg, journal: Journal) -> None:
    """Note when media was first heard and sent."""
    first = leg.first_media_at
    if first is not None and call.timeline.note("first_media", first):
        wall = clock.wall() - (clock.monotonic() - first)
        journal.changed(call.id, first_media_at=wall)
    call.timeline.note("first_rtp_in", leg.stream.first_received_at)
    call.timeline.note("first_rtp_out", leg.stream.first_sent_at)


def tell_of_trouble(call: Call, leg: RtpLeg, now: float, *, expecting: bool) -> None:
    """Tell the log and the agent what is newly wrong with the media. expecting: there should be
    some."""
    for missing, seconds in leg.look(now, expecting=expecting):
        log.info("no %s for %.0f s", missing, seconds, extra={"call_id": call.id})
        call.media_trouble(missing, seconds)
