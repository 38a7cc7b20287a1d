"""The RTP leg: joins one compiled ``MediaStream`` (packets, codecs, playout) to the bus.

The shell owns the socket: it feeds the stream through a ``MediaPoller`` and calls ``pump``
whenever the poller says that the stream has something to hand up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.kernels import MediaStream
from rapida_media.legs.base import Stats
from rapida_media.media.bus import Bus
from rapida_media.media.frame import RATE_HZ
from rapida_media.rtp.path import Address
from rapida_media.rtp.quality import QualityMeter, voip_metrics
from rapida_media.rtp.session import RtcpSession, no_metrics
from rapida_media.rtp.srtp import WINDOW, SrtpReceiver, SrtpSender
from rapida_media.rtp.watch import MediaWatch
from rapida_media.rtp.xr import VoipMetrics
from rapida_media.sdp.crypto import SrtpKeys
from rapida_media.sdp.offer_answer import NegotiatedAudio

# RFC 4733 section 3.2, table 3: the events that are keys, and ! for the hook flash.
DIGITS = frozenset("0123456789*#ABCD!")
UNSPECIFIED = ("0.0.0.0", "::")  # noqa: S104 — nothing is bound to them


class RtpLeg:
    """A ``Leg`` over RTP (RFC 3550). rtcp: the reports on the same stream."""

    _on_digit: Callable[[str, int], None]
    _on_mark: Callable[[int, bool], None]

    def __init__(self, stream: MediaStream, rtcp: RtcpSession) -> None:
        self.received = Bus(wanted=stream.listen)
        self.sent = Bus(wanted=stream.observe_sent)
        self.stream = stream
        self.rtcp = rtcp
        self._quality = QualityMeter()
        self._watch = MediaWatch()
        self.negotiated: NegotiatedAudio | None = None
        # For RTCP, too; None while media is plain.
        self.srtp_sender: SrtpSender | None = None
        self.srtp_receiver: SrtpReceiver | None = None
        self._keys: SrtpKeys | None = None
        self.first_media_at: float | None = None
        self._started_at: float | None = None
        self._now = 0.0
        self._relay_lost: Callable[[], None] | None = None
        self.disconnect()
        rtcp.metrics = self._voip_metrics

    def connect(self, digit: Callable[[str, int], None], mark: Callable[[int, bool], None]) -> None:
        self._on_digit = digit
        self._on_mark = mark

    def disconnect(self) -> None:
        self._on_digit = _ignore_digit
        self._on_mark = _ignore_mark
        self.rtcp.metrics = no_metrics

    def configure(self, audio: NegotiatedAudio) -> None:
        """Take over what offer and answer agreed; again after a re-INVITE."""
        self.negotiated = audio
        self._quality.codec = audio.receive[0].name
        self._secure(audio.srtp)
        unspecified = audio.remote_address in UNSPECIFIED
        self.stream.configure(
            receive={codec.payload_type: codec.name for codec in audio.receive},
            send_payload_type=audio.send.payload_type,
            send_encoding=audio.send.name,
            receive_events=audio.receive_events,
            send_event=audio.send_event,
            receive_noise=audio.receive_noise,
            send_noise=audio.send_noise,
            # A legacy hold names 0.0.0.0 as the place to send to (RFC 3264 section 8.4). Every
            # other place is kept through a hold, and with it where a far end behind a NAT is.
            remote=None if unspecified else (audio.remote_address, audio.remote_port),
            sending=audio.sending,
            receiving=audio.receiving,
            packet_ms=audio.packet_ms,
            rtcp_mux=audio.rtcp_mux,
        )
        self.rtcp.path.signal(None if unspecified else audio.remote_rtcp, audio.rtcp_mux)

    def close_stream(self) -> None:
        """Send and take nothing any more, reports included, until ``configure`` says otherwise."""
        if self.negotiated is not None:
            nowhere = replace(self.negotiated, remote_rtcp=None, rtcp_mux=False)
            self.configure(replace(nowhere, direction="inactive"))

    def _secure(self, keys: SrtpKeys | None) -> None:
        """Use these keys from now on. A direction whose key is the old one goes on where it was:
        its roll-over counter is part of what both sides know (RFC 3711 section 3.3.1)."""
        if keys == self._keys:
            return
        before, self._keys = self._keys, keys
        if keys is None:
            self.srtp_sender = self.srtp_receiver = None
        else:
            if before is None or (before.suite, before.send_key) != (keys.suite, keys.send_key):
                self.srtp_sender = SrtpSender(keys.suite, keys.send_key)
            if before is None or before.receive.source != keys.receive.source:
                theirs = keys.receive
                self.srtp_receiver = SrtpReceiver(
                    theirs.suite, theirs.key, theirs.mki, theirs.window or WINDOW
                )
        self.stream.secure(sender=self.srtp_sender, receiver=self.srtp_receiver)

    def start(self, now: float) -> None:
        """Anchor the 20 ms schedule of the egress."""
        if self._started_at is None:
            self._started_at = self._now = now
            self.stream.start(now)

    def pump(self, now: float) -> None:
        """Hand up all the stream has: frames, digits, marks and, when asked for, sent frames."""
        self._now = now
        stream = self.stream
        if self._relay_lost is not None and not stream.relaying:
            lost, self._relay_lost = self._relay_lost, None
            lost()
        while (frame := stream.next_frame()) is not None:
            if self.first_media_at is None:
                self.first_media_at = now
            self.received.publish(frame)
        if not stream.has_news:
            return
        while (digit := stream.next_digit()) is not None:
            self._on_digit(digit[0], digit[1])
        while (mark := stream.next_mark()) is not None:
            self._on_mark(*mark)
        while (frame := stream.next_sent_frame()) is not None:
            self.sent.publish(frame)
        while (report := stream.next_rtcp()) is not None:
            self.receive_rtcp(*report)
        if stream.take_collision():
            self.rtcp.collide(now)

    def receive_rtcp(self, data: bytes, source: Address, now: float) -> None:
        """Take an RTCP datagram from the network."""
        if self.srtp_receiver is not None:
            try:
                data = self.srtp_receiver.unprotect_rtcp(data)
            except RemoteProtocolError:
                self.rtcp.counters.unauthentic += 1
                return
        self.rtcp.receive(data, source, now)

    def rtcp_to_send(self) -> list[tuple[bytes, Address]]:
        """Give the RTCP datagrams to send, and where to."""
        datagrams = self.rtcp.datagrams_to_send()
        if self.srtp_sender is None or not datagrams:
            return datagrams
        return [(self.srtp_sender.protect_rtcp(data), to) for data, to in datagrams]

    def relay_to(self, other: RtpLeg, lost: Callable[[], None]) -> bool:
        """Let the far end's payloads pass to another leg as they are, if that sends the same codec.

        lost: called when the far end changes its codec; from then on there are frames again.
        """
        if self.negotiated is None or other.negotiated is None:
            return False
        if self.negotiated.send.name != other.negotiated.send.name:
            return False
        self.stream.relay_to(other.stream)
        self._relay_lost = lost
        return True

    def stop_relay(self) -> None:
        self._relay_lost = None
        self.stream.relay_to(None)

    @property
    def elapsed_samples(self) -> int:
        if self._started_at is None:
            return 0
        return round((self._now - self._started_at) * RATE_HZ)

    def write(self, pcm: bytes) -> int:
        return self.stream.write(pcm)

    def clear(self) -> int:
        return self.stream.clear()

    def mark(self, mark_id: int) -> None:
        self.stream.mark(mark_id)

    @property
    def takes_digits(self) -> bool:
        return self.negotiated is not None and self.negotiated.send_event is not None

    def send_digits(self, digits: str) -> None:
        """Queue RFC 4733 events; LocalProtocolError when the far end did not negotiate them."""
        if not self.takes_digits:
            raise LocalProtocolError("the far end does not take telephone-event (RFC 4733)")
        if strange := set(digits) - DIGITS:
            raise LocalProtocolError(f"not a DTMF digit: {''.join(sorted(strange))!r}")
        self.stream.send_digits(digits)

    @property
    def queued_ms(self) -> int:
        return self.stream.queued_ms

    def look(self, now: float, *, expecting: bool) -> list[tuple[str, float]]:
        """Once a second: give what is newly wrong with the media, and for how many seconds.

        expecting: both sides should be heard. See ``rtp.watch``.
        """
        figures = self._figures()
        self._quality.look(figures, now)
        if not expecting:
            self._watch.rest()
            return []
        view = self.rtcp.remote
        return self._watch.look(figures, 0 if view is None else view.highest, now)

    def _figures(self) -> dict[str, int | float | None]:
        return {**self.stream.statistics(), **self.rtcp.statistics()}

    def _voip_metrics(self, ssrc: int) -> VoipMetrics | None:
        figures = self._figures()
        return voip_metrics(ssrc, figures, self._quality.assess(figures))

    def stats(self) -> Stats:
        figures = self._figures()
        stats: Stats = {**figures, **self._quality.assess(figures)}
        stats["codec"] = self.negotiated.send.name if self.negotiated else None
        stats["srtp"] = self._keys.suite if self._keys else None
        return stats


def _ignore_digit(digit: str, duration_ms: int) -> None:
    """Nobody is connected."""


def _ignore_mark(mark_id: int, played: bool) -> None:
    """Nobody is connected."""
