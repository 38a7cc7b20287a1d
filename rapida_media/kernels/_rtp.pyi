from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

class Verdict(IntEnum):
    """What RFC 3550 appendix A.1 thinks of one sequence number."""

    PROBATION = 0  # not believable (yet): do not play
    PLAYABLE = 1  # the highest so far
    REORDERED = 2  # behind the highest, not seen before
    DUPLICATE = 3
    RESTARTED = 4  # two in a row made a new beginning

class RtpPacket(NamedTuple):
    """One RTP packet (RFC 3550 section 5.1); `payload` is without the padding."""

    marker: bool
    payload_type: int
    sequence_number: int
    timestamp: int
    ssrc: int
    csrcs: tuple[int, ...]
    extension_profile: int | None
    extension: bytes
    payload: bytes
    padding_bytes: int

class ReceptionReport(NamedTuple):
    """The receiver's figures of a report block (RFC 3550 section 6.4.1)."""

    fraction_lost: int  # of 256, since the last report
    cumulative_lost: int  # clamped to 24 bits with sign
    extended_highest_sequence: int
    jitter: int  # RTP units

def parse_rtp(data: bytes) -> RtpPacket | None:
    """Read one packet; None when it is malformed or not version 2."""

def format_rtp(
    *,
    marker: bool,
    payload_type: int,
    sequence_number: int,
    timestamp: int,
    ssrc: int,
    payload: bytes,
    csrcs: Sequence[int] = (),
    extension_profile: int | None = None,
    extension: bytes = b"",
    padding_bytes: int = 0,
) -> bytes:
    """Write one packet. `extension`: whole words. `padding_bytes`: with the counting octet.

    Raises LocalProtocolError for what the header cannot say, OverflowError for numbers too large
    for their field.
    """

class SourceStatistics:
    """What a receiver knows of one source: RFC 3550 appendix A.1, A.3 and A.8."""

    def __init__(self, rate_hz: int) -> None: ...
    def update(self, sequence_number: int, timestamp: int, arrival: float) -> Verdict:
        """Account for one received packet.

        sequence_number: 16-bit, as on the wire.  timestamp: 32-bit RTP units.
        arrival: finite monotonic seconds at the socket.
        """

    @property
    def packets_expected(self) -> int:
        """Packets since the beginning, by sequence number; 0 on probation."""

    @property
    def packets_lost(self) -> int:
        """A.3 without the 24-bit clamp; negative when duplicates outnumber losses."""

    def report(self) -> ReceptionReport:
        """Give the figures of a receiver report; the next reporting interval begins."""
