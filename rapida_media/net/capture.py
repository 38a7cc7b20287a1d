"""Writes the SIP messages and the RTP packets of one call to a pcap file.

For finding faults: ``Engine.capture`` and ``rapida-media call --pcap`` start it. A captured call's
media goes through Python, packet by packet, which costs many times the ordinary path; so does
writing the file in the event loop. SIP over TCP or TLS is written as UDP, one packet a message and
in clear; nothing is redacted.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from rapida_media import clock
from rapida_media.errors import RapidaError
from rapida_media.net import pcap
from rapida_media.net.local_address import is_unspecified, local_address_towards
from rapida_media.net.media import MediaShell
from rapida_media.net.pcap import Endpoint
from rapida_media.net.sip_call import SipCall
from rapida_media.sip.address import DEFAULT_PORTS
from rapida_media.sip.trace import CallTrace, TracedMessage, Tracer

log = logging.getLogger(__name__)

LIMIT_BYTES = 256 * 1024 * 1024
MOST_AT_ONCE = 8
# How long after the end of a call its last messages are waited for.
LINGER_S = 5.0


class Capture:
    """One file.

    Raises OSError when it cannot be made. One that cannot be written any more, or is full, says
    so in ``error`` and takes nothing further.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._file = path.open("wb")
        self._file.write(pcap.HEADER)
        self._limit = limit_bytes
        self._room = limit_bytes - len(pcap.HEADER)
        self._epoch = clock.wall() - clock.monotonic()
        self._hosts: dict[str, str] = {}
        self.error: OSError | None = None

    def message(self, message: TracedMessage) -> None:
        """Write one SIP message."""
        local, remote = message.local, message.remote
        ours = ("", DEFAULT_PORTS[remote.transport]) if local is None else (local.host, local.port)
        self._write(message.at, message.sent, ours, (remote.host, remote.port), message.data)

    def packet(self, now: float, sent: bool, port: int, remote: Endpoint, packet: bytes) -> None:
        """Write one packet of the media. port: ours."""
        self._write(now, sent, ("", port), remote, packet)

    def _write(
        self, now: float, sent: bool, local: Endpoint, remote: Endpoint, payload: bytes
    ) -> None:
        if self._file.closed:
            return
        local = (self._our_host(local[0], remote[0]), local[1])
        ends = (local, remote) if sent else (remote, local)
        record = pcap.record(self._epoch + now, *ends, payload[: pcap.PAYLOAD_LIMIT])
        try:
            if len(record) > self._room:
                raise OSError(f"more than {self._limit} bytes")
            self._file.write(record)
            self._room -= len(record)
        except OSError as error:
            self.error = error
            self.close()

    def _our_host(self, bound: str, remote: str) -> str:
        """Give the address that packets to ``remote`` come from: a socket may be bound to all."""
        if bound and not is_unspecified(bound) and (":" in bound) == (":" in remote):
            return bound
        if remote not in self._hosts:
            try:
                self._hosts[remote] = local_address_towards(remote)
            except OSError:
                self._hosts[remote] = "::1" if ":" in remote else "127.0.0.1"
        return self._hosts[remote]

    def close(self) -> None:
        """Finish the file. Calling it again changes nothing."""
        try:
            self._file.close()
        except OSError as error:  # what was buffered
            self.error = self.error or error


class Captures:
    """The captures of an engine."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tracer: Tracer) -> None:
        self._loop = loop
        self._tracer = tracer
        self._running: dict[str, Capture] = {}

    def start(self, call: SipCall, path: Path, media: MediaShell) -> Capture:
        """Write a call to a file, beginning with the messages that are kept of it.

        RapidaError when that is being done already, or too often at once; OSError for the file.
        """
        key = call.call.id
        if key in self._running or len(self._running) >= MOST_AT_ONCE:
            raise RapidaError("the call is being captured already, or too many others are")
        trace = self._tracer.of(key)
        if trace is None:
            raise RapidaError("nothing is kept of this call any more")
        capture = self._running[key] = Capture(path)
        for message in trace.messages:
            capture.message(message)
        trace.tap = capture.message
        call.tap_media(media, capture.packet)
        call.finished.add_done_callback(
            lambda _: self._loop.call_later(LINGER_S, self._end, key, trace)
        )
        return capture

    def _end(self, key: str, trace: CallTrace) -> None:
        trace.tap = None
        if (capture := self._running.pop(key, None)) is not None:
            _close(capture)

    def close(self) -> None:
        """Finish all files."""
        for capture in self._running.values():
            _close(capture)
        self._running.clear()


def _close(capture: Capture) -> None:
    capture.close()
    if capture.error is not None:
        log.warning("not all was captured: %s", capture.error)
