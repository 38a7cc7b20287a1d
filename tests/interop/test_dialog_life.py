"""The life of a call as carriers and PBXs drive it, played by sipp with the scenarios in sipp/."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rapida_media.demo.engine import HOST, RunningEngine, running_engine

from .caller import run_call
from .conftest import StartSipp
from .sipp import Sipp

pytestmark = pytest.mark.interop

CONFIGURATION = """
[sip]
min_session_expires = 2
[rtp]
media_timeout = {media_timeout}
[assistants.desk]
agent = "python:desk:agent"
answer = "agent"
[assistants.moving]
agent = "echo"
follow_transfers = true
"""
DESK = """
import asyncio

from rapida_media import Audio

async def agent(call):
    await call.ring()
    await asyncio.sleep(0.2)
    await call.progress()
    await asyncio.sleep(0.2)
    await call.answer()
    async for event in call:
        if isinstance(event, Audio):
            call.write(event.pcm)
"""
StartEngine = Callable[..., RunningEngine]


@pytest.fixture
def start_engine(tmp_path: Path) -> Iterator[StartEngine]:
    """Start an engine with an agent that decides, one that follows transfers, and the echo."""
    with ExitStack() as stack:
        log = tmp_path / "engine.log"

        def start(media_timeout: float = 30) -> RunningEngine:
            text = CONFIGURATION.format(media_timeout=media_timeout)
            (tmp_path / "rapida.toml").write_text(text)
            (tmp_path / "desk.py").write_text(DESK)
            engine = running_engine(log, "--agent", "echo", cwd=tmp_path)
            return stack.enter_context(engine)

        yield start
    assert "Traceback" not in log.read_text(), log.read_text()


def succeeds(sipp: Sipp, timeout: float = 60) -> None:
    result = sipp.wait(timeout)
    told = (result.exit_code, result.successful, result.troubles, result.errors)
    assert told == (0, 1, {}, "")


@pytest.mark.parametrize(
    ("scenario", "called"),
    [
        ("hold_resume", "echo"),
        ("late_offer", "echo"),
        ("no_stream", "echo"),
        ("prack", "desk"),
        ("late_prack", "desk"),
        ("unacknowledged", "desk"),
        ("update", "echo"),
        ("timer_caller_refreshes", "echo"),
        ("timer_engine_updates", "echo"),
        ("timer_engine_reinvites", "echo"),
        ("timer_expires", "echo"),
        ("interval_too_small", "echo"),
        ("refer_refused", "echo"),
        ("refer_number", "moving"),
        ("info_message", "echo"),
        ("cancel_late", "echo"),
        ("cancel_nothing", "echo"),
        ("incompatible_offer", "echo"),
    ],
)
def test_a_caller_is_served(
    start_engine: StartEngine, start_sipp: StartSipp, scenario: str, called: str
) -> None:
    engine = start_engine()
    options = ("-s", called, "-m", "1", "-timeout", "50", "-timeout_error")
    succeeds(start_sipp(scenario, f"{HOST}:{engine.port}", *options))


@pytest.mark.parametrize(
    ("scenario", "target", "ended"),
    [
        ("refer_success", "callee_answers", "ended: media_timeout"),
        ("refer_failure", "callee_busy", "ended: bye"),
    ],
)
def test_a_caller_sends_its_call_elsewhere(
    start_engine: StartEngine,
    start_sipp: StartSipp,
    scenario: str,
    target: str,
    ended: str,
) -> None:
    engine = start_engine(media_timeout=2)
    callee = start_sipp(target, "-m", "1", "-timeout", "30", name="callee")
    succeeds(
        start_sipp(
            scenario, f"{HOST}:{engine.port}", "-s", "moving",
            "-key", "refer_to", f"sip:service@{HOST}:{callee.sip_port}",
            "-m", "1", "-timeout", "30", "-timeout_error",
        )
    )  # fmt: skip
    succeeds(callee)
    assert ended in engine.log.read_text()


# As callee, of ``rapida-media call``.


def report_of(uri: str, *options: str) -> dict[str, Any]:
    done = run_call(uri, "--duration", "1", *options)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.parametrize(
    "scenario", ["callee_prack", "callee_interval", "callee_answers", "callee_forks"]
)
def test_a_callee_is_called(start_sipp: StartSipp, scenario: str) -> None:
    callee = start_sipp(scenario, "-rtp_echo", "-m", "1", "-timeout", "30")
    report = report_of(f"sip:service@{HOST}:{callee.sip_port}")
    succeeds(callee)
    assert (report["answered"], report["status"]) == (True, 200)
    assert report["packets_received"] > 20


def test_a_callee_whose_own_offer_is_on_its_way_is_asked_again(start_sipp: StartSipp) -> None:
    callee = start_sipp("callee_glare", "-rtp_echo", "-m", "1", "-timeout", "40")
    report = report_of(
        f"sip:service@{HOST}:{callee.sip_port}", "--hold-at", "0.2", "--duration", "8"
    )
    succeeds(callee)
    at = {event["event"]: event["at_ms"] for event in report["events"]}
    # "If the UAC is the owner of the Call-ID of the dialog ID, T has a randomly chosen value
    # between 2.1 and 4 seconds" (RFC 3261 section 14.1).
    assert report["held"] is True
    assert at["held"] - at["answered"] >= 200 + 2_100


def test_a_callee_sends_the_call_elsewhere(start_sipp: StartSipp) -> None:
    answers = start_sipp("callee_answers", "-rtp_echo", "-m", "1", "-timeout", "30")
    moved_to = f"sip:service@{HOST}:{answers.sip_port}"
    redirects = start_sipp(
        "callee_redirects", "-key", "moved_to", moved_to, "-m", "1", name="redirects"
    )
    report = report_of(f"sip:service@{HOST}:{redirects.sip_port}")
    succeeds(redirects)
    succeeds(answers)
    assert report["answered"]
    assert report["packets_received"] > 20


def test_a_callee_that_is_busy_is_reported(start_sipp: StartSipp) -> None:
    callee = start_sipp("callee_busy", "-m", "1", "-timeout", "30")
    report = report_of(f"sip:service@{HOST}:{callee.sip_port}")
    succeeds(callee)
    assert (report["answered"], report["status"], report["reason"]) == (False, 486, "busy")
