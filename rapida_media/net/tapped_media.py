"""The media of a captured call: moved in Python, so that each packet can be written down.

Made by ``MediaShell.tap``; everything else about the call stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable

from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.net.media_port import MediaPort
from rapida_media.net.pcap import Endpoint

# What one tick reads at most, and the largest packet: as in the compiled path.
PACKETS_AT_ONCE = 64
PACKET_BYTES = 2048

# (now, sent, our port, the far end's address, packet)
Tap = Callable[[float, bool, int, Endpoint, bytes], None]


class TappedMedia:
    """Moves the packets of one leg between its socket and its stream, a tap in between."""

    def __init__(self, leg: RtpLeg, port: MediaPort, tap: Tap) -> None:
        self._leg = leg
        self._socket = port.rtp
        self._port = port.port
        self._tap = tap

    def tick(self, now: float) -> None:
        """Take what waits in the socket, hand it up, send what is due."""
        self.receive(now)
        stream = self._leg.stream
        for data, remote in stream.datagrams_to_send(now):
            try:
                self._socket.sendto(data, remote)
            except OSError:  # as in the compiled path: the next one may go through
                continue
            self._tap(now, True, self._port, remote, data)
        self._leg.pump(now)

    def receive(self, now: float) -> None:
        stream = self._leg.stream
        for _ in range(PACKETS_AT_ONCE):
            try:
                data, source = self._socket.recvfrom(PACKET_BYTES)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of an earlier send stands in the queue like a packet
                continue
            remote = (source[0].partition("%")[0], source[1])
            self._tap(now, False, self._port, remote, data)
            stream.receive_datagram(data, remote, now)
        timeout = stream.next_timeout()
        if timeout is not None and timeout <= now:
            stream.handle_timeout(now)
        self._leg.pump(now)
