"""A bot that speaks Twilio Media Streams: it says what it hears, until # ends the call.

    python twilio_bot.py 9001           agent = "websocket:ws://127.0.0.1:9001/media"

Any other key makes it stop in the middle (clear) and ask to be told when it has stopped (mark).
"""

import sys

from aiohttp import web


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        said = message.json()
        stream = {"streamSid": said.get("streamSid")}
        match said["event"]:
            case "start":
                print("call", said["start"]["callSid"], said["start"]["customParameters"])
            case "media":
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
