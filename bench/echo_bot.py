"""A bot that echoes sounds at once, in any dialect: ``python -m bench.echo_bot`` prints its port.

Silence it leaves out, as a bot that speaks does: each sound finds an empty queue. What it costs is
part of the latency that the table "bots" shows, so it does next to nothing: the last part of the
path names the dialect, and a text is cut at its payload. ``echo_sounds`` is the same as an agent.
"""

from __future__ import annotations

import asyncio

from aiohttp import WSMsgType, web

from rapida_media import Audio, Call

IDS = {"twilio": "streamSid", "exotel": "stream_sid"}


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    before = after = ""
    async for message in socket:
        if message.type is WSMsgType.BINARY:
            if message.data.strip(b"\x00"):
                await socket.send_bytes(message.data)
            continue
        text: str = message.data
        _, found, rest = text.partition('"payload":"')
        if found:
            payload = rest[: rest.index('"')]
            if payload.strip("/wA="):  # it is not 0xFF, the silence of μ-law, nor 0 all over
                await socket.send_str(before + payload + after)
        elif '"event":"start"' in text and request.path[1:] in IDS:
            key = IDS[request.path[1:]]
            stream = message.json()[key]
            before = f'{{"event":"media","{key}":"{stream}","media":{{"payload":"'
            after = '"}}'
    return socket


async def echo_sounds(call: Call) -> None:
    async for event in call:
        if isinstance(event, Audio) and event.pcm.strip(b"\x00"):
            call.write(event.pcm)


async def main() -> None:
    app = web.Application()
    app.router.add_get("/{dialect}", echo)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
