"""RTCP of all calls: one epoll set, one heap of deadlines, both visited by the media ticker.

A call costs an entry in each and no task or timer. ``MediaShell`` opens and closes entries and
calls ``visit`` with every tick.
"""

from __future__ import annotations

import heapq
import select
import socket
import struct
from dataclasses import dataclass

from rapida_media import clock
from rapida_media.legs.rtp_leg import RtpLeg
from rapida_media.net.media_port import MediaPort, plain_address, reachable_address
from rapida_media.stats import Counters

# What one call may have read in one visit, and all calls together: the rest waits for the next.
DATAGRAMS_AT_ONCE = 4
CALLS_AT_ONCE = 64
DATAGRAM_BYTES = 2048
CONTROL_BYTES = 64
# Linux: the kernel notes when it got a datagram, as seconds and nanoseconds. The round trip is
# measured from that, not from when we came to read it. The socket module does not name it.
SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@ll")
# Older than this no datagram waits; the system's clock was set.
WAITED_MAX_S = 1.0


@dataclass(slots=True, eq=False)
class RtcpEntry:
    """One call's RTCP. due: when the heap is to visit it next."""

    leg: RtpLeg
    port: MediaPort
    due: float = float("inf")


class RtcpShell:
    """Between the RTCP sessions of the legs and their sockets."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._epoll = select.epoll()
        self._entries: dict[int, RtcpEntry] = {}
        self._heap: list[tuple[float, int]] = []

    def open(self, leg: RtpLeg, port: MediaPort, now: float) -> None:
        fd = port.rtcp.fileno()
        if fd in self._entries:
            return
        entry = self._entries[fd] = RtcpEntry(leg, port)
        self._epoll.register(fd, select.EPOLLIN)
        port.rtcp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        leg.rtcp.start(now)
        self._schedule(fd, entry)

    def close(self, port: MediaPort, now: float) -> None:
        """Say goodbye, where anything was said; the sockets stay the caller's."""
        fd = port.rtcp.fileno()
        entry = self._entries.pop(fd, None)
        if entry is None:
            return
        self._epoll.unregister(fd)
        self._read(entry, now)
        entry.leg.rtcp.goodbye(now)
        self.flush(entry.leg, port)

    def shut_down(self) -> None:
        self._epoll.close()

    def visit(self, now: float) -> None:
        """Take what has arrived, send what is due."""
        for fd, _ in self._epoll.poll(0, CALLS_AT_ONCE):
            if (entry := self._entries.get(fd)) is not None:
                self._read(entry, now)
                self.flush(entry.leg, entry.port)
                self._schedule(fd, entry)
        heap = self._heap
        while heap and heap[0][0] <= now:
            due, fd = heapq.heappop(heap)
            entry = self._entries.get(fd)
            if entry is None or entry.due != due:
                continue  # closed, or brought forward
            entry.due = float("inf")
            entry.leg.rtcp.handle_timeout(now)
            self.flush(entry.leg, entry.port)
            self._schedule(fd, entry)

    def _schedule(self, fd: int, entry: RtcpEntry) -> None:
        due = entry.leg.rtcp.next_timeout()
        if due is not None and due < entry.due:
            entry.due = due
            heapq.heappush(self._heap, (due, fd))

    def _read(self, entry: RtcpEntry, now: float) -> None:
        for _ in range(DATAGRAMS_AT_ONCE):
            try:
                data, extra, _, address = entry.port.rtcp.recvmsg(DATAGRAM_BYTES, CONTROL_BYTES)
            except BlockingIOError:
                return
            except OSError:  # an ICMP error of what we sent before
                self.counters.add("rtcp_receive_errors")
                continue
            entry.leg.receive_rtcp(data, plain_address(address), now - _waited(extra))

    def flush(self, leg: RtpLeg, port: MediaPort) -> None:
        """Send what the leg's RTCP has ready."""
        used = port.rtp if leg.rtcp.path.muxed else port.rtcp
        for data, destination in leg.rtcp_to_send():
            try:
                used.sendto(data, reachable_address(used, destination))
            except OSError:
                self.counters.add("rtcp_send_errors")


def _waited(extra: list[tuple[int, int, bytes]]) -> float:
    """Give how many seconds a datagram waited in its socket, 0 where the kernel does not say."""
    for level, kind, content in extra:
        if (level, kind, len(content)) == (socket.SOL_SOCKET, SO_TIMESTAMPNS, _TIMESPEC.size):
            seconds, nanoseconds = _TIMESPEC.unpack(content)
            waited = clock.wall() - seconds - 1e-9 * nanoseconds
            return waited if 0 < waited < WAITED_MAX_S else 0.0
    return 0.0
