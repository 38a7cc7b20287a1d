"""Callers that do not keep to the protocol: the right end for each, and nothing left behind."""

from __future__ import annotations

import json

import pytest
from control.conftest import AgentNamer
from engine.collector import no_collection as no_collection
from providers import trouble
from providers.deployment import Deployment
from providers.trouble import Stranger
from recorded_twilio import CONNECTED, START, media, text
from simulated_twilio import agent_named as agent_named
from simulated_twilio import bench as bench
from simulated_twilio import desk as desk
from simulated_twilio import twilio as twilio


class TwilioStranger(Stranger):
    async def connect(self) -> None:
        self.call_id = self.site.platform.sid("CA")
        fields = {"CallSid": self.call_id, "From": "+14155550100", "To": "+15005550006"}
        _, _, body = await self.site.platform.ask(self.site.webhook, fields)
        stream_url = body.decode().split('url="', 1)[1].split('"', 1)[0]
        self.socket = await self.site.platform.connect(stream_url)

    async def start(self) -> None:
        start = json.loads(text(START))
        start["start"]["callSid"] = self.call_id
        await self.say(text(CONNECTED), text(start))

    def audio(self, number: int = 1) -> str:
        return text(media(chunk=number))


async def binary(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*[b"\x00" * 160] * 60)
    return await stranger.close_code()


async def wrong_order(stranger: Stranger) -> int | None:
    await stranger.say(*map(stranger.audio, range(1, 61)))
    return await stranger.close_code()


ENDS = {
    **trouble.COMMON,
    binary: ({1002}, "protocol_error"),
    wrong_order: ({1002}, "protocol_error"),
}


async def test_a_hundred_calls_of_trouble_leave_nothing_behind(
    twilio: Deployment, monkeypatch: pytest.MonkeyPatch, no_collection: None
) -> None:
    await trouble.a_hundred_calls_leave_nothing_behind(twilio, TwilioStranger, ENDS, monkeypatch)


async def test_a_caller_at_double_speed_is_bounded_and_counted(
    twilio: Deployment, agent_named: AgentNamer
) -> None:
    await trouble.double_speed_is_bounded_and_counted(
        twilio, TwilioStranger(twilio), agent_named, chunk_ms=20
    )
