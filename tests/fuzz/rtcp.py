"""RTCP: any datagram is read or refused, and whatever was read leaves the session able to report.

The first octet of the input says what else happens: which source it comes from, how much time
passes, whether it comes twice.
"""

from __future__ import annotations

from rapida_media.kernels import ReceptionReport
from rapida_media.rtp.members import MEMBERS_MAX
from rapida_media.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    format_rtcp,
    parse_rtcp,
)
from rapida_media.rtp.session import RtcpSession
from rapida_media.rtp.xr import (
    DelaySinceLastRr,
    ExtendedReport,
    ReceiverReferenceTime,
    VoipMetrics,
)

OURS, THEIRS = 0x0A0B0C0D, 0x55667788
MEDIA = ("192.0.2.1", 4000)
SOURCES = (("192.0.2.1", 4001), MEDIA, ("192.0.2.1", 9), ("203.0.113.9", 1))
_BLOCK = ReportBlock(OURS, 12, -3, 70000, 80, 0x00010002, 0x8000)
SEEDS = [
    b"\0" + format_rtcp(packets)
    for packets in (
        [SenderReport(THEIRS, 1 << 40, 160, 5, 800, (_BLOCK,)), SourceDescription({THEIRS: b"x"})],
        [ReceiverReport(THEIRS, (_BLOCK, _BLOCK)), Goodbye((THEIRS, 7), "over")],
        [ReceiverReport(OURS), SourceDescription({OURS: b"stranger"})],
        [
            ReceiverReport(THEIRS),
            ExtendedReport(
                THEIRS,
                (
                    ReceiverReferenceTime(1 << 33),
                    DelaySinceLastRr(OURS, 5, 6),
                    VoipMetrics(OURS, r_factor=90),
                ),
            ),
        ],
    )
]
TOKENS = [
    *(
        bytes([0x80 | count, kind])
        for kind in (200, 201, 202, 203, 204, 205, 207)
        for count in (0, 1)
    ),
    *(value.to_bytes(4, "big") for value in (OURS, THEIRS, 0, 0xFFFFFFFF)),
    *(value.to_bytes(2, "big") for value in (0, 1, 2, 6, 7, 8, 12, 0xFFFF)),
    b"\x04\0\0\x02",
    b"\x05\0\0\x03",
    b"\x07\0\0\x08",
    b"\x01\x05",
    b"\xa0",
]


class _Ids:
    """An ``IdSource`` that costs nothing."""

    def __init__(self, number: int) -> None:
        self._number = number

    def token(self) -> str:
        return "c" * 32

    def number(self, bits: int) -> int:
        self._number = self._number * 2654435761 + 1
        return self._number >> 7 & ((1 << bits) - 1)


class _Stream:
    """A stream that sends and hears."""

    ssrc, source_ssrc, remote, send_rate_hz = OURS, THEIRS, MEDIA, 8000
    source_heard_at = 0.5
    sender_counts = (100, 16000)

    def timestamp_at(self, now: float) -> int:
        return int(now * 8000) & 0xFFFFFFFF

    def reception_report(self) -> ReceptionReport | None:
        return ReceptionReport(1, 2, 3, 4)

    def change_ssrc(self, ssrc: int) -> None:
        assert ssrc not in (self.ssrc, THEIRS)
        self.ssrc = ssrc


def fuzz(data: bytes) -> None:
    how, datagram = (data[0], data[1:]) if data else (0, b"")
    packets = parse_rtcp(datagram)
    if packets:
        assert parse_rtcp(format_rtcp(packets)) == packets
    if packets is not None or how & 15 == 0:  # what is refused is refused alike
        _feed(datagram, how)


def _feed(datagram: bytes, how: int) -> None:
    session = RtcpSession(_Stream(), _Ids(how), 3.9e9)
    session.path.signal(None if how & 64 else SOURCES[0], bool(how & 4))
    now = 1.0
    session.start(now)
    for _ in range(1 + (how >> 3 & 1)):
        session.receive(datagram, SOURCES[how & 3], now)
        now += (how >> 4) * 0.4
        session.handle_timeout(now)
        _check_sent(session)
    if how & 128:
        session.goodbye(now)
        _check_sent(session)
    statistics = session.statistics()
    loss = statistics["remote_loss"]
    assert loss is None or 0 <= loss <= 1
    round_trip = statistics["round_trip_ms"]
    assert round_trip is None or 0 <= round_trip <= 32768_000
    assert len(session._members.ssrcs) <= MEMBERS_MAX


def _check_sent(session: RtcpSession) -> None:
    sent = session.datagrams_to_send()
    assert len(sent) <= 3
    for datagram, destination in sent:
        assert destination in SOURCES
        assert len(datagram) < 500
        packets = parse_rtcp(datagram)
        assert packets is not None
        assert isinstance(packets[0], SenderReport | ReceiverReport)
        assert isinstance(packets[1], SourceDescription)
