"""Our softphone calls our engine: the speech comes back whole, soon and unchanged."""

from __future__ import annotations

import json
import socket
from contextlib import closing
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, RunningEngine

from .audio import match, read_wav
from .caller import call, run_call


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_the_echo_is_the_speech_delayed_by_no_more_than_60_ms(
    engine: RunningEngine, tmp_path: Path, codec: str
) -> None:
    back = tmp_path / "back.wav"
    report = call(
        engine.uri("echo"),
        *("--play", str(SPEECH), "--record", str(back), "--duration", "5", "--codec", codec),
    )
    rate_hz, (left, right) = read_wav(back)
    delay_ms, correlation = match(left, right, rate_hz)
    print(f"{codec}: {delay_ms:.2f} ms, correlation {correlation:.5f}; {report}")
    assert len(left) >= 4.9 * rate_hz
    assert correlation >= 0.99
    assert 0 < delay_ms <= 60
    assert report["answered"] is True
    assert report["round_trip_ms"] <= 60
    assert report["correlation"] >= 0.99
    assert report["packets_lost"] == 0
    assert report["packets_received"] >= 200
    names = [event["event"] for event in report["events"]]
    assert (names[-1], {"answered", "first_media"} <= set(names)) == ("ended", True)


def test_a_refused_call_exits_non_zero_and_reports_that_nobody_answered() -> None:
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as nobody:
        nobody.bind((HOST, 0))
        port = nobody.getsockname()[1]
    done = run_call(f"sip:nobody@{HOST}:{port}", "--duration", "1")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["answered"] is False
