"""An engine with its HTTP interface, and a simulated Vonage that knows it by a public name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from control.conftest import Desk
from control.conftest import agent_named as agent_named
from control.conftest import bench as bench
from control.conftest import desk as desk
from providers.deployment import Deployment
from recorded_vonage import APPLICATION, PRIVATE_KEY, PUBLIC_KEY, SECRET

from rapida_media.testing.vonage import VonagePlatform

KEYS = (
    f'application_id = "{APPLICATION}"\nsignature_secret = "{SECRET}"\n'
    f"private_key = '''{PRIVATE_KEY}'''"
)


@pytest.fixture
async def vonage(desk: Desk) -> AsyncIterator[Deployment]:
    async with VonagePlatform(APPLICATION, PUBLIC_KEY, SECRET) as platform:
        yield Deployment(platform, desk, "vonage", KEYS)
