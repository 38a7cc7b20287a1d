"""RTCP between two ends in virtual time: what is sent, and what each learns of the other."""

from __future__ import annotations

import itertools
from random import Random

import pytest

from rapida_media.kernels import MediaStream
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
from rapida_media.rtp.session import NTP_EPOCH, RtcpSession
from rapida_media.rtp.xr import (
    DelaySinceLastRr,
    ExtendedReport,
    ReceiverReferenceTime,
    VoipMetrics,
)
from rapida_media.testing.clock import SeededIds

NTP_OFFSET = NTP_EPOCH + 1_700_000_000.0
HERE, THERE = ("192.0.2.1", 4000), ("192.0.2.2", 5000)


def control(address: tuple[str, int]) -> tuple[str, int]:
    return address[0], address[1] + 1


class End:
    """One end of a PCMU call, its RTCP beside it."""

    def __init__(self, own: tuple[str, int], other: tuple[str, int], ssrc: int, **options: bool):
        self.own, self.other = own, other
        self.stream = MediaStream(ssrc=ssrc, sequence_number=1, timestamp=ssrc)
        self.session = RtcpSession(self.stream, SeededIds(ssrc), NTP_OFFSET)
        self.muxed = options.pop("muxed", False)
        remote = other if self.muxed else control(other)
        self.session.path.signal(remote, self.muxed)
        self.stream.configure(
            receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=other,
            rtcp_mux=self.muxed, **options,
        )  # fmt: skip
        self.sent: list[tuple[float, tuple[Packet, ...]]] = []

    def start(self, now: float) -> None:
        self.stream.start(now)
        self.session.start(now)


class Call:
    """Two ends and the network between them. delay: one way, in seconds."""

    def __init__(self, delay: float = 0.03, loss: float = 0.0, **options: bool) -> None:
        self.a, self.b = End(HERE, THERE, 0xA, **options), End(THERE, HERE, 0xB)
        self.delay, self.loss = delay, loss
        self.now = 100.0
        self.lost = {0xA: 0, 0xB: 0}
        self._random = Random(5)
        self._flying: list[tuple[float, End, bytes, tuple[str, int]]] = []
        for end in (self.a, self.b):
            end.start(self.now)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            for sender, receiver in ((self.a, self.b), (self.b, self.a)):
                self._move(sender, receiver)
            self._deliver()
            self.now = round(self.now + 0.005, 6)

    def _move(self, sender: End, receiver: End) -> None:
        for data, _ in sender.stream.datagrams_to_send(self.now):
            if self._random.random() < self.loss:
                self.lost[sender.stream.ssrc] += 1
            else:
                self._flying.append((self.now + self.delay, receiver, data, sender.own))
        sender.session.handle_timeout(self.now)
        self.flush(sender, receiver)

    def flush(self, sender: End, receiver: End) -> None:
        for data, to in sender.session.datagrams_to_send():
            source = sender.own if sender.muxed else control(sender.own)
            assert to == (receiver.own if sender.muxed else control(receiver.own))
            packets = parse_rtcp(data)
            assert packets is not None
            sender.sent.append((self.now, packets))
            self._flying.append((self.now + self.delay, receiver, data, source))

    def _deliver(self) -> None:
        due = [each for each in self._flying if each[0] <= self.now]
        self._flying = [each for each in self._flying if each[0] > self.now]
        for _, end, data, source in due:
            if source[1] % 2:
                end.session.receive(data, source, self.now)
            else:
                end.stream.receive_datagram(data, source, self.now)
                while end.stream.next_frame() is not None:
                    pass


def reports(end: End) -> list[SenderReport | ReceiverReport]:
    return [
        packet
        for _, packets in end.sent
        for packet in packets
        if isinstance(packet, SenderReport | ReceiverReport)
    ]


def test_a_call_is_reported_on_every_five_seconds_or_so() -> None:
    call = Call()
    call.run(120)
    times = [at for at, _ in call.a.sent]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert 1.0 <= times[0] - 100 <= 3.2
    assert all(2.0 <= gap <= 6.2 for gap in gaps)
    assert call.b.session.counters.received == len(times)


def test_every_report_is_a_compound_packet_with_a_name() -> None:
    call = Call()
    call.run(30)
    for _, (report, description, *_) in call.a.sent:
        assert isinstance(report, SenderReport)
        assert isinstance(description, SourceDescription)
        assert len(description.cnames[0xA]) == 24
    assert len({str(packets[1]) for _, packets in call.a.sent}) == 1


def test_the_sender_report_names_the_timestamp_of_its_instant() -> None:
    call = Call()
    call.run(60)
    for at, packets in call.a.sent:
        report = packets[0]
        assert isinstance(report, SenderReport)
        assert report.ntp / 2**32 == pytest.approx(at + NTP_OFFSET, abs=1e-6)
        assert report.rtp_timestamp == 0xA + round((at - 100) * 8000)
        assert report.packet_count == pytest.approx((at - 100) * 50, abs=2)
        assert report.octet_count == 160 * report.packet_count


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.25, 1.5])
def test_the_round_trip_is_found_without_a_common_clock(delay: float) -> None:
    call = Call(delay)
    call.run(20)
    for end in (call.a, call.b):
        assert end.session.round_trip_s == pytest.approx(2 * delay, abs=0.011)


def test_each_end_learns_what_the_other_lost() -> None:
    call = Call(loss=0.05)
    call.run(200)
    view = call.a.session.remote
    assert view is not None
    assert view.packets_lost == pytest.approx(call.lost[0xA], rel=0.06)
    assert view.highest > 9000
    fractions = [b.fraction_lost / 256 for report in reports(call.b) for b in report.blocks]
    assert sum(fractions) / len(fractions) == pytest.approx(0.05, abs=0.01)


def test_jitter_is_reported_in_ms_of_what_we_send() -> None:
    call = Call()
    call.run(10)
    call.a.session.receive(
        format_rtcp([ReceiverReport(0xB, (ReportBlock(0xA, 64, 7, 100, 80),))]),
        control(THERE),
        call.now,
    )
    view = call.a.session.remote
    assert view is not None
    assert (view.jitter_ms, view.packets_lost, view.fraction_lost) == (10.0, 7, 0.25)


def test_who_sends_nothing_reports_as_a_receiver_and_still_finds_the_round_trip() -> None:
    call = Call(0.04, sending=False)
    call.run(20)
    assert all(isinstance(report, ReceiverReport) for report in reports(call.a))
    assert call.a.session.round_trip_s == pytest.approx(0.08, abs=0.011)
    blocks = [b for _, packets in call.b.sent for p in packets if isinstance(p, ExtendedReport)
              for b in p.blocks]  # fmt: skip
    assert any(isinstance(block, DelaySinceLastRr) for block in blocks)


def test_who_stops_sending_becomes_a_receiver_after_two_reports() -> None:
    call = Call()
    call.run(20)
    count = len(reports(call.a))
    call.a.stream.configure(
        receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=THERE, sending=False
    )
    call.run(40)
    kinds = [type(report) for report in reports(call.a)[count:]]
    assert kinds[0] is SenderReport
    assert set(kinds[2:]) == {ReceiverReport}


def test_metrics_travel_as_an_extended_report() -> None:
    call = Call()
    call.a.session.metrics = lambda ssrc: VoipMetrics(ssrc, loss_rate=12, r_factor=80)
    call.run(10)
    assert call.b.session.remote_metrics == VoipMetrics(0xB, loss_rate=12, r_factor=80)


def test_goodbye_is_said_once_and_understood() -> None:
    call = Call()
    call.run(10)
    call.a.session.goodbye(call.now)
    call.a.session.goodbye(call.now)
    call.flush(call.a, call.b)
    assert Goodbye((0xA,)) in call.a.sent[-1][1]
    call.run(0.1)
    assert call.b.session.counters.goodbyes == 1
    assert call.a.session.next_timeout() is None


def blocks(end: End, since: float) -> list[tuple[ReportBlock, ...]]:
    return [
        packet.blocks
        for at, packets in end.sent
        for packet in packets
        if at >= since and isinstance(packet, SenderReport | ReceiverReport)
    ]


def about(end: End, since: float) -> list[int]:
    """The SSRCs that its extended reports speak of."""
    return [
        block.ssrc
        for at, packets in end.sent
        for packet in packets
        if at >= since and isinstance(packet, ExtendedReport)
        for block in packet.blocks
        if isinstance(block, VoipMetrics)
    ]


def test_who_said_goodbye_is_reported_on_no_more() -> None:
    call = Call()
    call.b.session.metrics = VoipMetrics
    call.run(20)
    assert [block.ssrc for block in blocks(call.b, 115.0)[-1]] == [0xA]
    assert about(call.b, 115.0)
    call.a.session.goodbye(call.now)
    call.flush(call.a, call.b)
    call.a.stream.configure(
        receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=THERE, sending=False
    )
    call.run(0.1)
    left_at = call.now
    call.run(20)
    assert len(blocks(call.b, left_at)) >= 3
    assert set(blocks(call.b, left_at)) == {()}
    assert about(call.b, left_at) == []


def test_who_goes_on_after_its_goodbye_is_reported_on_again() -> None:
    call = Call()
    call.run(20)
    call.a.session.goodbye(call.now)
    call.flush(call.a, call.b)
    call.run(30)
    reported = blocks(call.b, 120.1)
    assert reported[0] == ()
    assert [block.ssrc for block in reported[-1]] == [0xA]


def test_who_is_not_heard_for_five_intervals_is_reported_on_no_more() -> None:
    """RFC 3550 section 6.3.5."""
    call = Call()
    call.run(20)
    call.a.stream.configure(
        receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=THERE, sending=False
    )
    call.run(60)  # its reports go on: it is a member, though no sender
    assert all(len(each) == 1 for each in blocks(call.b, 101.0) if each)
    assert blocks(call.b, 175.0)[-1] != ()
    call.a.session.path.signal(None, False)
    silent_at = call.now
    call.run(60)
    assert all(blocks(call.b, silent_at)[:3])
    assert set(blocks(call.b, silent_at + 26)) == {()}


def test_who_never_sent_anything_says_no_goodbye() -> None:
    end = End(HERE, THERE, 0xA)
    end.start(0.0)
    end.session.goodbye(0.1)
    assert end.session.datagrams_to_send() == []


def test_nothing_is_sent_where_the_far_end_takes_no_rtcp() -> None:
    call = Call()
    call.a.session.path.signal(None, False)
    call.run(30)
    assert call.a.sent == []


def test_with_rtcp_on_the_rtp_port_reports_follow_the_media() -> None:
    end = End(HERE, THERE, 0xA, muxed=True)
    end.start(0.0)
    end.stream.datagrams_to_send(0.0)
    end.session.handle_timeout(end.session.next_timeout() or 0.0)
    ((_, destination),) = end.session.datagrams_to_send()
    assert destination == THERE


# -- collisions (RFC 3550 section 8.2)


def test_a_collision_of_ssrcs_ends_with_a_goodbye_and_another_ssrc() -> None:
    call = Call()
    call.run(10)
    stranger = format_rtcp([ReceiverReport(0xA), SourceDescription({0xA: b"someone@else"})])
    call.a.session.receive(stranger, control(THERE), call.now)
    call.flush(call.a, call.b)
    fresh = call.a.stream.ssrc
    assert fresh not in (0xA, 0xB)
    assert call.a.sent[-1][1][-1] == Goodbye((0xA,), "SSRC collision")
    call.run(30)
    assert {report.ssrc for report in reports(call.a)[-3:]} == {fresh}
    last = reports(call.a)[-1]
    assert isinstance(last, SenderReport)
    assert last.packet_count < 50 * 31
    assert call.b.stream.source_ssrc == fresh
    assert call.a.session.counters.collisions == 1
    assert call.a.session.remote is not None


def test_our_own_report_come_back_is_no_collision() -> None:
    call = Call()
    call.run(10)
    _, packets = call.a.sent[-1]
    call.a.session.receive(format_rtcp(packets), control(THERE), call.now)
    assert call.a.stream.ssrc == 0xA
    assert call.a.session.counters.own_packets_back == 1


# -- what peers get wrong


def test_malformed_datagrams_are_counted_and_change_nothing() -> None:
    call = Call()
    call.run(10)
    call.a.session.receive(b"\x80\xc9", control(THERE), call.now)
    call.a.session.receive(b"", control(THERE), call.now)
    assert call.a.session.counters.malformed == 2


def test_a_stranger_is_not_believed() -> None:
    call = Call()
    call.run(10)
    report = format_rtcp([ReceiverReport(0x99, ())])
    call.a.session.receive(report, ("203.0.113.9", 5), call.now)
    assert call.a.session.counters.wrong_source == 1


def test_a_far_end_behind_a_nat_is_answered_where_it_reports_from() -> None:
    call = Call()
    call.run(0.9)  # before the first report
    outside = ("203.0.113.9", 1234)
    report = format_rtcp([ReceiverReport(0xB, (ReportBlock(0xA, 0, 0, 5, 0),))])
    call.a.session.receive(report, outside, call.now)
    assert call.a.session.path.destination(None) == outside
    thief = ("203.0.113.66", 1)
    call.a.session.receive(report, thief, call.now)
    assert call.a.session.path.destination(None) == outside


def test_an_invented_reference_measures_no_round_trip() -> None:
    call = Call()
    call.a.session.receive(
        format_rtcp([ReceiverReport(0xB, (ReportBlock(0xA, 0, 0, 5, 0, 12345, 1),))]),
        control(THERE),
        call.now,
    )
    assert call.a.session.round_trip_s is None


def test_a_far_end_that_waited_longer_than_the_round_trip_makes_it_zero() -> None:
    call = Call()
    call.run(10)
    report = reports(call.a)[-1]
    assert isinstance(report, SenderReport)
    block = ReportBlock(0xA, 0, 0, 5, 0, report.ntp >> 16 & 0xFFFFFFFF, 0x100000)
    call.a.session.receive(format_rtcp([ReceiverReport(0xB, (block,))]), control(THERE), call.now)
    assert call.a.session.round_trip_s == 0.0


def test_a_flood_of_members_is_not_remembered() -> None:
    call = Call()
    for ssrc in range(100, 1000):
        call.a.session.receive(format_rtcp([ReceiverReport(ssrc)]), control(THERE), call.now)
    call.run(40)
    assert len(reports(call.a)) > 4


def test_reference_times_are_answered_once() -> None:
    call = Call()
    reference = ReceiverReferenceTime(0x1234_5678_9ABC_DEF0)
    question = format_rtcp([ReceiverReport(0x77), ExtendedReport(0x77, (reference,))])
    call.a.session.receive(question, control(THERE), call.now)
    call.run(12)
    answers = [
        block
        for _, packets in call.a.sent
        for packet in packets
        if isinstance(packet, ExtendedReport)
        for block in packet.blocks
        if isinstance(block, DelaySinceLastRr)
    ]
    assert [(each.ssrc, each.last_rr) for each in answers] == [(0x77, 0x56789ABC)]
