"""An echo bot as Python frameworks make them, for `twilio.py` to set beside the engine.

    python common_path.py PORT

aiohttp, a JSON library, base64, audioop and soxr's streaming resampler at its high quality: each
message becomes 16 kHz linear audio, as an agent would want it, and goes back the same way. There is
no pacing, no signature, no call state and no record.
"""

from __future__ import annotations

import audioop
import base64
import json
import sys

import numpy as np
import soxr
from aiohttp import WSMsgType, web


async def echo(request: web.Request) -> web.WebSocketResponse:
    """Serve one stream."""
    stream = web.WebSocketResponse(compress=False)
    await stream.prepare(request)
    up = soxr.ResampleStream(8000, 16000, 1, dtype="int16", quality="HQ")
    down = soxr.ResampleStream(16000, 8000, 1, dtype="int16", quality="HQ")
    stream_id = ""
    async for message in stream:
        if message.type != WSMsgType.TEXT:
            break
        said = json.loads(message.data)
        if said["event"] == "start":
            stream_id = said["streamSid"]
        elif said["event"] == "media":
            codes = base64.b64decode(said["media"]["payload"])
            heard = up.resample_chunk(np.frombuffer(audioop.ulaw2lin(codes, 2), np.int16))
            back = down.resample_chunk(heard)
            if len(back):
                payload = base64.b64encode(audioop.lin2ulaw(back.tobytes(), 2)).decode()
                media = {"event": "media", "streamSid": stream_id, "media": {"payload": payload}}
                await stream.send_str(json.dumps(media))
    return stream


if __name__ == "__main__":
    app = web.Application()
    app.router.add_get("/stream", echo)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)
