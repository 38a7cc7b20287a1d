"""The media shell: one poller for all RTP sockets, one ticker for both directions.

Every tick takes the packets that wait in all sockets, lets the agents they wake run, then sends
what is due. Waking for each packet instead would cost several times the work on a packet itself.
Packets are handled in compiled code without the GIL; Python is entered only for legs that have
something to hand up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from rapida_media import clock
from rapida_media.ids import IdSource
from rapida_media.kernels import MediaPoller, MediaStream
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.legs.webrtc_leg import WebRtcLeg
from rapida_media.net.media_port import MediaPort, MediaPorts
from rapida_media.net.rtcp import RtcpShell
from rapida_media.net.tapped_media import Tap, TappedMedia
from rapida_media.net.ticker import Ticker
from rapida_media.rtp.ice import IceLite
from rapida_media.rtp.session import NTP_EPOCH, RtcpSession

# Streams send every 20 ms, each in its own phase; the ticker visits the phases in turn. A packet
# waits for half a tick on average.
TICK_S = 0.005


class MediaChannel:
    """A leg with its sockets, between ``MediaShell.open`` and ``MediaShell.close``."""

    __slots__ = ("leg", "port", "slot", "started", "tapped")

    def __init__(self, leg: RtpLeg, port: MediaPort) -> None:
        self.leg = leg
        self.port = port
        self.slot: int | None = None
        self.started = False
        self.tapped: TappedMedia | None = None


class MediaShell:
    """Owns the RTP sockets, the poller and the ticker."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        ports: MediaPorts,
        ids: IdSource,
        gap_wait_ms: float,
        jitter: str = "immediate",
        *,
        rtcp_mux: bool = False,
        comfort_noise: bool = False,
    ) -> None:
        self.rtcp_mux = rtcp_mux  # whether to offer it
        self.comfort_noise = comfort_noise  # whether to offer and to take it
        self.ports = ports
        self.ticker = Ticker(loop, TICK_S, self._tick)
        self._loop = loop
        self._ids = ids
        self._gap_wait_ms = gap_wait_ms
        self._jitter = jitter
        self._poller = MediaPoller()
        self._channels: dict[int, MediaChannel] = {}
        self.rtcp = RtcpShell()
        self._shut = False
        self._paced: dict[Callable[[float], None], None] = {}

    def open(
        self, *, ipv6: bool = False, jitter: str | None = None, ice: IceLite | None = None
    ) -> MediaChannel | None:
        """Make a leg on a fresh port pair of an IP family; None when no pair is free.

        jitter: in place of the policy of all calls. ice: makes it a ``WebRtcLeg``, whose RTP port
        answers for it.

        First sequence number, timestamp and SSRC are random (RFC 3550 section 5.1). The first
        sequence number stays below 2**15 so that SRTP's roll-over starts well (RFC 3711 §3.3.1).
        """
        port = self.ports.open(ipv6=ipv6)
        if port is None:
            return None
        stream = MediaStream(
            ssrc=self._ids.number(32),
            sequence_number=self._ids.number(15),
            timestamp=self._ids.number(32),
            gap_wait_ms=self._gap_wait_ms,
            jitter=jitter or self._jitter,
            multiplexed=ice is not None,
        )
        # Taken per call: the wall clock may have been set since the one before.
        ntp_offset = clock.wall() + NTP_EPOCH - clock.monotonic()
        rtcp = RtcpSession(stream, self._ids, ntp_offset)
        leg = RtpLeg(stream, rtcp) if ice is None else WebRtcLeg(stream, rtcp, ice)
        return MediaChannel(leg, port)

    def start(self, channel: MediaChannel, now: float) -> None:
        """Let media flow: the leg must be configured. Starting again changes nothing."""
        if channel.started:
            return
        channel.started = True
        channel.leg.start(now)
        self.rtcp.open(channel.leg, channel.port, now)
        if channel.tapped is not None:
            self.pace(channel.tapped.tick)
        else:
            self.listen(channel)

    def listen(self, channel: MediaChannel) -> None:
        """Take what arrives, which may be before ``start``. Again: nothing changes."""
        if channel.slot is not None:
            return
        channel.slot = self._poller.add(channel.port.rtp.fileno(), channel.leg.stream)
        self._channels[channel.slot] = channel
        self.ticker.start()

    def tap(self, channel: MediaChannel, tap: Tap) -> None:
        """Have ``tap`` see every packet from now on, at many times the cost of a packet."""
        channel.tapped = TappedMedia(channel.leg, channel.port, tap)
        if channel.slot is not None:
            self._stop_polling(channel)
            self.pace(channel.tapped.tick)

    def close(self, channel: MediaChannel) -> None:
        """Stop the media and give the port pair back."""
        if channel.slot is not None:
            # What arrived since the last tick was said before the end.
            self._receive(clock.monotonic())
            self._stop_polling(channel)
        if channel.tapped is not None and channel.tapped.tick in self._paced:
            channel.tapped.receive(clock.monotonic())
            self.unpace(channel.tapped.tick)
        self.rtcp.close(channel.port, clock.monotonic())
        self.ports.close(channel.port)
        self._stop_if_idle()

    def _stop_polling(self, channel: MediaChannel) -> None:
        assert channel.slot is not None, "only a started channel is polled"
        self._poller.remove(channel.slot)
        del self._channels[channel.slot]
        channel.slot = None

    def pace(self, tick: Callable[[float], None]) -> None:
        """Call ``tick(now)`` with every tick, for a leg whose media needs no port of ours."""
        self._paced[tick] = None
        self.ticker.start()

    def unpace(self, tick: Callable[[float], None]) -> None:
        self._paced.pop(tick, None)
        self._stop_if_idle()

    def _stop_if_idle(self) -> None:
        if not self._channels and not self._paced:
            self.ticker.stop()

    def shut_down(self) -> None:
        self.ticker.stop()
        self._shut = True
        self._poller.close()
        self.rtcp.shut_down()

    def _tick(self, now: float) -> None:
        self._receive(now)
        # Behind the agents that these packets wake, so that their answers leave with this tick.
        self._loop.call_soon(self._send)

    def _receive(self, now: float) -> None:
        self._pump(self._poller.receive(now), now)

    def _send(self) -> None:
        if self._shut:  # between the two halves of a tick
            return
        now = clock.monotonic()
        self._pump(self._poller.tick(now), now)
        self.rtcp.visit(now)
        for tick in tuple(self._paced):
            tick(now)

    def _pump(self, slots: list[int], now: float) -> None:
        for slot in slots:
            # An agent callback of an earlier leg in this list may have closed this one.
            channel = self._channels.get(slot)
            if channel is not None:
                channel.leg.pump(now)
                if channel.leg.rtcp.has_datagrams:
                    self.rtcp.flush(channel.leg, channel.port)
