"""A bot that speaks Exotel's Voicebot stream: it says what it hears, until # ends the call.

    python exotel_bot.py 9003           agent = "websocket:ws://127.0.0.1:9003/media"
                                        dialect = "exotel"

Any other key makes it stop in the middle (clear) and ask to be told when it has stopped (mark).
"""

import sys

from aiohttp import web


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        said = message.json()
        stream = {"stream_sid": said.get("stream_sid")}
        match said["event"]:
            case "start":
                print("call", said["start"]["from"], said["start"]["media_format"])
            case "media":  # 100 ms of s16le in base64
                heard = {"payload": said["media"]["payload"]}
                await socket.send_json({"event": "media", **stream, "media": heard})
            case "dtmf" if said["dtmf"]["digit"] == "#":
                break
            case "dtmf":
                await socket.send_json({"event": "clear", **stream})
                await socket.send_json({"event": "mark", **stream, "mark": {"name": "stopped"}})
            case "mark":
                print("played up to", said["mark"]["name"])
    return socket


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/media", talk)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))
