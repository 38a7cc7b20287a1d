"""``rapida-media call`` holds, transfers and calls by a trunk; its exit status says whether it
worked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from rapida_media.demo.engine import HOST, RunningEngine, running_engine
from rapida_media.media.wav import wave_header

from .caller import call, run_call

SERVER = """
[limits]
drain_seconds = 1
[store]
recordings = "recordings/"
[assistants.echo]
agent = "echo"
numbers = ["+4930123456"]
[assistants.follows]
agent = "echo"
follow_transfers = true
[trunks.phones]
hosts = ["127.0.0.1"]
username = "phone"
password = "hunter2"
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningEngine]:
    """An engine that wants a password of everybody."""
    folder = tmp_path / "server"
    folder.mkdir()
    (folder / "rapida.toml").write_text(SERVER)
    with running_engine(folder / "engine.log", cwd=folder) as running:
        yield running
    assert "Traceback" not in running.log.read_text(), running.log.read_text()


def test_a_call_is_held_and_resumed_at_the_time_asked_for(engine: RunningEngine) -> None:
    report = call(engine.uri("echo"), "--hold-at", "0.3", "--duration", "3")
    at = {event["event"]: event["at_ms"] for event in report["events"]}
    assert report["held"] is True
    assert at["held"] - at["answered"] >= 300
    assert at["resumed"] - at["held"] >= 2_000


def test_a_call_is_transferred_where_the_far_end_follows(
    engine: RunningEngine, server: RunningEngine
) -> None:
    report = call(
        server.uri("follows"),
        *("--transfer-to", engine.uri("recorded"), "--dtmf", "1"),
        *("--user", "phone", "--password", "hunter2"),
    )
    assert (report["transfer_status"], report["reason"]) == (200, "transferred")
    assert "inbound call" in engine.log.read_text()


def test_a_transfer_that_is_refused_ends_with_a_failure(engine: RunningEngine) -> None:
    done = run_call(engine.uri("echo"), "--transfer-to", f"sip:x@{HOST}", "--dtmf", "1")
    report = json.loads(done.stdout)
    assert (done.returncode, report["answered"], report["transfer_status"]) == (1, True, 603)


def test_a_call_of_a_given_length_is_transferred_at_its_end(engine: RunningEngine) -> None:
    done = run_call(engine.uri("echo"), "--transfer-to", f"sip:x@{HOST}", "--duration", "0.5")
    report = json.loads(done.stdout)
    assert (done.returncode, report["transfer_status"]) == (1, 603)
    assert report["duration_s"] >= 0.5


def test_a_hold_that_was_never_due_ends_with_a_failure(engine: RunningEngine) -> None:
    done = run_call(engine.uri("echo"), "--hold-at", "60", "--duration", "0.3")
    assert (done.returncode, json.loads(done.stdout)["held"]) == (1, False)


def test_a_transfer_of_a_call_that_ended_before_ends_with_a_failure(tmp_path: Path) -> None:
    hello = wave_header(16_000, 1, 8_000) + bytes(16_000)
    (tmp_path / "hello.wav").write_bytes(hello)
    with running_engine(
        tmp_path / "engine.log", "--agent", "play:hello.wav", cwd=tmp_path
    ) as engine:
        done = run_call(engine.uri("x"), "--transfer-to", f"sip:x@{HOST}")
    report = json.loads(done.stdout)
    assert (report["reason"], report["packets_received"] > 0) == ("bye", True)
    assert (done.returncode, report["transfer_status"]) == (1, 487)


def test_a_number_is_called_by_a_trunk_with_its_password(
    server: RunningEngine, tmp_path: Path
) -> None:
    config = tmp_path / "phone.toml"
    config.write_text(
        f'[trunks.office]\nhosts = ["{HOST}"]\nproxy = "{HOST}:{server.port}"\nregister = true\n'
        'username = "phone"\npassword = "hunter2"\ncodecs = ["PCMA"]\n'
    )
    options = ("--config", str(config), "--trunk", "office", "--duration", "0.5")
    done = run_call("+4930123456", *options, "--trace")
    report = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, ""), "it neither fails nor tries to register"
    assert report["codec"] == "PCMA"
    assert "407 Proxy Authentication" in report["trace"] or "401 Unauthorized" in report["trace"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--trunk", "nobody"), "no trunk 'nobody'"),
        (("--trunk", "office", "--user", "a", "--password", "b"), "the trunk has its own"),
        ((), "--config is for --trunk"),
    ],
)
def test_what_is_wrong_with_a_trunk_is_said_in_a_sentence(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    config = tmp_path / "phone.toml"
    config.write_text(f'[trunks.office]\nhosts = ["{HOST}"]\n')
    done = run_call("+4930123456", "--config", str(config), *options)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
