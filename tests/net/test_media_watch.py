"""When a call is taken for dead: what counts as a sign of life."""

from __future__ import annotations

from rapida_media.kernels import MediaStream, format_rtp
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.net.media_watch import MediaWatch
from rapida_media.rtp.rtcp import ReceiverReport, format_rtcp
from rapida_media.rtp.session import RtcpSession
from rapida_media.testing.clock import SeededIds

MEDIA, REPORTS, STRANGER = ("192.0.2.1", 4000), ("192.0.2.1", 4001), ("203.0.113.9", 9)
REPORT = format_rtcp([ReceiverReport(7)])


def leg() -> RtpLeg:
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1)
    stream.configure(receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=MEDIA)
    made = RtpLeg(stream, RtcpSession(stream, SeededIds(1), 0.0))
    made.rtcp.path.signal(REPORTS, False)
    return made


def packet(number: int) -> bytes:
    return format_rtp(
        marker=number == 0, payload_type=0, sequence_number=number, timestamp=160 * number,
        ssrc=7, payload=bytes(160),
    )  # fmt: skip


def test_the_time_since_the_last_packet_or_the_answer_is_told() -> None:
    watched = leg()
    watch = MediaWatch(watched)
    assert watch.silent_for(12.0, answered=10.0, on_purpose=False) == 2.0
    watched.stream.receive_datagram(packet(0), MEDIA, 12.5)
    assert watch.silent_for(13.0, answered=10.0, on_purpose=False) == 0.0
    assert watch.silent_for(20.0, answered=10.0, on_purpose=False) == 7.0
    assert watch.silent_for(30.0, answered=10.0, on_purpose=True) == 0.0


def test_a_report_of_the_far_end_is_a_sign_of_life_and_one_of_a_stranger_is_none() -> None:
    """RFC 3550 section 6.3.5; a muted far end may send nothing else for minutes."""
    watched = leg()
    watch = MediaWatch(watched)
    watched.receive_rtcp(REPORT, REPORTS, 15.0)
    assert watch.silent_for(15.0, answered=10.0, on_purpose=False) == 0.0
    watched.receive_rtcp(REPORT, STRANGER, 16.0)
    assert watch.silent_for(18.0, answered=10.0, on_purpose=False) == 3.0
