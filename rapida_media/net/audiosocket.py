"""The AudioSocket server: TCP connections of Asterisk's, each the media of one call.

The first message names the call, by a UUID that works once. Who does not show one soon, or is not
among ``hosts``, is let go; so is who comes while too many others have not shown theirs.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from ipaddress import IPv6Address, ip_address, ip_network

from rapida_media import clock
from rapida_media.config import AudioSocketConfig, HttpListen
from rapida_media.errors import ConfigError
from rapida_media.net.provider_calls import ProviderCalls
from rapida_media.net.provider_lines import Refused
from rapida_media.net.streamer import INTERNAL_ERROR
from rapida_media.providers.asterisk import SPEC, audiosocket
from rapida_media.providers.asterisk.audiosocket import Framing, uuid_of
from rapida_media.providers.asterisk.telephony import FORMAT
from rapida_media.providers.asterisk.verification import AUDIOSOCKET
from rapida_media.providers.http import WebhookRequest
from rapida_media.providers.stream import StreamMessage
from rapida_media.stats import Counters

log = logging.getLogger(__name__)

# Asterisk sends the UUID as soon as it has connected.
UUID_S = 5.0
# Connections that have not shown a UUID yet. Those that have are calls, which admission bounds.
UNKNOWN_LIMIT = 100
READ_BYTES = 65_536
STRANGERS_NAMED = 100
LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1"))


class AudioSocketServer:
    """counters: ``audiosocket_connections``, ``audiosocket_refused``."""

    def __init__(self, config: AudioSocketConfig, calls: ProviderCalls, counters: Counters) -> None:
        self._config = config
        self._calls = calls
        self._counters = counters
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._unknown = 0
        self._strangers: set[str] = set()
        self.address: HttpListen | None = None

    @property
    def connections(self) -> int:
        return len(self._serving)

    async def start(self) -> None:
        """Listen, where the configuration says so; ConfigError when the address cannot be had."""
        listen = self._config.listen
        if listen is None:
            return
        try:
            self._server = await asyncio.start_server(self._connected, listen.host, listen.port)
        except OSError as error:
            raise ConfigError(
                f"[audiosocket] listen: {listen}: {error.strerror or error}"
            ) from None
        self.address = HttpListen(listen.host, self._server.sockets[0].getsockname()[1])
        log.info("listening for AudioSocket on %s", self.address)

    async def stop(self) -> None:
        """Take no more connections and close those that are left."""
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Task root of one connection."""
        self._counters.add("audiosocket_connections")
        wire = AudioSocketWire(reader, writer)
        host = str((writer.get_extra_info("peername") or [""])[0])
        try:
            await self._carry(wire, host)
        except Refused as refused:
            self._counters.add("audiosocket_refused")
            log.warning("AudioSocket: a connection from %s was refused: %s", host, refused)
        except Exception:
            log.exception("AudioSocket: a connection failed")
        finally:
            writer.close()

    async def _carry(self, wire: AudioSocketWire, host: str) -> None:
        if not self._may_connect(host):
            self._turn_away(host)
            return
        if self._unknown >= UNKNOWN_LIMIT:
            raise Refused(503, f"{UNKNOWN_LIMIT} others have not said which call they carry")
        self._unknown += 1
        try:
            async with asyncio.timeout(UUID_S):
                uuid = await wire.uuid()
                asked = WebhookRequest(
                    "CONNECT", f"{AUDIOSOCKET}://", remote=host, received_at=clock.wall()
                )
                call = await self._calls.claim(SPEC.name, uuid.hex(), asked)
        except TimeoutError:
            raise Refused(408, f"no UUID within {UUID_S:.0f} s") from None
        finally:
            self._unknown -= 1
        await call.carry(wire, audiosocket(call.seen.facts.get(FORMAT, "")))

    def _turn_away(self, host: str) -> None:
        """Count a stranger, and name each once: scanners come back."""
        self._counters.add("audiosocket_refused")
        if host not in self._strangers and len(self._strangers) < STRANGERS_NAMED:
            self._strangers.add(host)
            log.warning("AudioSocket: %s is not one of [audiosocket] hosts", host)

    def _may_connect(self, host: str) -> bool:
        address = ip_address(host)
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        return any(address in network for network in self._config.hosts or LOOPBACK)


class AudioSocketWire:
    """A connection as the streamer wants it. asyncio switches Nagle's algorithm off itself."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._framing = Framing()
        self._messages: deque[bytes] = deque()
        self.closed_properly = False

    async def uuid(self) -> bytes:
        """Wait for the first message, and leave it to ``receive``; Refused where it is no UUID."""
        first = await self.receive()
        uuid = uuid_of(first) if isinstance(first, bytes) else None
        if not isinstance(first, bytes) or uuid is None:
            raise Refused(400, "it did not begin with a UUID")
        self._messages.appendleft(first)
        return uuid

    async def receive(self) -> StreamMessage | None:
        while not self._messages:
            try:
                data = await self._reader.read(READ_BYTES)
            except (ConnectionResetError, BrokenPipeError) as error:
                # Closed with audio of ours unread, as there nearly always is. The reader keeps the
                # error, whose traceback would keep us, who keep the reader.
                error.__traceback__ = None
                data = b""
            except OSError:
                return None
            if not data:
                self.closed_properly = True
                return None
            self._messages.extend(self._framing.feed(data))
        return self._messages.popleft()

    async def send(self, message: StreamMessage) -> None:
        assert isinstance(message, bytes), "AudioSocket is binary"
        self._writer.write(message)
        await self._writer.drain()

    async def close(self, code: int) -> None:
        if code == INTERNAL_ERROR:
            self._writer.transport.abort()
        self._writer.close()
