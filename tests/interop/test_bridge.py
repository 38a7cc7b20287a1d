"""The agent ``bridge:`` and a transfer by a second leg, between programs of other houses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, RunningEngine, running_command, running_engine
from rapida_media.demo.ports import free_port

from .audio import read_wav, words_within
from .baresip import MODULES, Phone
from .caller import call, run_call
from .conftest import StartSipp
from .sipp import Sipp

pytestmark = pytest.mark.interop

CONFIGURATION = """
[assistants.through]
agent = "bridge:{uri}"
[assistants.desk]
agent = "python:desk:agent"
"""
# Transfers the caller; where nobody answers, echoes.
DESK = """
from rapida_media import Audio

async def agent(call):
    outcome = await call.transfer("{uri}", mode="bridge", ring_seconds=1.0)
    async for event in call:
        if isinstance(event, Audio):
            call.write(event.pcm)
"""
StartEngine = Callable[[str], RunningEngine]


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[StartEngine]:
    """Start an engine that connects ``through@`` and transfers ``desk@`` to a URI."""
    log = tmp_path / "engine.log"
    log.touch()
    with ExitStack() as stack:

        def start(uri: str) -> RunningEngine:
            (tmp_path / "rapida.toml").write_text(CONFIGURATION.format(uri=uri))
            (tmp_path / "desk.py").write_text(DESK.format(uri=uri))
            return stack.enter_context(running_engine(log, cwd=tmp_path))

        yield start
    assert "Traceback" not in log.read_text(), log.read_text()


def succeeds(sipp: Sipp, calls: int = 1) -> None:
    result = sipp.wait(60)
    told = (result.exit_code, result.successful, result.troubles, result.errors)
    assert told == (0, calls, {}, "")


def uri_of(sipp: Sipp) -> str:
    return f"sip:service@{HOST}:{sipp.sip_port}"


def test_speech_goes_through_to_a_callee_and_comes_back(
    start_engine: StartEngine, start_sipp: StartSipp, tmp_path: Path
) -> None:
    callee = start_sipp("uas", "-rtp_echo", "-m", "1", "-timeout", "40", name="callee")
    engine = start_engine(uri_of(callee))
    heard = tmp_path / "heard.wav"
    report = call(
        engine.uri("through"), "--play", str(SPEECH), "--codec", "pcmu", "--record", str(heard)
    )
    succeeds(callee)
    assert report["answered"]
    assert report["packets_lost"] == 0
    said, back = read_wav(heard)
    assert words_within(SPEECH, said) >= 0.99
    assert words_within(SPEECH, back) >= 0.99


def test_calls_go_through_at_a_rate(start_engine: StartEngine, start_sipp: StartSipp) -> None:
    callee = start_sipp("uas", "-rtp_echo", "-m", "60", "-timeout", "40", name="callee")
    engine = start_engine(uri_of(callee))
    caller = start_sipp(
        "uac", f"{HOST}:{engine.port}", "-s", "through", "-rtp_echo",
        "-m", "60", "-r", "15", "-d", "1000", "-timeout", "40", "-timeout_error", name="caller",
    )  # fmt: skip
    succeeds(caller, 60)
    succeeds(callee, 60)


def test_a_busy_callee_is_busy_to_the_caller(
    start_engine: StartEngine, start_sipp: StartSipp
) -> None:
    callee = start_sipp("callee_busy", "-m", "1", "-timeout", "30", name="callee")
    done = run_call(start_engine(uri_of(callee)).uri("through"), "--duration", "2")
    report = json.loads(done.stdout)
    succeeds(callee)
    assert (report["answered"], report["status"], report["reason"]) == (False, 486, "busy")


@pytest.mark.parametrize("stage", ["trying", "rings", "early"])
def test_a_caller_that_gives_up_takes_the_callee_back(
    start_engine: StartEngine, start_sipp: StartSipp, stage: str
) -> None:
    callee = start_sipp(f"callee_{stage}", "-m", "1", "-timeout", "30", name="callee")
    engine = start_engine(uri_of(callee))
    how = {"trying": "trying", "rings": "ringing", "early": "early"}[stage]
    caller = start_sipp(
        f"caller_gives_up_{how}", f"{HOST}:{engine.port}", "-s", "through",
        "-m", "1", "-timeout", "30", name="caller",
    )  # fmt: skip
    succeeds(caller)
    succeeds(callee)


def test_the_caller_is_back_with_the_agent_when_nobody_answers(
    start_engine: StartEngine, start_sipp: StartSipp
) -> None:
    target = start_sipp("callee_rings", "-m", "1", "-timeout", "30", name="callee")
    engine = start_engine(uri_of(target))
    report = call(engine.uri("desk"), "--play", str(SPEECH), "--duration", "4")
    succeeds(target)
    assert report["answered"]
    assert report["correlation"] is not None  # the echo, once the transfer had failed


def test_the_caller_is_connected_by_a_transfer(
    start_engine: StartEngine, start_sipp: StartSipp
) -> None:
    callee = start_sipp("uas", "-rtp_echo", "-m", "1", "-timeout", "40", name="callee")
    uri = start_engine(uri_of(callee)).uri("desk")
    # Nobody hears what is said before the callee has answered: a small part of seven seconds.
    report = call(uri, "--play", str(SPEECH), "--duration", "6.7")
    succeeds(callee)
    assert report["answered"]
    assert report["correlation"] >= 0.9


def test_two_phones_without_a_common_codec_hear_each_other_speak(
    start_engine: StartEngine, baresip: str, tmp_path: Path
) -> None:
    if not MODULES.is_dir():
        pytest.skip(f"baresip's modules are not in {MODULES}")
    phone = Phone(baresip, tmp_path / "phone", free_port(), SPEECH)
    phone.configure("pcma")
    recording = tmp_path / "call.wav"
    with running_command(tmp_path / "baresip.log", phone.port, phone.command(25)):
        engine = start_engine(phone.uri)
        report = call(
            engine.uri("through"), "--play", str(SPEECH), "--record", str(recording),
            "--duration", "6.9", "--codec", "pcmu",
        )  # fmt: skip
    assert report["packets_lost"] == 0
    sent, heard = read_wav(recording)
    assert words_within(SPEECH, sent) >= 0.99
    assert words_within(SPEECH, heard) >= 0.99
    assert words_within(SPEECH, phone.heard()) >= 0.99
