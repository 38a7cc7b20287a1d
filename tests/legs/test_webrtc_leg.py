"""The WebRTC leg without a network: what counts before the keys, where media goes after them."""

from __future__ import annotations

import pytest

from rapida_media.kernels import MediaStream, format_rtp
from rapida_media.legs.webrtc_leg import WebRtcLeg
from rapida_media.rtp.ice import IceLite
from rapida_media.rtp.rtcp import ReceiverReport, format_rtcp
from rapida_media.rtp.session import RtcpSession
from rapida_media.rtp.srtp import SrtpReceiver, SrtpSender
from rapida_media.rtp.stun import BINDING_REQUEST, USE_CANDIDATE, USERNAME, format_stun, parse_stun
from rapida_media.sdp.codec import Codec
from rapida_media.sdp.crypto import Crypto, SrtpKeys
from rapida_media.sdp.offer_answer import NegotiatedAudio
from rapida_media.testing.clock import SeededIds

HOME, AWAY = ("192.0.2.1", 40000), ("192.0.2.9", 50000)
SUITE = "AES_CM_128_HMAC_SHA1_80"
OURS, THEIRS = bytes(range(30)), bytes(range(30, 60))
PCMU = Codec("PCMU", 8000, 1, 0)
AUDIO = NegotiatedAudio(
    "0.0.0.0", 9, None, PCMU, (PCMU,), None, {}, "sendrecv", 20, rtcp_mux=True
)  # fmt: skip
KEYS = SrtpKeys(SUITE, OURS, Crypto(1, SUITE, THEIRS))
HELLO = bytes([22, 254, 255]) + bytes(40)


class World:
    """sent: (datagram, destination) of checks and DTLS.  dtls: what the handshake was given."""

    def __init__(self) -> None:
        stream = MediaStream(ssrc=1, sequence_number=1, timestamp=0, multiplexed=True)
        self.ice = IceLite(SeededIds(1))
        self.ice.expect("them")
        self.leg = WebRtcLeg(stream, RtcpSession(stream, SeededIds(2), 0.0), self.ice)
        self.sent: list[tuple[bytes, tuple[str, int]]] = []
        self.dtls: list[bytes] = []
        self.leg.carry(lambda data, to: self.sent.append((data, to)), self.dtls.append)
        self.now = 1.0

    def deliver(self, data: bytes, source: tuple[str, int] = HOME) -> None:
        self.leg.stream.receive_datagram(data, source, self.now)
        self.leg.pump(self.now)

    def check(self, source: tuple[str, int] = HOME, *, nominating: bool = True) -> None:
        attributes = [(USERNAME, f"{self.ice.ufrag}:them".encode())]
        attributes += [(USE_CANDIDATE, b"")] if nominating else []
        password = self.ice.password.encode()
        self.deliver(format_stun(BINDING_REQUEST, bytes(12), attributes, password), source)

    def media_goes_to(self) -> set[tuple[str, int]]:
        self.now += 0.1
        return {to for _, to in self.leg.stream.datagrams_to_send(self.now)}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def talking(world: World) -> World:
    world.check()
    world.leg.secure(AUDIO, KEYS)
    world.leg.start(world.now)
    return world


def packet(number: int) -> bytes:
    return format_rtp(
        payload_type=0, marker=False, sequence_number=number, timestamp=160 * number, ssrc=7,
        payload=bytes([0x55]) * 160,
    )  # fmt: skip


def protected(sender: MediaStream) -> list[bytes]:
    return [data for data, _ in sender.datagrams_to_send(1.2)]


def far_end() -> MediaStream:
    """A stream that sends under their key."""
    stream = MediaStream(ssrc=7, sequence_number=9, timestamp=0)
    stream.configure(
        receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=("192.0.2.2", 4)
    )
    stream.secure(sender=SrtpSender(SUITE, THEIRS), receiver=SrtpReceiver(SUITE, OURS))
    stream.start(1.0)
    return stream


def test_a_check_is_answered_where_it_came_from(world: World) -> None:
    world.check(AWAY)
    ((answer, destination),) = world.sent
    assert parse_stun(answer) is not None
    assert destination == AWAY


def test_dtls_is_taken_from_where_a_check_came_from_and_from_nowhere_else(world: World) -> None:
    world.leg.send_dtls(b"lost")
    world.deliver(HELLO)
    assert (world.dtls, world.sent) == ([], [])
    world.check()
    world.deliver(HELLO, AWAY)
    assert world.dtls == []
    world.deliver(HELLO)
    assert world.dtls == [HELLO]
    world.leg.send_dtls(b"hello back")
    assert world.sent[-1] == (b"hello back", HOME)


def test_before_the_keys_neither_rtp_nor_rtcp_counts(world: World) -> None:
    world.check()
    for number in range(5):
        world.deliver(packet(number))
    world.deliver(format_rtcp([ReceiverReport(7)]))
    stats = world.leg.stats()
    assert (stats["packets_received"], stats["rtcp_received"], stats["packets_sent"]) == (0, 0, 0)
    assert world.leg.first_media_at is None


def test_with_the_keys_audio_is_taken_and_what_is_in_clear_is_not(talking: World) -> None:
    for number in range(5):
        talking.deliver(packet(number))
    assert talking.leg.stats()["packets_received"] == 0
    for data in protected(far_end()):
        talking.deliver(data)
    stats = talking.leg.stats()
    assert stats["packets_received"] == 11
    assert (stats["srtp"], stats["srtp_failures"]) == (SUITE, 5)


def test_media_follows_the_address_that_ice_selects(talking: World) -> None:
    assert talking.media_goes_to() == {HOME}
    talking.check(AWAY, nominating=False)
    assert talking.media_goes_to() == {HOME}
    talking.check(AWAY)
    assert talking.media_goes_to() == {AWAY}
    talking.check(AWAY)
    assert talking.leg.stats()["srtp"] == SUITE


def test_nobody_is_told_anything_after_the_end(talking: World) -> None:
    talking.leg.release()
    talking.sent.clear()
    talking.check()
    talking.deliver(HELLO)
    talking.leg.send_dtls(b"bye")
    assert (talking.sent, talking.dtls) == ([], [])
