"""Callers that do not keep to the protocol: the right end for each, and nothing left behind."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest
from control.conftest import AgentNamer
from engine.collector import no_collection as no_collection
from providers import trouble
from providers.deployment import Deployment
from providers.trouble import Stranger
from recorded_vonage import CONNECTED, DTMF, text
from simulated_vonage import agent_named as agent_named
from simulated_vonage import bench as bench
from simulated_vonage import desk as desk
from simulated_vonage import vonage as vonage


class VonageStranger(Stranger):
    async def connect(self) -> None:
        self.call_id = self.site.platform.uuid()
        fields = {"uuid": self.call_id, "from": "14155550100", "to": "15005550006"}
        _, _, body = await self.site.platform.ask(self.site.webhook, fields, "GET")
        (endpoint,) = json.loads(body)[0]["endpoint"]
        self.socket = await self.site.platform.connect(endpoint)

    async def start(self) -> None:
        await self.say(text(CONNECTED))

    def audio(self, number: int = 1) -> bytes:
        return bytes([1 + number % 255]) * 640


async def half_samples(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*[bytes(641)] * 60)
    return await stranger.close_code()


async def audio_as_text(stranger: Stranger) -> int | None:
    await stranger.start()
    await stranger.say(*[b64encode(bytes(640)).decode()] * 60)
    return await stranger.close_code()


async def wrong_order(stranger: Stranger) -> int | None:
    await stranger.say(*[text(DTMF)] * 60)
    return await stranger.close_code()


async def audio_without_a_start(stranger: Stranger) -> int | None:
    await stranger.say(*map(stranger.audio, range(200)))
    return await stranger.close_code()


ENDS = {
    **trouble.COMMON,
    half_samples: ({1002}, "protocol_error"),
    audio_as_text: ({1002}, "protocol_error"),
    wrong_order: ({1002}, "protocol_error"),
    audio_without_a_start: ({1000}, "media_not_started"),
}


async def test_a_hundred_calls_of_trouble_leave_nothing_behind(
    vonage: Deployment, monkeypatch: pytest.MonkeyPatch, no_collection: None
) -> None:
    await trouble.a_hundred_calls_leave_nothing_behind(vonage, VonageStranger, ENDS, monkeypatch)


async def test_a_caller_at_double_speed_is_bounded_and_counted(
    vonage: Deployment, agent_named: AgentNamer
) -> None:
    await trouble.double_speed_is_bounded_and_counted(
        vonage, VonageStranger(vonage), agent_named, chunk_ms=20
    )
