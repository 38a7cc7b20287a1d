"""SRTP: what it costs to protect a packet of 20 ms of μ-law, and to take one that is.

The stream does both in C on the packet path. The rows are whole ticks of a stream, and such ticks
taken by another one, beside the same without SRTP: the difference is what encryption costs. The
last row is the same library, called from Python packet by packet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from bench.harness import Candidate, Row, Run, each
from bench.peers import module
from bench.tables import Table
from rapida_media.kernels import MediaStream
from rapida_media.rtp.srtp import AVAILABLE_SUITES, SrtpReceiver, SrtpSender
from rapida_media.sdp.crypto import SUITES

REMOTE = ("192.0.2.1", 4000)
PACKETS = 50


def rows() -> list[Row]:
    return [
        Row("send a packet", range(PACKETS), _candidates(_sending)),
        Row("send a packet and take it", range(PACKETS), _candidates(_sending_and_taking)),
        Row(
            "protect a packet, from Python",
            _packets(),
            [
                Candidate(f"pylibsrtp, {suite}", _from_python(suite))
                for suite in ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM")
            ],
        ),
    ]


def _candidates(make: Callable[[str | None], Run]) -> list[Candidate]:
    plain = Candidate("rapida-media, plain", lambda: make(None))
    return [plain, *(Candidate(f"rapida-media, {each}", _bound(make, each)) for each in SUITES
                     if each in AVAILABLE_SUITES)]  # fmt: skip


def _bound(make: Callable[[str | None], Run], suite: str) -> Callable[[], Run]:
    return lambda: make(suite)


def _key(suite: str) -> bytes:
    return bytes(range(SUITES[suite]))


def _sender(suite: str | None) -> MediaStream:
    """Give a stream that sends silence: encoded once and for all, so that no codec is timed."""
    stream = _stream()
    if suite is not None:
        stream.secure(sender=SrtpSender(suite, _key(suite)), receiver=None)
    stream.start(0.0)
    return stream


def _stream() -> MediaStream:
    stream = MediaStream(ssrc=7, sequence_number=0, timestamp=0)
    stream.configure(receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=REMOTE)
    return stream


def _sending(suite: str | None) -> Run:
    send, tick = _sender(suite).datagrams_to_send, count()
    return each(lambda _: send(next(tick) / 50))


def _sending_and_taking(suite: str | None) -> Run:
    send, tick, taker = _sender(suite).datagrams_to_send, count(), _stream()
    if suite is not None:
        taker.secure(sender=None, receiver=SrtpReceiver(suite, _key(suite)))
    take, hand_up = taker.receive_datagram, taker.next_frame

    def run(batch: Sequence[Any]) -> None:
        for _ in batch:
            now = next(tick) / 50
            for packet, _remote in send(now):
                take(packet, REMOTE, now)
            hand_up()

    return run


def _packets() -> list[bytes]:
    stream = _sender(None)
    return [stream.datagrams_to_send(n / 50)[0][0] for n in range(PACKETS)]


def _from_python(suite: str) -> Callable[[], Run]:
    def make() -> Run:
        pylibsrtp = module("pylibsrtp")
        profile = {
            "AES_CM_128_HMAC_SHA1_80": pylibsrtp.Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
            "AEAD_AES_128_GCM": pylibsrtp.Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
        }[suite]
        kind = pylibsrtp.Policy.SSRC_ANY_OUTBOUND
        policy = pylibsrtp.Policy(_key(suite), kind, srtp_profile=profile)
        policy.allow_repeat_tx = True
        return each(pylibsrtp.Session(policy).protect)

    return make


TABLE = Table("SRTP, packets of 20 ms of μ-law", rows)
