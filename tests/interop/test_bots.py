"""Bots made of code nobody here wrote stand behind SIP calls, and their audio comes back."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine.conftest import Bench
from engine.conftest import bench as bench  # a fixture
from engine.phone import PhoneCall
from engine.rtp import PACKET_S, RtpPacket
from engine.waiting import eventually
from missing import skip_or_fail

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, RunningEngine, running_engine
from rapida_media.kernels import ulaw_decode

from .audio import match, match_of_most_pieces, read_wav
from .caller import call
from .conftest import StartSipp
from .test_sipp import SIPP_PCAPS

# Another's stall delays an echo, which has no buffer: of some calls one shows what the path can do.
ATTEMPTS = 4
pytestmark = pytest.mark.interop
DIALECTS = ["twilio", "vonage", "exotel"]
SCRIPT = Path(__file__).with_name("pipecat_bot.py")
APPLICATION = Path(__file__).with_name("pipecat_app.py")

CONFIGURATION = """
[store]
recordings = "recordings/"
[credentials.ours]
provider = "twilio"
account_sid = "AC00000000000000000000000000000001"
auth_token = "interop-token"
"""
ASSISTANT = """
[assistants.{dialect}]
agent = "websocket:ws://127.0.0.1:{port}/media?room=1"
dialect = "{dialect}"
record = {record}
"""


class RunningBot:
    """A bot in a process of its own. told: what it wrote, as it comes."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "LOGURU_LEVEL": "ERROR"},
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline() or 0)
        self.told: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.append(json.loads(line))

    def all(self, what: str) -> list[dict[str, Any]]:
        return [each for each in self.told if each["what"] == what]

    def messages(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.all("message") if each["message"].get("event") == event]

    def wait(self, find: Callable[[], Any]) -> Any:
        """Wait for another process to tell what is looked for."""
        deadline = time.monotonic() + 5
        while not (found := find()):
            assert time.monotonic() < deadline, [each["what"] for each in self.told]
            time.sleep(0.05)
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


StartBot = Callable[[str], RunningBot]


@pytest.fixture(scope="module")
def bots() -> Iterator[StartBot]:
    """Give the running bot of a dialect, started once."""
    try:
        import pipecat  # noqa: F401
    except ImportError:
        skip_or_fail("pipecat-ai is not installed (pip install -e '.[dev]')")
    running: dict[str, RunningBot] = {}

    def start(dialect: str) -> RunningBot:
        if dialect not in running:
            running[dialect] = RunningBot(str(SCRIPT), dialect)
        running[dialect].told.clear()
        return running[dialect]

    yield start
    for each in running.values():
        each.end()


def configuration(bots: StartBot, dialects: list[str], *, record: str = "false") -> str:
    tables = [
        ASSISTANT.format(port=bots(dialect).port, dialect=dialect, record=record)
        for dialect in dialects
    ]
    return CONFIGURATION + "".join(tables)


@pytest.fixture(scope="module")
def bot_engine(bots: StartBot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEngine]:
    """An engine with an assistant of each dialect, by its name."""
    folder = tmp_path_factory.mktemp("engine")
    (folder / "rapida.toml").write_text(configuration(bots, DIALECTS, record="true"))
    with running_engine(folder / "engine.log", cwd=folder) as engine:
        yield engine
    assert "Traceback" not in engine.log.read_text()


@pytest.mark.parametrize("dialect", DIALECTS)
def test_speech_comes_back_through_an_unmodified_bot(
    bots: StartBot, bot_engine: RunningEngine, tmp_path: Path, dialect: str
) -> None:
    bot = bots(dialect)
    back = tmp_path / "back.wav"
    for _ in range(ATTEMPTS):
        report = call(
            bot_engine.uri(dialect),
            *("--play", str(SPEECH), "--record", str(back), "--duration", "3.5"),
        )
        left, right = read_wav(back)
        delay_ms, correlation = match(left, right)
        print(f"{dialect}: {delay_ms:.1f} ms, correlation {correlation:.5f}")
        if correlation >= 0.99:
            break
    assert correlation >= 0.99
    assert report["packets_lost"] == 0
    closed = bot.wait(lambda: bot.all("closed"))
    assert closed[-1]["code"] == 1000
    if dialect != "vonage":
        assert bot.messages("stop")


@pytest.fixture
def application(bots: StartBot) -> Iterator[RunningBot]:
    running = RunningBot(str(APPLICATION))
    yield running
    running.end()


def test_a_whole_pipecat_application_detects_its_vendor_and_echoes(
    application: RunningBot, tmp_path: Path
) -> None:
    tables = [
        ASSISTANT.format(port=application.port, dialect=dialect, record="false")
        + 'parameters = { from_number = "{caller}" }\n'
        for dialect in ("twilio", "exotel")
    ]
    (tmp_path / "rapida.toml").write_text(CONFIGURATION + "".join(tables))
    back = tmp_path / "back.wav"
    with running_engine(tmp_path / "engine.log", cwd=tmp_path) as engine:
        for dialect in ("twilio", "exotel"):
            for _ in range(ATTEMPTS):
                options = ("--play", str(SPEECH), "--record", str(back), "--duration", "3.5")
                call(engine.uri(dialect), *options)
                delay_ms, correlation = match(*read_wav(back))
                print(f"{dialect}: {delay_ms:.1f} ms, correlation {correlation:.5f}")
                if correlation >= 0.99:
                    break
            assert correlation >= 0.99
            detected = application.all("detected")[-1]
            assert detected["kind"] == dialect
            assert detected["from_number"].startswith("sip:")
            application.wait(
                lambda dialect=dialect: {"what": "over", "kind": dialect} in (application.told)
            )


def test_sipp_talks_to_an_unmodified_bot(
    bots: StartBot, bot_engine: RunningEngine, start_sipp: StartSipp, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("sipp replays packets through a raw socket, which only root may open")
    if not (SIPP_PCAPS / "g711a.pcap").exists():
        skip_or_fail(f"sipp's sample packets are not in {SIPP_PCAPS}")
    (tmp_path / "uac").mkdir()
    (tmp_path / "uac" / "pcap").symlink_to(SIPP_PCAPS)
    bot = bots("twilio")
    recordings = bot_engine.log.parent / "recordings"
    before = set(recordings.glob("*.wav"))
    target = f"{HOST}:{bot_engine.port}"
    caller = start_sipp("uac_pcap", target, "-m", "1", "-s", "twilio", name="uac")
    result = caller.wait(timeout=30)
    assert (result.exit_code, result.successful, result.errors) == (0, 1, "")
    bot.wait(lambda: bot.all("closed"))
    (recording,) = set(recordings.glob("*.wav")) - before
    said, heard = read_wav(recording)
    assert match_of_most_pieces(said, heard).correlation >= 0.99
    assert [each["key"] for each in bot.all("key")] == ["1"]  # which the capture ends with


# -- seen on the wire, by the clock of this machine ---------------------------------------------


@pytest.fixture
async def connected(
    bench: Bench, bots: StartBot, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[PhoneCall, RunningBot]]:
    """A call to a bot that has heard of it."""
    dialect = request.param
    bot = bots(dialect)
    await bench.start(configuration(bots, [dialect]))
    phone_call = await (await bench.phone()).call(dialect)
    await eventually(lambda: bot.all("message"), 10.0)
    yield phone_call, bot
    await phone_call.bye()
    await bench.idle()


def loud(packet: RtpPacket) -> bool:
    pcm = np.frombuffer(ulaw_decode(packet.payload), "<i2").astype(float)
    return packet.payload_type == 0 and float(np.sqrt(np.mean(pcm**2))) > 300


@pytest.mark.parametrize("connected", DIALECTS, indirect=True)
async def test_a_clear_silences_the_caller_within_40_ms(
    connected: tuple[PhoneCall, RunningBot],
) -> None:
    phone_call, bot = connected
    delays = []
    for number in range(1, ATTEMPTS + 1):
        await phone_call.rtp.press(4)
        at = asyncio.get_running_loop().time()
        await eventually(lambda at=at: [p for p in phone_call.rtp.heard if p.at > at and loud(p)])
        await asyncio.sleep(0.3)
        await phone_call.rtp.press(5)
        await eventually(lambda number=number: len(bot.all("cleared")) == number)
        await asyncio.sleep(0.3)
        cleared = bot.all("cleared")[-1]["at"]
        last = max(p.at for p in phone_call.rtp.heard if loud(p))
        delays.append(last + PACKET_S - cleared)
        if delays[-1] <= 0.040:
            break
    print(f"silent after {[round(1000 * each, 1) for each in delays]} ms")
    assert min(delays) <= 0.040


@pytest.mark.parametrize("connected", DIALECTS, indirect=True)
async def test_marks_come_back_within_20_ms_of_the_rtp_schedule(
    connected: tuple[PhoneCall, RunningBot],
) -> None:
    phone_call, bot = connected
    name = "websocket:notify" if bot.messages("websocket:connected") else "mark"
    worst = []
    for number in range(1, ATTEMPTS + 1):
        began = asyncio.get_running_loop().time()
        await phone_call.rtp.press(6)
        await eventually(lambda number=number: len(bot.messages(name)) == 3 * number)
        marks = bot.messages(name)[-3:]
        names = [(m["message"].get("mark") or m["message"]["payload"])["name"] for m in marks]
        assert names == ["m0", "m1", "m2"]
        packets = [p for p in phone_call.rtp.heard if p.at > began and loud(p)]
        # The tones follow each other without a gap: each is 25 packets long.
        ends = [packets[24].at, packets[49].at, packets[74].at]
        late = [mark["at"] - end for mark, end in zip(marks, ends, strict=True)]
        worst.append(max(abs(each) for each in late))
        if worst[-1] <= 0.020:
            break
        await asyncio.sleep(0.2)
    print(f"off by {[round(1000 * each, 1) for each in worst]} ms at worst")
    assert min(worst) <= 0.020
