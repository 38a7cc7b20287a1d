"""Media streams as Twilio opens them, many at once, from one process: connect, speak, listen.

Called by `twilio.py`. RFC 6455 by hand, over plain sockets: a general client would cost more than
the engine that is measured. Frames are masked with a key of zeros, which changes no octet; a
message of the engine is never fragmented, and one that is ends the stream as a failure.
"""

from __future__ import annotations

import base64
import json
import secrets
import select
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CHUNK = 160  # octets of μ-law: 20 ms
CHUNK_S = 0.02
MARKED_EVERY = 50  # one chunk a second can be told from silence
SILENCE = base64.b64encode(b"\xff" * CHUNK).decode()
LOUD = base64.b64encode(bytes([0x90, 0x10] * (CHUNK // 2))).decode()
HANDSHAKE_S = 5.0


@dataclass(eq=False, slots=True)
class Stream:
    """One stream. gaps_s: between messages with audio; trips_s: until a loud chunk came back."""

    socket: socket.socket
    stream_id: str
    due: float = 0.0
    chunk: int = 0
    sent: int = 0
    heard: int = 0
    heard_at: float = 0.0
    loud_at: float = 0.0
    lost: bool = False
    rest: bytes = b""
    gaps_s: list[float] = field(default_factory=list)
    trips_s: list[float] = field(default_factory=list)


def text_frame(text: str) -> bytes:
    """One unfragmented text message of a client (RFC 6455 section 5.2)."""
    body = text.encode()
    length = (
        bytes([0x80 | len(body)])
        if len(body) < 126
        else bytes([0x80 | 126]) + len(body).to_bytes(2, "big")
    )
    return b"\x81" + length + bytes(4) + body


def open_stream(url: str, headers: dict[str, str]) -> socket.socket:
    """Connect and upgrade. RuntimeError when the answer is not 101."""
    parts = urlsplit(url)
    opened = socket.create_connection((parts.hostname, parts.port or 80), HANDSHAKE_S)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    lines = {
        "Host": parts.netloc,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        "Sec-WebSocket-Version": "13",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    opened.sendall(f"GET {parts.path} HTTP/1.1\r\n{head}\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        if not (read := opened.recv(4096)):
            break
        answer += read
    if not answer.startswith(b"HTTP/1.1 101 "):
        opened.close()
        raise RuntimeError(f"the upgrade was answered {answer.splitlines()[:1]}")
    opened.setblocking(False)
    return opened


def begin(stream: Stream, call_id: str, account: str, parameters: dict[str, str]) -> None:
    """Send the first two messages."""
    start = {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": stream.stream_id,
        "start": {
            "streamSid": stream.stream_id,
            "accountSid": account,
            "callSid": call_id,
            "tracks": ["inbound"],
            "customParameters": parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        },
    }
    connected = {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    stream.socket.sendall(text_frame(json.dumps(connected)) + text_frame(json.dumps(start)))


class Streams:
    """All of them, each in a phase of its own. late_s: how late chunks left."""

    def __init__(self, streams: list[Stream]) -> None:
        self._streams = streams
        self._by_descriptor = {stream.socket.fileno(): stream for stream in streams}
        self._poll = select.epoll()
        for descriptor in self._by_descriptor:
            self._poll.register(descriptor, select.EPOLLIN)
        self.late_s: list[float] = []
        now = time.monotonic() + CHUNK_S
        for index, stream in enumerate(streams):
            stream.due = now + index * CHUNK_S / len(streams)

    def run(self, seconds: float) -> None:
        """Speak and listen for so long."""
        end = time.monotonic() + seconds
        turn = sorted(self._streams, key=lambda stream: stream.due)
        index = 0
        while (now := time.monotonic()) < end:
            while (stream := turn[index]).due <= now:
                self._speak(stream, now)
                index = (index + 1) % len(turn)
            for descriptor, _ in self._poll.poll(max(0.0, turn[index].due - time.monotonic())):
                self._listen(self._by_descriptor[descriptor])

    def forget(self) -> None:
        """Begin to count."""
        self.late_s.clear()
        for stream in self._streams:
            stream.sent = stream.heard = 0
            stream.heard_at = stream.loud_at = 0.0
            stream.gaps_s.clear()
            stream.trips_s.clear()

    def close(self) -> None:
        self._poll.close()
        for stream in self._streams:
            stream.socket.close()

    def _speak(self, stream: Stream, now: float) -> None:
        self.late_s.append(now - stream.due)
        stream.due += CHUNK_S
        stream.chunk += 1
        loud = stream.chunk % MARKED_EVERY == 0
        message = (
            f'{{"event":"media","sequenceNumber":"{stream.chunk + 1}","media":{{"track":"inbound",'
            f'"chunk":"{stream.chunk}","timestamp":"{(stream.chunk - 1) * 20}","payload":"'
            f'{LOUD if loud else SILENCE}"}},"streamSid":"{stream.stream_id}"}}'
        )
        try:
            stream.socket.send(text_frame(message))
        except OSError:
            stream.lost = True
            return
        stream.sent += 1
        if loud and not stream.loud_at:
            stream.loud_at = now

    def _listen(self, stream: Stream) -> None:
        try:
            read = stream.socket.recv(65536)
        except OSError:
            read = b""
        if not read:
            stream.lost = True
            self._poll.unregister(stream.socket.fileno())
            return
        now = time.monotonic()
        data, begins = stream.rest + read, 0
        while (body := _body(data, begins)) is not None:
            if data[begins] == 0x81 and b'"media"' in data[body.start : body.stop]:
                self._hear(stream, data[body], now)
            begins = body.stop
        stream.rest = data[begins:]

    def _hear(self, stream: Stream, message: bytes, now: float) -> None:
        payload = message.partition(b'"payload"')[2].partition(b":")[2].split(b'"', 2)[1]
        stream.heard += len(payload) // 4 * 3 - payload.count(b"=")
        if stream.heard_at:
            stream.gaps_s.append(now - stream.heard_at)
        stream.heard_at = now
        if stream.loud_at and payload.strip(b"/="):
            stream.trips_s.append(now - stream.loud_at)
            stream.loud_at = 0.0


def _body(data: bytes, begins: int) -> slice | None:
    """Where the body of the frame lies that begins there; None while it is not all here."""
    if len(data) < begins + 4:
        return None
    length, body = data[begins + 1] & 0x7F, begins + 2
    if length == 126:
        length, body = int.from_bytes(data[begins + 2 : begins + 4], "big"), begins + 4
    elif length == 127:
        raise RuntimeError("a message of over 64 kB came back")
    return slice(body, body + length) if len(data) >= body + length else None
