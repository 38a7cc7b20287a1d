"""A bot built on pipecat's own serializers, unmodified, and the websockets library.

``python pipecat_bot.py DIALECT`` prints its port, then a line of JSON for everything worth telling,
with the time of the machine's monotonic clock. It echoes what it hears until one of these keys:

    4   speaks a tone of 5 s        5   is interrupted (clear)
    6   speaks a tone of 0.5 s and sets a mark behind it, three times over
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import numpy as np
from pipecat.frames.frames import (
    Frame,
    InputAudioRawFrame,
    InputDTMFFrame,
    InterruptionFrame,
    OutputAudioRawFrame,
    OutputTransportMessageFrame,
)
from pipecat.serializers.exotel import ExotelFrameSerializer
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.serializers.vonage import VonageFrameSerializer
from twilio.request_validator import RequestValidator
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

RATE_HZ = {"twilio": 8000, "vonage": 16000, "exotel": 8000}
TOKEN = "interop-token"


def tell(what: str, **facts: Any) -> None:
    print(json.dumps({"what": what, "at": time.monotonic(), **facts}), flush=True)


def serializer(dialect: str, start: dict[str, Any]) -> Any:
    if dialect == "twilio":
        params = TwilioFrameSerializer.InputParams(auto_hang_up=False, sample_rate=RATE_HZ[dialect])
        ids = start["start"]
        return TwilioFrameSerializer(ids["streamSid"], ids["callSid"], params=params)
    if dialect == "exotel":
        exotel = ExotelFrameSerializer.InputParams(sample_rate=RATE_HZ[dialect])
        return ExotelFrameSerializer(start["stream_sid"], start["start"]["call_sid"], exotel)
    return VonageFrameSerializer(VonageFrameSerializer.InputParams(sample_rate=RATE_HZ[dialect]))


def mark(dialect: str, start: dict[str, Any], name: str) -> dict[str, Any]:
    """Give the vendor's message, as its documentation has it."""
    if dialect == "vonage":
        return {"action": "notify", "payload": {"name": name}}
    key = "streamSid" if dialect == "twilio" else "stream_sid"
    return {"event": "mark", key: start[key], "mark": {"name": name}}


class Bot:
    def __init__(self, dialect: str) -> None:
        self._dialect = dialect
        self._rate_hz = RATE_HZ[dialect]

    async def verify(self, connection: ServerConnection, request: Request) -> Response | None:
        """Ask Twilio's own library who calls; the others' platforms show it elsewhere."""
        if self._dialect != "twilio":
            return None
        url = f"ws://{request.headers['Host']}{request.path}"
        shown = request.headers.get("X-Twilio-Signature", "")
        if RequestValidator(TOKEN).validate(url, {}, shown):
            return None
        return connection.respond(HTTPStatus.FORBIDDEN, "")

    async def talk(self, socket: ServerConnection) -> None:
        start: dict[str, Any] = {}
        while start.get("event") not in ("start", "websocket:connected"):
            start = json.loads(await socket.recv())
            tell("message", message=start)
        self._start, self._socket = start, socket
        self._serializer = serializer(self._dialect, start)
        # As the transport would, with the pipeline's rates.
        self._serializer._sample_rate = self._rate_hz
        echoing = True
        async for data in socket:
            frame = await self._serializer.deserialize(data)
            if isinstance(frame, InputAudioRawFrame) and echoing:
                await self._send(OutputAudioRawFrame(frame.audio, frame.sample_rate, 1))
            elif isinstance(frame, InputDTMFFrame):
                echoing = echoing and frame.button.value not in "456"
                await self._press(frame.button.value)
            elif frame is None:
                tell("message", message=json.loads(data))
        tell("closed", code=socket.close_code)

    async def _press(self, key: str) -> None:
        tell("key", key=key)
        if key == "4":
            await self._tone(5.0)
        elif key == "5":
            await self._send(InterruptionFrame())
            tell("cleared")
        elif key == "6":
            for number in range(3):
                await self._tone(0.5)
                message = mark(self._dialect, self._start, f"m{number}")
                await self._send(OutputTransportMessageFrame(message))
            tell("marked")

    async def _tone(self, seconds: float) -> None:
        time_s = np.arange(round(self._rate_hz * seconds)) / self._rate_hz
        tone = (8000 * np.sin(2 * np.pi * 440 * time_s)).astype("<i2")
        await self._send(OutputAudioRawFrame(tone.tobytes(), self._rate_hz, 1))

    async def _send(self, frame: Frame) -> None:
        message = await self._serializer.serialize(frame)
        if message is not None:
            with suppress(ConnectionClosed):  # what was heard before the end is still looked at
                await self._socket.send(message)


async def main(dialect: str) -> None:
    bot = Bot(dialect)
    async with serve(bot.talk, "127.0.0.1", 0, process_request=bot.verify) as server:
        (listening,) = server.sockets
        print(listening.getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
