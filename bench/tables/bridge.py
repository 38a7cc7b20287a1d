"""One packet of 20 ms through a bridge, from socket to socket on loopback.

Passed through, the payload is copied by the poller's loop and Python is not entered; transcoded, it
is decoded, resampled, carried over the bus as a frame of Python, resampled and encoded again. The
far end's own sendto is part of every time, and a row of its own.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any
from weakref import finalize

from bench.harness import Candidate, Row, Run
from bench.material import items
from bench.tables import Table
from rapida_media.kernels import MediaPoller, MediaStream, ulaw_encode
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.media.frame import Audio
from rapida_media.rtp.session import RtcpSession
from rapida_media.sdp.codec import Codec
from rapida_media.sdp.offer_answer import NegotiatedAudio
from rapida_media.testing.clock import SeededIds

PCMU, PCMA = Codec("PCMU", 8000, 1, 0), Codec("PCMA", 8000, 1, 8)
PACKET_S, PACKET_UNITS = 0.02, 160


class Legs:
    """Two legs on one poller, and their far ends: one speaks, nobody reads what the other gets."""

    def __init__(self, codec: Codec) -> None:
        self.poller = MediaPoller()
        self.speaker, self.listener = _socket(), _socket()
        self._sockets = _socket(), _socket()
        finalize(self, _close, self.poller, self.speaker, self.listener, *self._sockets)
        self.source = _leg(PCMU, 1, self.speaker)
        self.sink = _leg(codec, 2, self.listener)
        self.by_slot = {
            self.poller.add(each.fileno(), leg.stream): leg
            for each, leg in zip(self._sockets, (self.source, self.sink), strict=True)
        }
        self.speaker.connect(self._sockets[0].getsockname())
        self.number = 0

    def say(self, payload: bytes) -> float:
        """Let the far end send the next packet; gives when."""
        number = self.number
        self.number += 1
        timestamp = number * PACKET_UNITS % 2**32
        self.speaker.send(struct.pack("!BBHII", 0x80, 0, number % 65536, timestamp, 7) + payload)
        return number * PACKET_S

    def pump(self, slots: list[int], now: float) -> None:
        for slot in slots:
            self.by_slot[slot].pump(now)


def bridged(codec: Codec, *, recorded: bool = False) -> Callable[[], Run]:
    """Make a Run that takes a payload on one leg and has the other leg send it."""

    def make() -> Run:
        legs = Legs(codec)
        source, sink = legs.source, legs.sink
        if not source.relay_to(sink, _ignore):
            source.received.subscribe(lambda frame: sink.write(frame.pcm))
        if recorded:
            source.received.subscribe(_drop)
            sink.sent.subscribe(_drop)

        def run(batch: Sequence[Any]) -> None:
            for payload in batch:
                now = legs.say(payload)
                legs.pump(legs.poller.receive(now), now)
                legs.pump(legs.poller.tick(now), now)

        return run

    return make


def sent_only() -> Run:
    legs = Legs(PCMU)
    legs.poller.close()

    def run(batch: Sequence[Any]) -> None:
        for payload in batch:
            legs.say(payload)

    return run


def _socket() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind(("127.0.0.1", 0))
    return made


def _close(*opened: Any) -> None:
    for each in opened:
        each.close()


def _leg(codec: Codec, ssrc: int, far_end: socket.socket) -> RtpLeg:
    stream = MediaStream(ssrc=ssrc, sequence_number=0, timestamp=0)
    made = RtpLeg(stream, RtcpSession(stream, SeededIds(ssrc), 0.0))
    host, port = far_end.getsockname()
    made.configure(
        NegotiatedAudio(
            remote_address=host,
            remote_port=port,
            remote_rtcp=None,
            send=codec,
            receive=(codec,),
            send_event=None,
            receive_events={},
            # What the first leg would say to the speaker is not part of the job.
            direction="recvonly" if ssrc == 1 else "sendrecv",
            ptime_ms=20,
        )
    )
    made.start(0.0)
    return made


def _ignore() -> None:
    """The codec does not change here."""


def _drop(frame: Audio) -> None:
    """A recorder without its file."""


def rows() -> list[Row]:
    payloads = [ulaw_encode(frame) for frame in items(8000, "20 ms")]
    return [
        Row(
            "a packet of 20 ms from socket to socket",
            payloads,
            [
                Candidate("rapida-media", bridged(PCMU)),
                Candidate(
                    "rapida-media, passed through and recorded", bridged(PCMU, recorded=True)
                ),
                Candidate("rapida-media, transcoded PCMU to PCMA", bridged(PCMA)),
                Candidate("rapida-media, transcoded and recorded", bridged(PCMA, recorded=True)),
                Candidate("the far end's sendto alone", sent_only),
            ],
        )
    ]


TABLE = Table("A bridge, packet by packet", rows)
