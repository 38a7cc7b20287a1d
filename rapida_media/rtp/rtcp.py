"""RTCP packets as values: ``parse_rtcp`` reads a datagram, ``format_rtcp`` writes one.

Called by ``session`` for every RTCP datagram of a call. Sender and receiver reports, SDES and BYE
are RFC 3550 section 6, the extended reports ``xr`` RFC 3611. A datagram need not begin with a
report (reduced size, RFC 5506); packet types we have no use for (APP, feedback) are passed over.
Lengths decide: a datagram whose packets do not fill it exactly, or whose fields lead out of their
packet, is malformed as a whole (RFC 3550 appendix A.2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rapida_media.errors import LocalProtocolError
from rapida_media.rtp.xr import ExtendedReport, format_blocks, parse_blocks

# RFC 3550 section 12.1 and RFC 3611 section 2.
_SR, _RR, _SDES, _BYE, _XR = 200, 201, 202, 203, 207
_CNAME = 1
# The count field has five bits.
MAXIMUM_BLOCKS = 31
_WORD = 4
_REPORT_BLOCK = struct.Struct("!IIIIII")
_SENDER_INFO = struct.Struct("!QIII")


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one receiver says of one source (RFC 3550 section 6.4.1).

    fraction_lost: of 256, since the report before.  cumulative_lost: signed, 24 bits.
    jitter: RTP units.  last_sr: middle 32 bits of the NTP time of the last SR, 0 for none.
    delay_since_last_sr: in 1/65536 s.
    """

    ssrc: int
    fraction_lost: int
    cumulative_lost: int
    extended_highest_sequence: int
    jitter: int
    last_sr: int = 0
    delay_since_last_sr: int = 0


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR: ``ntp`` (32.32 fixed point) and ``rtp_timestamp`` name the same instant."""

    ssrc: int
    ntp: int
    rtp_timestamp: int
    packet_count: int
    octet_count: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR: of one who sends nothing."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES, of which only the canonical names are kept: SSRC → CNAME."""

    cnames: dict[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE of these sources."""

    ssrcs: tuple[int, ...]
    reason: str = ""


Packet = SenderReport | ReceiverReport | SourceDescription | Goodbye | ExtendedReport


# --- reading --------------------------------------------------------------------------------


def parse_rtcp(data: bytes) -> tuple[Packet, ...] | None:
    """Read a datagram; None when it is malformed. Never raises."""
    packets: list[Packet] = []
    if not data:
        return None
    while data:
        if len(data) < _WORD or data[0] >> 6 != 2:
            return None
        size = _WORD * (1 + int.from_bytes(data[2:4], "big"))
        if size > len(data):
            return None
        body, rest = data[_WORD:size], data[size:]
        if data[0] & 0x20:
            # "padding is only required on one individual packet [...] the last" (section 6.4.1).
            if rest or not body or not _WORD <= body[-1] <= len(body) or body[-1] % _WORD:
                return None
            body = body[: -body[-1]]
        try:
            packet = _parse_packet(data[1], data[0] & 0x1F, body)
        except (struct.error, IndexError):
            return None
        if packet is not None:
            packets.append(packet)
        data = rest
    return tuple(packets)


def _parse_packet(packet_type: int, count: int, body: bytes) -> Packet | None:
    parser = _PARSERS.get(packet_type)
    return None if parser is None else parser(count, body)


def _parse_sr(count: int, body: bytes) -> SenderReport:
    (ssrc,) = struct.unpack_from("!I", body)
    ntp, timestamp, packets, octets = _SENDER_INFO.unpack_from(body, 4)
    blocks = _parse_report_blocks(count, body, 4 + _SENDER_INFO.size)
    return SenderReport(ssrc, ntp, timestamp, packets, octets, blocks)


def _parse_rr(count: int, body: bytes) -> ReceiverReport:
    (ssrc,) = struct.unpack_from("!I", body)
    return ReceiverReport(ssrc, _parse_report_blocks(count, body, 4))


def _parse_report_blocks(count: int, body: bytes, offset: int) -> tuple[ReportBlock, ...]:
    """Read the blocks; what follows them is an extension of a profile and means nothing to us."""
    blocks = []
    for at in range(offset, offset + count * _REPORT_BLOCK.size, _REPORT_BLOCK.size):
        ssrc, lost, highest, jitter, last_sr, delay = _REPORT_BLOCK.unpack_from(body, at)
        signed = (lost & 0xFFFFFF) - ((lost & 0x800000) << 1)
        blocks.append(ReportBlock(ssrc, lost >> 24, signed, highest, jitter, last_sr, delay))
    return tuple(blocks)


def _parse_sdes(count: int, body: bytes) -> SourceDescription:
    cnames: dict[int, bytes] = {}
    at = 0
    for _ in range(count):
        (ssrc,) = struct.unpack_from("!I", body, at)
        at += 4
        while (item := body[at]) != 0:
            end = at + 2 + body[at + 1]
            if end > len(body):
                raise IndexError
            if item == _CNAME and end > at + 2:
                cnames.setdefault(ssrc, body[at + 2 : end])
            at = end
        # "one or more null octets, the first of which is interpreted as an item type of zero to
        # denote the end of the list", up to the next 32-bit boundary (section 6.5).
        at += _WORD - at % _WORD
    if at > len(body):
        raise IndexError
    return SourceDescription(cnames)


def _parse_bye(count: int, body: bytes) -> Goodbye:
    ssrcs = struct.unpack_from(f"!{count}I", body)
    rest = body[4 * count :]
    if rest and 1 + rest[0] > len(rest):
        raise IndexError
    reason = rest[1 : 1 + rest[0]] if rest else b""
    return Goodbye(ssrcs, reason.decode("utf-8", "surrogateescape"))


def _parse_xr(count: int, body: bytes) -> ExtendedReport:
    (ssrc,) = struct.unpack_from("!I", body)
    return ExtendedReport(ssrc, parse_blocks(body[4:]))


_PARSERS: dict[int, Callable[[int, bytes], Packet]] = {
    _SR: _parse_sr,
    _RR: _parse_rr,
    _SDES: _parse_sdes,
    _BYE: _parse_bye,
    _XR: _parse_xr,
}


# --- writing --------------------------------------------------------------------------------


def format_rtcp(packets: Iterable[Packet]) -> bytes:
    """Write packets one behind the other; LocalProtocolError for what their fields cannot say."""
    try:
        return b"".join(_format_packet(packet) for packet in packets)
    except struct.error as error:
        raise LocalProtocolError(f"a number is too large for its RTCP field: {error}") from error


def _format_packet(packet: Packet) -> bytes:
    if isinstance(packet, SenderReport):
        info = _SENDER_INFO.pack(
            packet.ntp, packet.rtp_timestamp, packet.packet_count, packet.octet_count
        )
        return _format_report(_SR, packet.ssrc, info, packet.blocks)
    if isinstance(packet, ReceiverReport):
        return _format_report(_RR, packet.ssrc, b"", packet.blocks)
    if isinstance(packet, SourceDescription):
        _check_count(len(packet.cnames))
        chunks = [_format_chunk(*each) for each in packet.cnames.items()]
        return _with_header(_SDES, len(chunks), b"".join(chunks))
    if isinstance(packet, Goodbye):
        return _format_bye(packet)
    return _with_header(_XR, 0, struct.pack("!I", packet.ssrc) + format_blocks(packet.blocks))


def _format_report(
    packet_type: int, ssrc: int, info: bytes, blocks: tuple[ReportBlock, ...]
) -> bytes:
    _check_count(len(blocks))
    body = struct.pack("!I", ssrc) + info + b"".join(_format_block(block) for block in blocks)
    return _with_header(packet_type, len(blocks), body)


def _format_block(block: ReportBlock) -> bytes:
    if not (0 <= block.fraction_lost <= 255 and -0x800000 <= block.cumulative_lost <= 0x7FFFFF):
        raise LocalProtocolError("a report block says losses of 8 and of 24 bits with sign")
    return _REPORT_BLOCK.pack(
        block.ssrc,
        block.fraction_lost << 24 | block.cumulative_lost & 0xFFFFFF,
        block.extended_highest_sequence,
        block.jitter,
        block.last_sr,
        block.delay_since_last_sr,
    )


def _format_chunk(ssrc: int, cname: bytes) -> bytes:
    if not 1 <= len(cname) <= 255:
        raise LocalProtocolError("a CNAME has 1 to 255 octets")
    chunk = struct.pack("!IBB", ssrc, _CNAME, len(cname)) + cname
    return chunk + bytes(_WORD - len(chunk) % _WORD)


def _format_bye(packet: Goodbye) -> bytes:
    _check_count(len(packet.ssrcs))
    body = struct.pack(f"!{len(packet.ssrcs)}I", *packet.ssrcs)
    if packet.reason:
        reason = packet.reason.encode("utf-8", "surrogateescape")
        if len(reason) > 255:
            raise LocalProtocolError("the reason of a BYE has at most 255 octets")
        body += bytes([len(reason)]) + reason
    return _with_header(_BYE, len(packet.ssrcs), body + bytes(-len(body) % _WORD))


def _check_count(count: int) -> None:
    if count > MAXIMUM_BLOCKS:
        raise LocalProtocolError(f"an RTCP packet holds at most {MAXIMUM_BLOCKS} blocks or chunks")


def _with_header(packet_type: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, packet_type, len(body) // _WORD) + body
