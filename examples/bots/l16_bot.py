"""A bot that speaks l16: it says what it hears, until # ends the call.

    python l16_bot.py 9004              agent = "websocket:ws://127.0.0.1:9004/media"
                                        dialect = "l16"

Any other key makes it stop in the middle (clear) and ask to be told when it has stopped (mark).
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
            case "start":
                print("call", said["call_id"], "from", said["caller"], said["audio"])
            case "dtmf" if said["digit"] == "#":
                await socket.send_json({"event": "hangup", "reason": "goodbye"})
            case "dtmf":
                await socket.send_json({"event": "clear"})
                await socket.send_json({"event": "mark", "name": "stopped"})
            case "mark":
                print("played up to", said["name"])
    return socket


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/media", talk)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
