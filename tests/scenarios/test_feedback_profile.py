"""A call in the profile with RTCP feedback (RFC 4585): feedback is passed over, and our reports go
when they would go without."""

from __future__ import annotations

from rapida_media.kernels import MediaStream, Tone
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.rtp.rtcp import Packet as RtcpPacket
from rapida_media.rtp.rtcp import SenderReport, parse_rtcp
from rapida_media.rtp.session import RtcpSession
from rapida_media.sdp.offer_answer import LocalMedia, OfferAnswer
from rapida_media.sip.address import Address
from rapida_media.sip.events import AnyEvent, IncomingInvite, ReinviteAnswered, ReinviteReceived
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.media import MediaNode
from rapida_media.testing.network import Packet
from rapida_media.testing.phone import LegNode
from rapida_media.testing.world import World

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVPF 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
    b"a=rtcp-mux\r\na=rtcp-fb:* trr-int 500\r\na=rtcp-fb:* nack\r\n"
)
HERE, THERE = Address("192.0.2.2", 6000), Address("192.0.2.1", 4000)
# RFC 4585 sections 6.2.1 and 6.3.1: packet 7 and the sixteen after it are missing; a picture is.
NACK = bytes.fromhex("81 cd 0003 0000000a 0000000b 0007 ffff")
PICTURE_LOSS = bytes.fromhex("81 ce 0002 0000000a 0000000b")
SECONDS = 30


class CalleeMedia(LegNode):
    """Bob's media, and the reports he sends."""

    def __init__(self, leg: RtpLeg) -> None:
        super().__init__(HERE, leg)
        self.reports: list[tuple[float, tuple[RtcpPacket, ...]]] = []

    def next_timeout(self) -> float | None:
        timeouts = (super().next_timeout(), self.leg.rtcp.next_timeout())
        return min((each for each in timeouts if each is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        super().handle_timeout(now)
        self.leg.rtcp.handle_timeout(now)
        for data, _ in self.leg.rtcp_to_send():
            packets = parse_rtcp(data)
            assert packets is not None
            self.reports.append((now, packets))


class Callee:
    """Bob, who takes what he is offered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sip = world.add_sip(HERE.host)
        self.sip.on_event = self._hear
        self.offers = OfferAnswer(SeededIds(1))
        stream = MediaStream(ssrc=0xB, sequence_number=1, timestamp=0)
        self.leg = RtpLeg(stream, RtcpSession(stream, SeededIds(2), 0.0))
        self.media = CalleeMedia(self.leg)
        self.described: list[bytes] = []

    def _local(self, direction: str = "sendrecv") -> LocalMedia:
        return LocalMedia(HERE.host, HERE.port, ("PCMU",), direction=direction)

    def _hear(self, event: AnyEvent) -> None:
        now = self.world.now
        if isinstance(event, IncomingInvite):
            self.session = event.session
            answer, audio = self.offers.receive_offer(event.body, self._local())
            self.described.append(answer)
            self.leg.configure(audio)
            self.leg.start(now)
            self.leg.rtcp.start(now)
            self.world.add(self.media)
            event.session.accept(answer, now)
        elif isinstance(event, ReinviteAnswered):
            self.leg.configure(self.offers.receive_answer(event.body))

    def hold(self) -> None:
        self.described.append(self.offers.make_offer(self._local("inactive")))
        self.session.reinvite(self.described[-1], self.world.now)


def call(*asks: bytes) -> tuple[Callee, MediaNode]:
    """Call Bob, speak both ways and ask for these once a second; he holds the call in the end."""
    world = World(seed=1)
    callee = Callee(world)
    alice = world.add_sip(THERE.host)
    media = MediaNode(THERE.host, THERE.port, MediaStream(ssrc=0xA, sequence_number=1, timestamp=0))
    world.add(media)
    media.connect(HERE, world.now)

    def hear(event: AnyEvent) -> None:
        if isinstance(event, ReinviteReceived):
            event.session.answer_reinvite(OFFER + b"a=inactive\r\n", world.now)

    alice.on_event = hear
    alice.endpoint.invite(
        target="sip:bob@192.0.2.2",
        destination=callee.sip.address,
        from_uri="sip:alice@192.0.2.1",
        body=OFFER,
        now=world.now,
    )
    world.run_for(0.5)
    for _ in range(SECONDS):
        for node in (media, callee.media):
            node.stream.write(Tone(440).read(16_000))
        for ask in asks:
            world.network.send(Packet(ask, THERE, HERE), world.now)
        world.run_for(1.0)
    callee.hold()
    world.run_for(0.5)
    return callee, media


def test_a_call_is_taken_and_held_in_the_profile_it_was_offered_in() -> None:
    callee, media = call()
    answer, hold = callee.described
    for description in (answer, hold):
        assert b"m=audio 6000 RTP/AVPF 0 101\r\n" in description
        assert b"rtcp-fb" not in description
    assert callee.leg.negotiated is not None
    assert callee.leg.negotiated.direction == "inactive"
    assert sum(frame.level_dbov > -20 for frame in media.frames) >= 50 * SECONDS - 2


def test_feedback_is_counted_and_brings_no_report_forward() -> None:
    """Nor does ``trr-int``, "the minimum interval [...] between two Regular" reports (RFC 4585
    section 4.2)."""
    (silent, _), (asked, media) = call(), call(NACK, PICTURE_LOSS, NACK + PICTURE_LOSS)
    figures = asked.leg.stats()
    assert (figures["rtcp_received"], figures["rtcp_malformed"]) == (3 * SECONDS, 0)
    assert figures["bad_header"] == figures["packets_lost"] == 0
    assert sum(frame.level_dbov > -20 for frame in media.frames) >= 50 * SECONDS - 2
    assert asked.media.reports == silent.media.reports
    assert 3 <= len(asked.media.reports) <= SECONDS / 2.5
    assert all(isinstance(packets[0], SenderReport) for _, packets in asked.media.reports)
