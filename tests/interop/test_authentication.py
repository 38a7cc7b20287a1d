"""sipp asks us for a password, and we ask sipp."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rapida_media.demo.engine import HOST, RunningEngine, running_engine

from .caller import call, run_call
from .sipp import Sipp

pytestmark = pytest.mark.interop

StartSipp = Callable[..., Sipp]
ONCE = ("-timeout", "30", "-timeout_error", "-m", "1")

CONFIGURATION = f"""
[sip]
digest = ["%s"]
[trunks.phones]
hosts = ["{HOST}"]
username = "alice"
password = "open sesame"
"""


@pytest.fixture
def start_sipp(sipp: str, tmp_path: Path) -> Iterator[StartSipp]:
    started: list[Sipp] = []

    def start(scenario: str, *options: str) -> Sipp:
        started.append(Sipp(sipp, tmp_path / "sipp", scenario, *ONCE, *options))
        return started[-1]

    yield start
    for process in started:
        process.end()


@pytest.fixture
def digest() -> str:
    return "MD5"


@pytest.fixture
def guarded(tmp_path: Path, digest: str) -> Iterator[RunningEngine]:
    """An engine that asks every caller for alice's password."""
    (tmp_path / "rapida.toml").write_text(CONFIGURATION % digest)
    with running_engine(tmp_path / "engine.log", "--agent", "echo", cwd=tmp_path) as running:
        yield running
    assert "Traceback" not in running.log.read_text(), running.log.read_text()


def succeeded(process: Sipp) -> None:
    result = process.wait(timeout=40)
    assert (result.exit_code, result.successful, result.troubles, result.errors) == (0, 1, {}, "")


@pytest.mark.parametrize(
    ("scenario", "password"), [("uac_401", "open sesame"), ("uac_401_refused", "guess")]
)
def test_we_ask_sipp_for_a_password_and_check_it(
    guarded: RunningEngine, start_sipp: StartSipp, scenario: str, password: str
) -> None:
    uac = start_sipp(
        scenario, f"{HOST}:{guarded.port}", "-s", "echo", "-au", "alice", "-ap", password
    )
    succeeded(uac)


@pytest.mark.parametrize("scenario", ["uas_401", "uas_407"])
def test_sipp_asks_us_for_a_password_and_takes_the_call(
    start_sipp: StartSipp, scenario: str
) -> None:
    uas = start_sipp(scenario, "-rtp_echo")
    report = call(
        f"sip:service@{HOST}:{uas.sip_port}",
        *("--user", "alice", "--password", "open sesame", "--duration", "0.3"),
    )
    succeeded(uas)
    assert report["answered"] is True


def test_sipp_refuses_our_wrong_password(start_sipp: StartSipp) -> None:
    uas = start_sipp("uas_401")
    done = run_call(f"sip:service@{HOST}:{uas.sip_port}", "--user", "alice", "--password", "guess")
    succeeded(uas)
    assert done.returncode == 1
    assert json.loads(done.stdout)["status"] == 403


@pytest.mark.parametrize("digest", ["MD5", "SHA-256"])
def test_our_phone_calls_our_engine_with_the_password_and_not_without(
    guarded: RunningEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASSWORD", "open sesame")
    uri = guarded.uri("echo")
    report = call(uri, "--user", "alice", "--password", "env:PASSWORD", "--duration", "0.3")
    assert report["answered"] is True
    assert json.loads(run_call(uri).stdout)["status"] == 401
    refused = run_call(uri, "--user", "alice", "--password", "guess")
    assert json.loads(refused.stdout)["status"] == 403
