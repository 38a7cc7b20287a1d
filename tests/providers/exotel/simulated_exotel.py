"""An engine with its HTTP interface, and a simulated Exotel that knows it by a public name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from control.conftest import Desk
from control.conftest import agent_named as agent_named
from control.conftest import bench as bench
from control.conftest import desk as desk
from providers.deployment import PUBLIC, Deployment
from recorded_exotel import ACCOUNT, API_KEY, API_TOKEN, TOKEN

from rapida_media.testing.exotel import ExotelPlatform

KEYS = (
    f'account_sid = "{ACCOUNT}"\napi_key = "{API_KEY}"\napi_token = "{API_TOKEN}"\n'
    f'path_token = "{TOKEN}"'
)


class ExotelDeployment(Deployment):
    """Its webhooks end in a token."""

    platform: ExotelPlatform

    def __init__(self, platform: ExotelPlatform, desk: Desk) -> None:
        super().__init__(platform, desk, "exotel", KEYS)
        self.webhook += f"/{TOKEN}"
        self.passthru = f"{PUBLIC}/v1/talk/exotel/event/support/{TOKEN}"

    def call(self, microphone: bytes = b"", query: str = "") -> Any:
        return self.platform.call(
            self.webhook + query, microphone=microphone, status_callback=self.passthru
        )


@pytest.fixture
async def exotel(desk: Desk) -> AsyncIterator[ExotelDeployment]:
    async with ExotelPlatform(ACCOUNT, API_KEY, API_TOKEN) as platform:
        yield ExotelDeployment(platform, desk)
