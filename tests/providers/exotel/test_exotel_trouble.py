"""Callers that do not keep to the protocol: the right end for each, and nothing left behind."""

from __future__ import annotations

import asyncio
import json

import pytest
from control.conftest import AgentNamer
from engine.collector import no_collection as no_collection
from providers import trouble
from providers.trouble import Stranger
from recorded_exotel import CONNECTED, INCOMING, START, media, text
from simulated_exotel import ExotelDeployment
from simulated_exotel import agent_named as agent_named
from simulated_exotel import bench as bench
from simulated_exotel import desk as desk
from simulated_exotel import exotel as exotel

from rapida_media.control import webhooks
from rapida_media.net import media_attempts


class ExotelStranger(Stranger):
    async def connect(self) -> None:
        platform = self.site.platform
        self.call_id = platform.sid()
        fields = {**INCOMING, "CallSid": self.call_id}
        _, _, body = await platform.ask(self.site.webhook, fields, "GET")
        self.socket = await platform.open(json.loads(body)["url"])

    async def start(self) -> None:
        start = json.loads(text(START))
        start["start"]["call_sid"] = self.call_id
        await self.say(text(CONNECTED), text(start))

    def audio(self, number: int = 1) -> str:
        return text(media(chunk=number))


async def binary(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*[bytes(3200)] * 60)
    return await stranger.close_code()


async def wrong_order(stranger: Stranger) -> int | None:
    await stranger.say(*map(stranger.audio, range(1, 61)))
    return await stranger.close_code()


async def half_a_sample(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*[text(media(b"odd"))] * 60)
    return await stranger.close_code()


async def two_starts(stranger: Stranger) -> int | None:
    """The second is counted, and the call goes on."""
    await stranger.start()
    await stranger.start()
    await stranger.say(stranger.audio())
    await stranger.socket.close()
    return stranger.socket.close_code


async def half_open(stranger: Stranger) -> int | None:
    """It is there, and answers nothing any more: no ping, either."""
    await stranger.start()
    await stranger.say(stranger.audio())
    await asyncio.sleep(2.0)
    return stranger.socket.close_code


ENDS = {
    **trouble.COMMON,
    binary: ({1002}, "protocol_error"),
    wrong_order: ({1002}, "protocol_error"),
    half_a_sample: ({1002}, "protocol_error"),
    two_starts: ({1000}, "bye"),
    half_open: ({None}, "media_lost"),
}


async def test_a_hundred_calls_of_trouble_leave_nothing_behind(
    exotel: ExotelDeployment, monkeypatch: pytest.MonkeyPatch, no_collection: None
) -> None:
    monkeypatch.setattr(webhooks, "HEARTBEAT_S", 1.0)
    monkeypatch.setattr(media_attempts, "SECOND_HANDSHAKE_S", 1.5)
    await trouble.a_hundred_calls_leave_nothing_behind(exotel, ExotelStranger, ENDS, monkeypatch)


async def test_a_caller_at_double_speed_is_bounded_and_counted(
    exotel: ExotelDeployment, agent_named: AgentNamer
) -> None:
    await trouble.double_speed_is_bounded_and_counted(
        exotel, ExotelStranger(exotel), agent_named, chunk_ms=100
    )
