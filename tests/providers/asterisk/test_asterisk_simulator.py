"""``rapida-media simulate asterisk`` and the calls of a simulated dialplan, without an Asterisk."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from control.conftest import AgentNamer, Desk
from control.conftest import agent_named as agent_named
from control.conftest import bench as bench
from control.conftest import desk as desk

from rapida_media import Call, Digit
from rapida_media.config import Config, parse_config
from rapida_media.errors import ConfigError
from rapida_media.kernels import Tone
from rapida_media.media.wav import wave_header
from rapida_media.providers.asterisk.audiosocket import HANG_UP, pack
from rapida_media.providers.stream import AudioFormat
from rapida_media.testing.asterisk import (
    AsteriskPlatform,
    AudioSocketLine,
    WebsocketLine,
    simulate,
)
from rapida_media.testing.simulate import SimulateOptions

PASSWORD = "rapida-test-asterisk-0002"
TONE = Tone(1000.0, dbov=-16.0).read(16_000)


class Office:
    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    async def start(self, agent: str = "echo") -> None:
        await self.desk.open(
            f'[audiosocket]\nlisten = "127.0.0.1:0"\n[assistants.support]\nagent = "{agent}"\n'
            'credential = "pbx"\n[credentials.pbx]\nprovider = "asterisk"\n'
            f'username = "asterisk"\npassword = "{PASSWORD}"\n'
        )

    @property
    def url(self) -> str:
        return f"{self.desk.url}/v1/talk/asterisk/call/support"

    @property
    def audiosocket(self) -> tuple[str, int]:
        address = self.desk.bench.engine.audiosocket.address
        assert address is not None
        return address.host, address.port

    def config(self, password: str = PASSWORD) -> Config:
        account = {"provider": "asterisk", "username": "asterisk", "password": password}
        return parse_config({"credentials": {"pbx": account}})


@pytest.fixture
def office(desk: Desk) -> Office:
    return Office(desk)


@pytest.mark.parametrize("format_", ["", "?format=ulaw", "?format=slin48", "audiosocket"])
async def test_a_call_is_announced_carried_and_echoed(
    office: Office, tmp_path: Path, format_: str
) -> None:
    await office.start()
    (tmp_path / "tone.wav").write_bytes(wave_header(16_000, 1, 16_000) + TONE)
    by_tcp = format_ == "audiosocket"
    report = await simulate(
        SimulateOptions(
            config=office.config(),
            provider="asterisk",
            url=office.url + ("?format=slin16" if by_tcp else format_),
            play=tmp_path / "tone.wav",
            record=tmp_path / "back.wav",
            duration_s=0.7,
            audiosocket=office.audiosocket if by_tcp else None,
        )
    )
    assert (report.state, report.errors, report.worked) == ("completed", (), True)
    assert report.first_audio_ms is not None
    assert report.first_audio_ms <= 200
    assert report.heard_s >= 0.4
    assert (tmp_path / "back.wav").stat().st_size > 8000
    _, page = await office.desk.get("/v1/calls?provider=asterisk")
    assert [(each["status"], each["reason"]) for each in page["calls"]] == [("completed", "bye")]


async def test_a_wrong_password_is_told(office: Office) -> None:
    await office.start()
    report = await simulate(
        SimulateOptions(config=office.config("wrong"), provider="asterisk", url=office.url)
    )
    assert (report.state, report.streamed, report.worked) == ("refused", False, False)
    assert report.errors == ("the announcement was answered 403",)


@pytest.mark.parametrize("plain", [False, True])
async def test_barge_in_and_marks_are_true_to_the_simulated_queue(
    office: Office, agent_named: AgentNamer, plain: bool
) -> None:
    told: list[float] = []

    async def agent(call: Call) -> None:
        call.write(TONE * 20)
        async for event in call:
            if isinstance(event, Digit):
                told.append(await call.clear())
                call.write(TONE[:3200])
                await call.drain()
                return

    await office.start(agent_named(agent))
    async with AsteriskPlatform(username="asterisk", password=PASSWORD, plain=plain) as platform:
        call = platform.call(office.url)
        line = await call.streams()
        await asyncio.sleep(0.6)
        await call.press("5")
        async with asyncio.timeout(5):
            await call.over()
    (cleared,) = line.cleared
    assert told[0] == pytest.approx(cleared.heard_ms, abs=20)
    assert cleared.dropped_ms <= 220
    assert dict(line.warnings) == {}
    assert call.errors == []
    assert [url.rsplit("/", 2)[1] for url, _, _ in platform.callbacks] == ["event"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"url": None}, "asterisk wants --url"),
        ({"listen": ("127.0.0.1", 1)}, "asterisk wants --url"),
        ({"url": "http://127.0.0.1:1/?format=opus"}, "format=opus is no codec"),
        (
            {"url": "http://127.0.0.1:1/?format=ulaw", "audiosocket": ("127.0.0.1", 1)},
            "format=ulaw is no codec of that channel",
        ),
    ],
)
async def test_what_cannot_be_simulated_is_said(changes: dict[str, object], why: str) -> None:
    options: dict[str, object] = {"config": Config(), "provider": "asterisk", "url": "http://x/"}
    with pytest.raises(ConfigError, match=why):
        await simulate(SimulateOptions(**{**options, **changes}))  # type: ignore[arg-type]


def test_the_simulated_queue_complains_as_asterisk_would() -> None:
    line = WebsocketLine("slin16")
    (start,) = line.begin(0.0)
    assert json.loads(str(start))["optimal_frame_size"] == 640
    assert line.receive(bytes(700), 0.0) == []
    assert line.receive(json.dumps({"command": "MARK_MEDIA", "id": "x" * 128}), 0.0) == []
    assert line.receive('{"command":"SING"}', 0.0) == []
    assert line.receive("{", 0.0) == []
    assert dict(line.warnings) == {"remainder": 1, "too long": 1, "unknown": 2}
    (off,) = [each for _ in range(4) for each in line.receive(bytes(640 * 230), 0.0)]
    assert json.loads(str(off))["event"] == "MEDIA_XOFF"
    line.receive(bytes(640 * 200), 0.0)
    line.receive(bytes(640), 0.0)
    assert line.warnings["queue full"] == 1
    assert line.queued_ms == (1 + 920 + 200) * 20
    events = [json.loads(each)["event"] for each in line.tick(8.0) if isinstance(each, str)]
    assert events == ["MEDIA_XON"]


def test_the_simulated_audiosocket_takes_its_own_rate_alone() -> None:
    line = AudioSocketLine(bytes(16), AudioFormat("s16le", 8000))
    assert line.begin(0.0) == [pack(1, bytes(16))]
    line.receive(pack(0x12, bytes(640)), 0.0)
    line.receive(pack(0x10), 0.0)
    assert dict(line.warnings) == {"another kind": 2}
    line.receive(pack(HANG_UP), 0.0)
    assert line.hung_up
