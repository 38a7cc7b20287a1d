"""An engine with its HTTP interface, and a simulated Asterisk that knows it by a public name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from control.conftest import Desk
from control.conftest import agent_named as agent_named
from control.conftest import bench as bench
from control.conftest import desk as desk
from providers.deployment import Deployment
from recorded_asterisk import PASSWORD, USER

from rapida_media.demo.ports import free_port
from rapida_media.testing.asterisk import AsteriskPlatform

KEYS = f'username = "{USER}"\npassword = "{PASSWORD}"'


class AudioSocketDeployment(Deployment):
    """One that Asterisk brings the media to by TCP."""

    async def start(self, agent: str = "echo", more: str = "") -> None:
        host, port = self.platform.audiosocket
        await super().start(agent, f'{more}[audiosocket]\nlisten = "{host}:{port}"\n')


@pytest.fixture
async def websocket(desk: Desk) -> AsyncIterator[Deployment]:
    async with AsteriskPlatform(username=USER, password=PASSWORD) as platform:
        yield Deployment(platform, desk, "asterisk", KEYS)


@pytest.fixture
async def audiosocket(desk: Desk) -> AsyncIterator[Deployment]:
    address = ("127.0.0.1", free_port())
    async with AsteriskPlatform(username=USER, password=PASSWORD, audiosocket=address) as platform:
        yield AudioSocketDeployment(platform, desk, "asterisk", KEYS)
