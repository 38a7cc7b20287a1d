"""A bot that speaks Vonage's WebSocket: it says what it hears, until # ends the call.

    python vonage_bot.py 9002           agent = "websocket:ws://127.0.0.1:9002/media"
                                        dialect = "vonage"

Any other key makes it stop in the middle (clear) and ask to be told when it has stopped (notify).
"""

import sys

from aiohttp import WSMsgType, web


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.BINARY:  # 20 ms of s16le
            await socket.send_bytes(message.data)
            continue
        said = message.json()
        match said["event"]:
            case "websocket:connected":
                print("call", said)
            case "websocket:dtmf" if said["digit"] == "#":
                break
            case "websocket:dtmf":
                await socket.send_json({"action": "clear"})
                await socket.send_json({"action": "notify", "payload": {"mark": "stopped"}})
            case "websocket:notify":
                print("played up to", said["payload"]["mark"])
    return socket


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/media", talk)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
