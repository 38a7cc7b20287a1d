"""The RTCP side of one media stream (RFC 3550 section 6): reports out on a randomised timer,
reports in and what they tell of the far end, SSRC collisions, goodbye.

A leg owns one beside its ``MediaStream``. Its shell hands in datagrams and ``now``, visits it when
``next_timeout`` has come, and sends what ``datagrams_to_send`` gives. Nothing here ever raises on
what a peer sent.

RTP time, NTP time and ``now`` are one line: the SR names the timestamp that the stream's clock has
at the very ``now`` that its NTP time is computed from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rapida_media.ids import IdSource
from rapida_media.rtp.interval import RtcpTimer
from rapida_media.rtp.members import Members
from rapida_media.rtp.path import Address, RtcpPath
from rapida_media.rtp.reported import ReportedStream
from rapida_media.rtp.rtcp import (
    Goodbye,
    Packet,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    format_rtcp,
    parse_rtcp,
)
from rapida_media.rtp.xr import (
    UNAVAILABLE,
    DelaySinceLastRr,
    ExtendedReport,
    ReceiverReferenceTime,
    VoipMetrics,
    XrBlock,
)

# Seconds from 1900 (NTP) to 1970.
NTP_EPOCH = 2_208_988_800
# Reports of ours that a far end may still refer to.
_REFERENCES_MAX = 8
_U32 = 0xFFFFFFFF


@dataclass(slots=True)
class RemoteView:
    """What the far end last reported of what we send.

    fraction_lost: 0 to 1, of its last interval.  highest: extended sequence number it has seen.
    """

    packets_lost: int = 0
    fraction_lost: float = 0.0
    jitter_ms: float = 0.0
    highest: int = 0
    at: float = 0.0


@dataclass(slots=True)
class RtcpCounters:
    """Compound packets sent and received, and what was wrong with those dropped.

    unauthentic: by SRTCP. wrong_source: from an address that is not the peer's. collisions: of our
    SSRC with another's (RFC 3550 section 8.2). own_packets_back: ours, looped.
    """

    sent: int = 0
    received: int = 0
    malformed: int = 0
    unauthentic: int = 0
    wrong_source: int = 0
    goodbyes: int = 0
    collisions: int = 0
    own_packets_back: int = 0


def no_metrics(ssrc: int) -> None:
    """There are none."""


class RtcpSession:
    """One participant: us.

    ntp_offset: NTP seconds minus monotonic seconds.  metrics: gives the VoIP metrics of an SSRC;
    set by who has them.
    """

    def __init__(
        self,
        stream: ReportedStream,
        ids: IdSource,
        ntp_offset: float,
    ) -> None:
        self.counters = RtcpCounters()
        self.path = RtcpPath()
        self.remote: RemoteView | None = None
        self.remote_metrics: VoipMetrics | None = None
        self.round_trip_s: float | None = None
        self.metrics: Callable[[int], VoipMetrics | None] = no_metrics
        self._stream = stream
        self._ids = ids
        self._ntp_offset = ntp_offset
        # RFC 7022 section 4.2: 96 random bits, new for each session, so that it names no machine.
        self._cname = ids.token()[:24].encode()
        self._timer: RtcpTimer | None = None
        self._members = Members()
        # Packets sent, now and at the last two reports: who has "sent" (section 6.3.8).
        self._sent_before = 0, 0
        self._references: tuple[int, ...] = ()
        self._last_sr: tuple[int, int, float] | None = None  # SSRC, middle of NTP, when
        self._last_reference: tuple[int, int, float] | None = None  # the same of an RRTR
        self._out: list[tuple[bytes, Address]] = []

    # -- time ------------------------------------------------------------------------------------

    def start(self, now: float) -> None:
        """Join: the first report is due after half an interval. Again: nothing changes."""
        if self._timer is None:
            self._timer = RtcpTimer(self._ids, now)

    def next_timeout(self) -> float | None:
        return None if self._timer is None else self._timer.due

    def handle_timeout(self, now: float) -> None:
        """Send the report that is due, unless reconsideration puts it off."""
        timer = self._timer
        if timer is None or timer.due > now:
            return
        self._count(timer, now)
        if timer.expire(now):
            timer.transmitted(self._send(self._report(timer, now)), now)
            # Section 6.3.5: "at least once per RTCP transmission interval".
            self._members.forget_silent(now, timer.member_timeout_s)
            self._count(timer, now)
            timer.member_left(now)

    @property
    def has_datagrams(self) -> bool:
        return bool(self._out)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        datagrams, self._out = self._out, []
        return datagrams

    def goodbye(self, now: float) -> None:
        """Leave: with so few members the BYE goes at once (section 6.3.7).

        "A participant which never sent an RTP or RTCP packet MUST NOT send a BYE packet."
        """
        packets, _ = self._stream.sender_counts
        if self._timer is not None and (packets or self.counters.sent):
            report = self._report(self._timer, now)
            self._send([*report, Goodbye((self._stream.ssrc,))])
        self._timer = None

    def statistics(self) -> dict[str, int | float | None]:
        """Give what the far end says of us, the round trip, and counts."""
        view, metrics, counters = self.remote, self.remote_metrics, self.counters
        packets, _ = self._stream.sender_counts
        has_score = metrics is not None and metrics.mos_cq != UNAVAILABLE
        return {
            "round_trip_ms": None if self.round_trip_s is None else 1000 * self.round_trip_s,
            "remote_packets_lost": None if view is None else view.packets_lost,
            "remote_loss": None
            if view is None
            else max(0.0, view.packets_lost / max(packets, view.packets_lost, 1)),
            "remote_jitter_ms": None if view is None else view.jitter_ms,
            "remote_mos": metrics.mos_cq / 10 if metrics is not None and has_score else None,
            "rtcp_sent": counters.sent,
            "rtcp_received": counters.received,
            "rtcp_malformed": counters.malformed + counters.unauthentic,
            "rtcp_wrong_source": counters.wrong_source,
            "ssrc_collisions": counters.collisions,
        }

    # -- reports of ours -------------------------------------------------------------------------

    def _report(self, timer: RtcpTimer, now: float) -> list[Packet]:
        stream = self._stream
        ntp = self._ntp(now)
        packets, octets = stream.sender_counts
        source = self._source(timer, now)
        blocks = self._report_blocks(source, now)
        we_sent = packets != self._sent_before[0]
        self._sent_before = self._sent_before[1], packets
        self._references = (*self._references[1 - _REFERENCES_MAX :], _middle(ntp))
        report: Packet = ReceiverReport(stream.ssrc, blocks)
        if we_sent:
            timestamp = stream.timestamp_at(now)
            report = SenderReport(
                stream.ssrc, ntp, timestamp, packets & _U32, octets & _U32, blocks
            )
        description = SourceDescription({stream.ssrc: self._cname})
        extended = self._extended(source, now, None if we_sent else ntp)
        return [report, description, *([extended] if extended.blocks else [])]

    def _source(self, timer: RtcpTimer, now: float) -> int | None:
        """Give the source that we hear, as long as it takes part."""
        ssrc, heard_at = self._stream.source_ssrc, self._stream.source_heard_at
        timeout_s = timer.member_timeout_s
        if ssrc is None or not self._members.includes(ssrc, heard_at, now, timeout_s):
            return None
        return ssrc

    def _report_blocks(self, source: int | None, now: float) -> tuple[ReportBlock, ...]:
        report = None if source is None else self._stream.reception_report()
        if source is None or report is None:
            return ()
        last_sr, delay = _since(self._last_sr, source, now)
        return (ReportBlock(source, *report, last_sr, delay),)

    def _extended(self, source: int | None, now: float, ntp: int | None) -> ExtendedReport:
        """VoIP metrics; the answer to a reference time; where no SR says it, one of ours (ntp)."""
        blocks: list[XrBlock] = []
        if ntp is not None:
            blocks.append(ReceiverReferenceTime(ntp))
        if self._last_reference is not None:
            ssrc = self._last_reference[0]
            blocks.append(DelaySinceLastRr(ssrc, *_since(self._last_reference, ssrc, now)))
            self._last_reference = None
        if source is not None and (metrics := self.metrics(source)) is not None:
            blocks.append(metrics)
        return ExtendedReport(self._stream.ssrc, tuple(blocks))

    def _send(self, packets: list[Packet]) -> int:
        datagram = format_rtcp(packets)
        destination = self.path.destination(self._stream.remote)
        if destination is not None:
            self._out.append((datagram, destination))
            self.counters.sent += 1
        return len(datagram)

    def _ntp(self, now: float) -> int:
        seconds = now + self._ntp_offset
        # 2036 wraps the 32 bits of whole seconds.
        return round(seconds * (1 << 32)) & 0xFFFFFFFFFFFFFFFF

    # -- members ---------------------------------------------------------------------------------

    def _count(self, timer: RtcpTimer, now: float) -> None:
        source = self._source(timer, now)
        others = self._members.ssrcs | ({source} if source is not None else set())
        packets, _ = self._stream.sender_counts
        timer.we_sent = packets != self._sent_before[0]
        timer.members = 1 + len(others)
        silent_s = now - self._stream.source_heard_at
        timer.senders = int(timer.we_sent) + (
            source is not None and silent_s < timer.sender_timeout_s
        )

    # -- reports of the far end ------------------------------------------------------------------

    def receive(self, data: bytes, source: Address, now: float) -> None:
        """Take one RTCP datagram from the network."""
        packets = parse_rtcp(data)
        if packets is None:
            self.counters.malformed += 1
            return
        if not self.path.accept(source, self._stream.remote, self._proven(packets)):
            self.counters.wrong_source += 1
            return
        self.counters.received += 1
        if self._timer is not None:
            self._timer.received(len(data))
        if self._is_ours(packets):
            self._resolve_own(packets, now)
            return
        for packet in packets:
            self._take(packet, now)

    def _proven(self, packets: tuple[Packet, ...]) -> bool:
        """Whether it names the source we hear as its sender, or our SSRC in a report."""
        for packet in packets:
            if isinstance(packet, SenderReport | ReceiverReport):
                heard = self._stream.source_ssrc
                named = any(block.ssrc == self._stream.ssrc for block in packet.blocks)
                if named or (heard is not None and packet.ssrc == heard):
                    return True
        return False

    def _is_ours(self, packets: tuple[Packet, ...]) -> bool:
        return any(
            packet.ssrc == self._stream.ssrc
            for packet in packets
            if isinstance(packet, SenderReport | ReceiverReport)
        )

    def _resolve_own(self, packets: tuple[Packet, ...], now: float) -> None:
        """Somebody reports under our SSRC: our own packet come back, or a collision.

        RFC 3550 section 8.2: a CNAME tells the two apart.
        """
        ssrc = self._stream.ssrc
        cnames = [each.cnames for each in packets if isinstance(each, SourceDescription)]
        if any(each.get(ssrc) == self._cname for each in cnames):
            self.counters.own_packets_back += 1
        else:
            self.collide(now)

    def collide(self, now: float) -> None:
        """Another uses our SSRC: say BYE for it and take a new one (section 8.2)."""
        self.counters.collisions += 1
        if self._timer is not None:
            report = self._report(self._timer, now)
            self._send([*report, Goodbye((self._stream.ssrc,), "SSRC collision")])
        ssrc = self._stream.ssrc
        while ssrc in (self._stream.ssrc, self._stream.source_ssrc, *self._members.ssrcs):
            ssrc = self._ids.number(32)
        self._stream.change_ssrc(ssrc)
        self._sent_before = 0, 0
        self.remote = None

    def _take(self, packet: Packet, now: float) -> None:
        if isinstance(packet, SenderReport | ReceiverReport):
            self._members.hear(packet.ssrc, now)
            if isinstance(packet, SenderReport):
                self._last_sr = packet.ssrc, _middle(packet.ntp), now
            for block in packet.blocks:
                if block.ssrc == self._stream.ssrc:
                    self._take_view(block, now)
        elif isinstance(packet, Goodbye):
            self._take_goodbye(packet, now)
        elif isinstance(packet, ExtendedReport):
            for each in packet.blocks:
                self._take_extended(packet.ssrc, each, now)

    def _take_view(self, block: ReportBlock, now: float) -> None:
        self.remote = RemoteView(
            packets_lost=block.cumulative_lost,
            fraction_lost=block.fraction_lost / 256,
            jitter_ms=block.jitter * 1000 / self._stream.send_rate_hz,
            highest=block.extended_highest_sequence,
            at=now,
        )
        self._measure(block.last_sr, block.delay_since_last_sr, now)

    def _measure(self, reference: int, delay: int, now: float) -> None:
        """Section 6.4.1: the round trip is A - LSR - DLSR, if we ever sent that LSR."""
        if reference not in self._references:
            return
        elapsed = (_middle(self._ntp(now)) - reference - delay) & _U32
        # A far end that rounds its delay up on a short path makes it less than nothing.
        self.round_trip_s = 0.0 if elapsed >> 31 else elapsed / 65536

    def _take_goodbye(self, packet: Goodbye, now: float) -> None:
        """Section 6.3.4: they are neither counted nor reported on any more."""
        self.counters.goodbyes += 1
        for ssrc in packet.ssrcs:
            self._members.leave(ssrc, now)
        if self._timer is not None:
            self._count(self._timer, now)
            self._timer.member_left(now)

    def _take_extended(self, ssrc: int, block: XrBlock, now: float) -> None:
        if isinstance(block, ReceiverReferenceTime):
            self._last_reference = ssrc, _middle(block.ntp), now
        elif block.ssrc == self._stream.ssrc:
            if isinstance(block, DelaySinceLastRr):
                self._measure(block.last_rr, block.delay_since_last_rr, now)
            else:
                self.remote_metrics = block


def _middle(ntp: int) -> int:
    return ntp >> 16 & _U32


def _since(heard: tuple[int, int, float] | None, ssrc: int, now: float) -> tuple[int, int]:
    """Give what was last heard of an SSRC and how long ago, in 1/65536 s; (0, 0) for never."""
    if heard is None or heard[0] != ssrc:
        return 0, 0
    return heard[1], min(max(0, round((now - heard[2]) * 65536)), _U32)
