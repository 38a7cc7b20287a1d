"""One Asterisk for all tests of a session, and an engine where its dialplan looks for one."""

from __future__ import annotations

import asyncio
import json
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from control.conftest import Desk
from control.conftest import agent_named as agent_named
from control.conftest import bench as bench
from control.conftest import desk as desk

from rapida_media.demo import SPEECH

from ..caller import run_call
from .server import Asterisk, running_asterisk


@pytest.fixture(scope="session")
def asterisk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asterisk]:
    """Asterisk itself, ended by its pid."""
    log = tmp_path_factory.mktemp("asterisk") / "asterisk.log"
    with running_asterisk(log) as running:
        yield running


class Office:
    """An engine beside an Asterisk, and phones that call it there."""

    def __init__(self, asterisk: Asterisk, desk: Desk) -> None:
        self.asterisk = asterisk
        self.desk = desk

    async def start(self, agent: str, more: str = "", account: str = "") -> None:
        """Start the engine where the dialplan looks for it. account: more of its table."""
        ports = self.asterisk.ports
        await self.desk.open(
            f'[http]\nlisten = "127.0.0.1:{ports.engine_http}"\n'
            f'[audiosocket]\nlisten = "127.0.0.1:{ports.audiosocket}"\n'
            f'[assistants.support]\nagent = "{agent}"\ncredential = "office"\n'
            f'numbers = ["+15005550006"]\n'
            f'[credentials.office]\nprovider = "asterisk"\n{account}\n{more}'
        )

    async def call(self, extension: str, *options: str) -> Any:
        """Call an extension with our softphone, over SIP; give its report."""
        done = await asyncio.to_thread(run_call, self.asterisk.uri(extension), *options)
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    async def records(self) -> Any:
        """Give what the engine keeps of its calls over Asterisk, the newest first."""
        _, page = await self.desk.get("/v1/calls?provider=asterisk")
        return page["calls"]


@pytest.fixture
def office(asterisk: Asterisk, desk: Desk) -> Office:
    return Office(asterisk, desk)


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """Three seconds of speech: enough to tell, and soon over."""
    path = tmp_path / "speech.wav"
    with wave.open(str(SPEECH), "rb") as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        part.writeframes(whole.readframes(3 * whole.getframerate()))
    return path


@pytest.fixture
def back(tmp_path: Path) -> Path:
    """Where a phone records what it hears."""
    return tmp_path / "back.wav"
