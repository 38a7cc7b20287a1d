"""An engine with its HTTP interface, and a simulated Twilio that knows it by a public name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from control.conftest import Desk
from control.conftest import agent_named as agent_named
from control.conftest import bench as bench
from control.conftest import desk as desk
from engine.waiting import eventually
from recorded_twilio import ACCOUNT, TOKEN

from rapida_media.testing.twilio import PhoneCall, TwilioPlatform

PUBLIC = "https://voice.example.com"


class Twilio:
    """A simulated Twilio beside an engine that it knows by a public name."""

    def __init__(self, platform: TwilioPlatform, desk: Desk) -> None:
        self.platform = platform
        self.desk = desk

    async def start(self, agent: str = "echo", more: str = "") -> None:
        await self.desk.open(
            f'[http]\nlisten = "127.0.0.1:0"\npublic_url = "{PUBLIC}"\n'
            f'[credentials.main]\nprovider = "twilio"\naccount_sid = "{ACCOUNT}"\n'
            f'auth_token = "{TOKEN}"\nallow = ["+1"]\napi_base = "{self.platform.api_base}"\n'
            f'[assistants.support]\nagent = "{agent}"\ncredential = "main"\n'
            f'numbers = ["+15005550006"]\n{more}'
        )
        self.platform.reach = self.reach

    def reach(self, url: str) -> str:
        scheme = "ws" if url.startswith("ws") else "http"
        return scheme + self.desk.url.removeprefix("http") + url.split("voice.example.com", 1)[1]

    def call(self, microphone: bytes = b"") -> PhoneCall:
        url = f"{PUBLIC}/v1/talk/twilio/call/support"
        catch_all = f"{PUBLIC}/v1/talk/twilio/event/support"
        return self.platform.call(url, microphone=microphone, status_callback=catch_all)

    async def record(self, call: PhoneCall) -> Any:
        """Give what the engine keeps of a call."""
        _, page = await self.desk.get("/v1/calls?provider=twilio&limit=200")
        return next(each for each in page["calls"] if each["provider_call_id"] == call.id)

    async def ended(self, call: PhoneCall) -> Any:
        await call.over()
        record = await self.record(call)
        await eventually(lambda: len(self.desk.bench.engine.provider_calls) == 0)
        return await self.record(call) if record else record

    async def order(self, to: str = "+14155550100") -> str:
        status, accepted = await self.desk.post("/v1/calls", {"assistant": "support", "to": to})
        assert status == 202, accepted
        call_id: str = accepted["call_id"]
        return call_id


@pytest.fixture
async def twilio(desk: Desk) -> AsyncIterator[Twilio]:
    async with TwilioPlatform(ACCOUNT, TOKEN) as platform:
        yield Twilio(platform, desk)
