"""An engine with its HTTP interface, and a simulated Twilio that knows it by a public name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from control.conftest import Desk
from control.conftest import agent_named as agent_named
from control.conftest import bench as bench
from control.conftest import desk as desk
from providers.deployment import Deployment
from recorded_twilio import ACCOUNT, TOKEN

from rapida_media.testing.twilio import TwilioPlatform

KEYS = f'account_sid = "{ACCOUNT}"\nauth_token = "{TOKEN}"'


@pytest.fixture
async def twilio(desk: Desk) -> AsyncIterator[Deployment]:
    async with TwilioPlatform(ACCOUNT, TOKEN) as platform:
        yield Deployment(platform, desk, "twilio", KEYS)
