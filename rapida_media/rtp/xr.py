"""The report blocks of RTCP XR that telephony uses (RFC 3611): VoIP metrics, and the pair of
blocks by which one who sends nothing measures its round trip.

Called by ``rtcp``, which frames the packet. Other blocks are passed over by their length, "block
types that are not recognized MUST be ignored" (section 3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

# RFC 3611 section 4.
_RECEIVER_REFERENCE_TIME, _DELAY_SINCE_LAST_RR, _VOIP_METRICS = 4, 5, 7
_VOIP = struct.Struct("!IBBBBHHHHbbBBBBBBBBHHH")
_DELAY = struct.Struct("!III")
UNAVAILABLE = 127
GMIN = 16

# Section 4.7.6, the receiver configuration byte: loss concealment, then jitter buffer.
PLC_ENHANCED = 2 << 6
BUFFER_ADAPTIVE, BUFFER_FIXED = 3 << 4, 2 << 4


@dataclass(frozen=True, slots=True)
class ReceiverReferenceTime:
    """Section 4.4: ``ntp`` when it was sent, 32.32 fixed point."""

    ntp: int


@dataclass(frozen=True, slots=True)
class DelaySinceLastRr:
    """Section 4.5, one sub-block: the answer to a receiver reference time of ``ssrc``."""

    ssrc: int
    last_rr: int
    delay_since_last_rr: int


@dataclass(frozen=True, slots=True)
class VoipMetrics:
    """Section 4.7. Rates and densities are shares of 256; durations and delays ms.

    Levels: dBm0.  r_factor: 0 to 100.  mos_lq, mos_cq: ten times the score.  127: unavailable.
    """

    ssrc: int
    loss_rate: int = 0
    discard_rate: int = 0
    burst_density: int = 0
    gap_density: int = 0
    burst_duration: int = 0
    gap_duration: int = 0
    round_trip_delay: int = 0
    end_system_delay: int = 0
    signal_level: int = UNAVAILABLE
    noise_level: int = UNAVAILABLE
    residual_echo_return_loss: int = UNAVAILABLE
    gmin: int = GMIN
    r_factor: int = UNAVAILABLE
    external_r_factor: int = UNAVAILABLE
    mos_lq: int = UNAVAILABLE
    mos_cq: int = UNAVAILABLE
    receiver_configuration: int = 0
    jitter_buffer_nominal: int = 0
    jitter_buffer_maximum: int = 0
    jitter_buffer_absolute_maximum: int = 0


XrBlock = ReceiverReferenceTime | DelaySinceLastRr | VoipMetrics


@dataclass(frozen=True, slots=True)
class ExtendedReport:
    """XR of one participant."""

    ssrc: int
    blocks: tuple[XrBlock, ...] = ()


def parse_blocks(body: bytes) -> tuple[XrBlock, ...]:
    """Read what follows the SSRC. Raises struct.error when a block leads out of the packet."""
    blocks: list[XrBlock] = []
    at = 0
    while at < len(body):
        block_type, _, length = struct.unpack_from("!BBH", body, at)
        content = body[at + 4 : at + 4 + 4 * length]
        if len(content) != 4 * length:
            raise struct.error("an XR block is longer than its packet")
        if block_type == _RECEIVER_REFERENCE_TIME:
            blocks.append(ReceiverReferenceTime(*struct.unpack("!Q", content)))
        elif block_type == _DELAY_SINCE_LAST_RR:
            blocks += [DelaySinceLastRr(*each) for each in _DELAY.iter_unpack(content)]
        elif block_type == _VOIP_METRICS:
            blocks.append(_parse_voip(content))
        at += 4 + len(content)
    return tuple(blocks)


def _parse_voip(content: bytes) -> VoipMetrics:
    fields = list(_VOIP.unpack(content))
    del fields[18]  # reserved
    return VoipMetrics(*fields)


def format_blocks(blocks: tuple[XrBlock, ...]) -> bytes:
    """Write blocks; struct.error for a number that its field cannot hold."""
    return b"".join(_format_block(block) for block in blocks)


def _format_block(block: XrBlock) -> bytes:
    if isinstance(block, ReceiverReferenceTime):
        return struct.pack("!BBHQ", _RECEIVER_REFERENCE_TIME, 0, 2, block.ntp)
    if isinstance(block, DelaySinceLastRr):
        content = _DELAY.pack(block.ssrc, block.last_rr, block.delay_since_last_rr)
        return struct.pack("!BBH", _DELAY_SINCE_LAST_RR, 0, 3) + content
    content = _VOIP.pack(
        block.ssrc,
        block.loss_rate,
        block.discard_rate,
        block.burst_density,
        block.gap_density,
        block.burst_duration,
        block.gap_duration,
        block.round_trip_delay,
        block.end_system_delay,
        block.signal_level,
        block.noise_level,
        block.residual_echo_return_loss,
        block.gmin,
        block.r_factor,
        block.external_r_factor,
        block.mos_lq,
        block.mos_cq,
        block.receiver_configuration,
        0,
        block.jitter_buffer_nominal,
        block.jitter_buffer_maximum,
        block.jitter_buffer_absolute_maximum,
    )
    return struct.pack("!BBH", _VOIP_METRICS, 0, len(content) // 4) + content
