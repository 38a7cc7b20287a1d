"""A media stream's socket whose control messages are kept for the ladder of the call."""

from __future__ import annotations

from rapida_media import clock
from rapida_media.net.streamer import Wire
from rapida_media.providers.stream import StreamMessage
from rapida_media.providers.trace import ProviderTrace


class TracedWire:
    """A ``Wire`` like the one it is made of. Audio, binary or a payload in a text, is not kept."""

    def __init__(self, wire: Wire, trace: ProviderTrace) -> None:
        self._wire = wire
        self._trace = trace

    async def receive(self) -> StreamMessage | None:
        message = await self._wire.receive()
        if isinstance(message, str) and '"payload"' not in message:
            self._trace.add(message, clock.monotonic(), sent=False)
        return message

    async def send(self, message: StreamMessage) -> None:
        if isinstance(message, str) and '"payload"' not in message:
            self._trace.add(message, clock.monotonic(), sent=True)
        await self._wire.send(message)

    async def close(self, code: int) -> None:
        await self._wire.close(code)

    @property
    def closed_properly(self) -> bool:
        return self._wire.closed_properly
