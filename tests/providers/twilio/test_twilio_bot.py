"""A call that came over Twilio, on a bot that speaks Twilio: it sees what it would without us."""

from __future__ import annotations

from typing import Any

import numpy as np
from engine.bot_server import BotLine, BotServer
from engine.rtp import Samples, share_heard, speech
from engine.waiting import eventually
from providers.deployment import Deployment
from recorded_twilio import ACCOUNT, TOKEN
from simulated_twilio import agent_named as agent_named
from simulated_twilio import bench as bench
from simulated_twilio import desk as desk
from simulated_twilio import twilio as twilio
from twilio.request_validator import RequestValidator

from rapida_media.kernels import ulaw_decode, ulaw_encode


async def echo(line: BotLine, said: dict[str, Any] | bytes) -> None:
    if isinstance(said, dict) and said["event"] == "media":
        await line.twilio("media", media={"payload": said["media"]["payload"]})


async def test_the_bot_is_told_twilios_own_ids_and_the_caller_hears_it(twilio: Deployment) -> None:
    server = BotServer(echo)
    await server.start()
    words = speech(1.5)
    await twilio.start(f"websocket:{server.url}")
    call = twilio.call()
    line = await server.line()
    (start,) = await eventually(lambda: line.events("start"))
    assert (start["start"]["callSid"], start["start"]["accountSid"]) == (call.id, ACCOUNT)
    shown = line.request.headers["X-Twilio-Signature"]
    assert RequestValidator(TOKEN).validate(server.url, {}, shown)

    assert call.line is not None
    # An echo has no buffer, and two sockets are on its way: what stumbles is said once more.
    call.line.microphone += 3 * ulaw_encode(words.astype("<i2").tobytes())

    def heard() -> Samples:
        assert call.line is not None
        return np.frombuffer(ulaw_decode(bytes(call.line.heard)), np.int16)

    await eventually(lambda: share_heard(words, heard()) >= 0.6, patience=10.0, every=0.1)
    await line.twilio("mark", mark={"name": "end"})
    await eventually(lambda: line.events("mark"))
    await line.socket.close()
    record = await twilio.ended(call)
    assert record["reason"] == "bot_closed"
    await server.close()
