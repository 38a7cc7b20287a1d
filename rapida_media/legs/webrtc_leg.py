"""The WebRTC leg: an RTP leg whose port also takes checks (ICE) and a handshake (DTLS).

    until a check came        nothing is known of the far end, and nothing is sent
    until ``secure``          checks are answered and DTLS passes; RTP and RTCP count for nothing
    from then on              SRTP as on any other leg, to the address that ICE has selected

The shell owns the socket and the handshake; the compiled stream tells RTP from the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rapida_media.kernels import MediaStream
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.rtp.ice import IceLite
from rapida_media.rtp.path import Address
from rapida_media.rtp.session import RtcpSession
from rapida_media.sdp.crypto import SrtpKeys
from rapida_media.sdp.offer_answer import NegotiatedAudio

# RFC 7983 section 7: where DTLS begins among the first octets.
_FIRST_DTLS = 20


class WebRtcLeg(RtpLeg):
    """stream: a multiplexed one. ice: answers the checks on its port."""

    def __init__(self, stream: MediaStream, rtcp: RtcpSession, ice: IceLite) -> None:
        super().__init__(stream, rtcp)
        self.ice = ice
        self._send: Callable[[bytes, Address], None]
        self._receive_dtls: Callable[[bytes], None]
        self.release()

    def carry(
        self, send: Callable[[bytes, Address], None], receive_dtls: Callable[[bytes], None]
    ) -> None:
        """Name who sends datagrams beside the media, and who takes those of DTLS."""
        self._send, self._receive_dtls = send, receive_dtls

    def send_dtls(self, data: bytes) -> None:
        """Send a datagram of the handshake; lost, as on a network, before a check came."""
        if self.ice.selected is not None:
            self._send(data, self.ice.selected)

    def secure(self, audio: NegotiatedAudio, keys: SrtpKeys) -> None:
        """The handshake is done: let audio flow as it was agreed, under its keys."""
        self._follow(replace(audio, srtp=keys))

    def _follow(self, audio: NegotiatedAudio) -> None:
        """Send to where ICE says."""
        assert self.ice.selected is not None, "DTLS passes behind a check only"
        host, port = self.ice.selected
        self.configure(
            replace(audio, remote_address=host, remote_port=port, remote_rtcp=(host, port))
        )

    def pump(self, now: float) -> None:
        super().pump(now)
        while (datagram := self.stream.next_datagram()) is not None:
            self._receive(*datagram)

    def _receive(self, data: bytes, source: Address, arrival: float) -> None:
        if data[0] >= _FIRST_DTLS:
            if self.ice.knows(source):
                self._receive_dtls(data)
            return
        before = self.ice.selected
        answer = self.ice.receive(data, source, arrival)
        if answer is not None:
            self._send(answer, source)
        if self.negotiated is not None and self.ice.selected != before:
            self._follow(self.negotiated)

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        if self.negotiated is not None:  # before, it is under no key
            super().receive_rtcp(data, source, now)

    def release(self) -> None:
        """Nobody carries anything any more."""
        self._send, self._receive_dtls = _send_nothing, _ignore_dtls


def _send_nothing(data: bytes, destination: Address) -> None:
    """Nobody carries it yet."""


def _ignore_dtls(data: bytes) -> None:
    """Nobody takes it."""
