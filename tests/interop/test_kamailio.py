"""Kamailio between us and others: we register with it, and calls go both ways through it.

It asks for a password (401, 407), puts itself into the route (Record-Route) and relays; the media
goes directly.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rapida_media.demo import SPEECH
from rapida_media.demo.engine import (
    HOST,
    RunningEngine,
    free_port,
    running_command,
    running_engine,
)

from .audio import read_wav, words_within
from .baresip import MODULES, Phone
from .caller import call, run_call
from .test_registration import wait_for

pytestmark = pytest.mark.interop

# The engine, the proxy and the phone share a machine with other tests: of three calls one shows
# what the path can do.
ATTEMPTS = 3
CONFIGURATION = Path(__file__).with_name("kamailio.cfg")
PASSWORD = "open-sesame"
TRUNK = f"""
[limits]
drain_seconds = 1
[assistants.echo]
agent = "echo"
numbers = ["+4930123456"]
[trunks.office]
hosts = ["{HOST}"]
proxy = "{HOST}:%d"
transport = "%s"
username = "+4930123456"
password = "{PASSWORD}"
register = true
"""


@pytest.fixture
def proxy(kamailio: str, tmp_path: Path) -> Iterator[RunningEngine]:
    """A Kamailio of our own, ended by its pid."""
    port, folder = free_port(), tmp_path / "kamailio"
    folder.mkdir()
    command = [
        *(kamailio, "-DD", "-E", "-f", str(CONFIGURATION), "-A", f"PORT={port}"),
        *("-w", str(folder), "-Y", str(folder), "-P", str(folder / "pid"), "-m", "32", "-M", "4"),
    ]
    with running_command(tmp_path / "kamailio.log", port, command) as running:
        yield running


@pytest.fixture
def transport() -> str:
    return "udp"


@pytest.fixture
def registered(proxy: RunningEngine, tmp_path: Path, transport: str) -> Iterator[RunningEngine]:
    """An engine that echoes who calls its number at the proxy."""
    folder = tmp_path / "engine"
    folder.mkdir()
    (folder / "rapida.toml").write_text(TRUNK % (proxy.port, transport))
    with running_engine(folder / "engine.log", cwd=folder) as engine:
        wait_for(engine, "trunk office: registered for 120 s")
        yield engine
    assert "Traceback" not in engine.log.read_text(), engine.log.read_text()


def credentials(password: str = PASSWORD) -> tuple[str, ...]:
    return ("--user", "phone", "--password", password)


def messages(trace: str) -> list[str]:
    """Give what a ladder says of each message: its method, or its status."""
    arrows = [line.split("|")[1] for line in trace.split("\n") if line.endswith("|")]
    return [arrow.strip("-<> ").split(" ")[0] for arrow in arrows]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_to_our_number_comes_through_with_a_password_and_a_recorded_route(
    proxy: RunningEngine, registered: RunningEngine, transport: str
) -> None:
    report = call(
        proxy.uri("+4930123456"),
        *("--duration", "1", "--trace", "--transport", transport),
        *credentials(),
    )
    said = [each for each in messages(report["trace"]) if each != "100"]
    assert said == ["INVITE", "407", "ACK", "INVITE", "200", "ACK", "BYE", "200"]
    assert "Record-Route: <sip:" in report["trace"]
    assert "Proxy-Authorization: Digest …" in report["trace"]
    assert PASSWORD not in report["trace"]
    wait_for(registered, "ended: bye")


def test_the_speech_of_a_call_through_it_comes_back_intact(
    proxy: RunningEngine, registered: RunningEngine, tmp_path: Path
) -> None:
    back = tmp_path / "back.wav"
    speak = ("--play", str(SPEECH), "--record", str(back), "--duration", "6.9")
    for _ in range(ATTEMPTS):
        call(proxy.uri("+4930123456"), *speak, *credentials())
        _, heard = read_wav(back)
        if (correlation := words_within(SPEECH, heard)) >= 0.99:
            break
    assert correlation >= 0.99


def test_a_call_through_it_is_held_and_resumed(
    proxy: RunningEngine, registered: RunningEngine
) -> None:
    report = call(
        proxy.uri("+4930123456"), "--hold-at", "0.3", "--duration", "3", "--trace", *credentials()
    )
    assert report["held"] is True
    trace = report["trace"]
    assert messages(trace).count("INVITE") == 4, "the call, with its password, hold and resume"
    held = trace.index("a=sendonly")
    assert held < trace.index("a=recvonly", held) < trace.index("a=sendrecv", held)
    wait_for(registered, "ended: bye")


def test_it_lets_nobody_through_with_a_wrong_password(
    proxy: RunningEngine, registered: RunningEngine
) -> None:
    done = run_call(proxy.uri("+4930123456"), *credentials("guess"))
    report = json.loads(done.stdout)
    assert (done.returncode, report["status"], report["failure_class"]) == (
        1,
        407,
        "authentication",
    )
    assert "inbound call" not in registered.log.read_text()


def test_once_the_engine_has_stopped_its_number_is_known_no_more(
    proxy: RunningEngine, tmp_path: Path
) -> None:
    (tmp_path / "rapida.toml").write_text(TRUNK % (proxy.port, "udp"))
    with running_engine(tmp_path / "engine.log", cwd=tmp_path) as engine:
        wait_for(engine, "registered for 120 s")
    report = json.loads(run_call(proxy.uri("+4930123456"), *credentials()).stdout)
    assert (report["status"], report["reason"]) == (404, "not_found")


def test_a_call_outlives_sigterm_while_the_next_ones_are_sent_elsewhere(
    proxy: RunningEngine, tmp_path: Path
) -> None:
    config = (TRUNK % (proxy.port, "udp")).replace("drain_seconds = 1", "drain_seconds = 8")
    (tmp_path / "rapida.toml").write_text(config)
    with (
        ThreadPoolExecutor() as beside,
        running_engine(tmp_path / "engine.log", cwd=tmp_path) as engine,
    ):
        wait_for(engine, "registered for 120 s")
        number = proxy.uri("+4930123456")
        going_on = beside.submit(call, number, "--duration", "20", *credentials())
        wait_for(engine, "inbound call")
        os.kill(engine.pid, signal.SIGTERM)
        wait_for(engine, "trunk office: unregistered")
        report = json.loads(run_call(number, *credentials()).stdout)
        assert (report["status"], report["reason"]) == (404, "not_found")
        assert not going_on.done()
    # The second signal, at the end of the block, ended it.
    report = going_on.result()
    assert report["reason"] == "bye"
    assert report["packets_received"] >= 20


def test_we_call_baresip_by_it_as_a_trunk_and_both_hear_the_other(
    proxy: RunningEngine, baresip: str, tmp_path: Path
) -> None:
    if not MODULES.is_dir():
        pytest.skip(f"baresip's modules are not in {MODULES}")
    phone = Phone(baresip, tmp_path / "phone", free_port(), SPEECH)
    phone.configure("pcma")
    (phone.directory / "accounts").write_text(
        f"<sip:desk@{HOST}:{proxy.port};transport=udp>;auth_user=desk;auth_pass={PASSWORD}"
        ";regint=60;answermode=auto;audio_codecs=pcma\n"
    )
    config = tmp_path / "phone.toml"
    config.write_text((TRUNK % (proxy.port, "udp")).replace("register = true", ""))
    recording = tmp_path / "call.wav"
    log = tmp_path / "baresip.log"
    with running_command(log, phone.port, phone.command(30)) as running:
        wait_for(running, "200 OK")
        report = call(
            "desk",
            *("--config", str(config), "--trunk", "office", "--duration", "6.9"),
            *("--play", str(SPEECH), "--record", str(recording), "--trace"),
        )
    assert "407" in messages(report["trace"])
    sent, heard = read_wav(recording)
    assert words_within(SPEECH, sent) >= 0.99
    assert words_within(SPEECH, heard) >= 0.99
    assert words_within(SPEECH, phone.heard()) >= 0.99
