"""A WebSocket that carries a provider's media, whichever side has opened it."""

from __future__ import annotations

import contextlib

from aiohttp import ClientWebSocketResponse, WSCloseCode, WSMsgType, web

from rapida_media.providers.stream import StreamMessage

# The longest message of a provider (100 kB of audio as base64), with room.
MESSAGE_LIMIT = 262_144
# What a provider may call the sub-protocol of its media; Asterisk does.
MEDIA_PROTOCOLS = ("media",)
# A provider that does not answer a ping for so long is lost (RFC 6455 section 5.5.2).
HEARTBEAT_S = 20.0


class SocketWire:
    """An open WebSocket as the streamer wants it."""

    def __init__(self, socket: web.WebSocketResponse | ClientWebSocketResponse) -> None:
        self._socket = socket

    async def receive(self) -> StreamMessage | None:
        message = await self._socket.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            said: StreamMessage = message.data
            return said
        return None

    async def send(self, message: StreamMessage) -> None:
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def close(self, code: int) -> None:
        with contextlib.suppress(ConnectionError, RuntimeError):
            await self._socket.close(code=code)

    @property
    def closed_properly(self) -> bool:
        """Whether the far end sent a close frame, and not for an error."""
        return self._socket.close_code in (WSCloseCode.OK, WSCloseCode.GOING_AWAY, 1005)
