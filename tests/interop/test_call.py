"""Our softphone calls our engine: the speech comes back whole, soon and unchanged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import HOST, RunningEngine
from rapida_media.demo.ports import free_port

from .audio import match, read_wav
from .caller import call, run_call

# The delay is the path's; a stall of the whole machine during a call adds to it. Of three calls
# one shows what the path can do.
ATTEMPTS = 3


@pytest.mark.parametrize("codec", ["pcmu", "pcma"])
def test_the_echo_is_the_speech_delayed_by_no_more_than_60_ms(
    engine: RunningEngine, tmp_path: Path, codec: str
) -> None:
    back = tmp_path / "back.wav"
    for _ in range(ATTEMPTS):
        report = call(
            engine.uri("echo"),
            *("--play", str(SPEECH), "--record", str(back), "--duration", "5", "--codec", codec),
        )
        left, right = read_wav(back)
        delay_ms, correlation = match(left, right)
        print(f"{codec}: {delay_ms:.2f} ms, correlation {correlation:.5f}; {report}")
        if correlation >= 0.99 and delay_ms <= 60:
            break
    assert left.seconds >= 4.9
    assert correlation >= 0.99
    assert 0 < delay_ms <= 60
    assert report["answered"] is True
    assert report["round_trip_ms"] <= 60
    assert report["correlation"] >= 0.99
    assert report["packets_lost"] == 0
    assert report["packets_received"] >= 200
    names = [event["event"] for event in report["events"]]
    assert (names[-1], {"answered", "first_media"} <= set(names)) == ("ended", True)


def test_a_traced_call_prints_its_messages_at_the_end_and_no_password(
    engine: RunningEngine,
) -> None:
    report = call(
        engine.uri("echo"), "--duration", "0.5", "--trace", "--user", "me", "--password", "hunter2"
    )
    arrows = [line for line in report["trace"].split("\n") if line.endswith("|")]
    said = [line.split("|")[1].strip("-<> ").split(" ")[0] for line in arrows]
    assert said == ["INVITE", "100", "200", "ACK", "BYE", "200"]
    assert "m=audio" in report["trace"]
    assert "hunter2" not in report["trace"]
    times = {event["event"]: event["at_ms"] for event in report["events"]}
    assert times["invite"] <= times["answered"] <= times["ack"] <= times["bye"] <= times["ended"]
    assert times["first_rtp_out"] >= times["answered"]


def test_a_call_that_nobody_takes_exits_non_zero_and_says_so() -> None:
    done = run_call(f"sip:nobody@{HOST}:{free_port()}", "--transport", "tcp")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert json.loads(done.stdout)["answered"] is False
