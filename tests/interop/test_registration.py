"""The engine registers with sipp, with the right and with a wrong password."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rapida_media.demo.engine import HOST, RunningEngine, running_engine

from .sipp import Sipp

pytestmark = pytest.mark.interop

CONFIGURATION = """
[trunks.carrier]
hosts = ["{host}"]
proxy = "{host}:{port}"
transport = "{transport}"
username = "alice"
password = "{password}"
register = true
"""


@pytest.fixture
def start_registrar(sipp: str, tmp_path: Path) -> Iterator[Callable[..., Sipp]]:
    started: list[Sipp] = []

    def start(*options: str) -> Sipp:
        once = ("-timeout", "40", "-timeout_error", "-m", "1")
        started.append(Sipp(sipp, tmp_path / "sipp", "registrar", *once, *options))
        return started[-1]

    yield start
    for process in started:
        process.end()


def wait_for(engine: RunningEngine, text: str) -> None:
    deadline = time.monotonic() + 15
    while text not in engine.log.read_text():
        assert time.monotonic() < deadline, engine.log.read_text()
        time.sleep(0.05)  # another program's progress: nothing to wait on but its file


def run(tmp_path: Path, registrar: Sipp, transport: str, password: str, until: str) -> str:
    (tmp_path / "rapida.toml").write_text(
        CONFIGURATION.format(
            host=HOST, port=registrar.sip_port, transport=transport, password=password
        )
    )
    log = tmp_path / "engine.log"
    with running_engine(log, "--agent", "echo", cwd=tmp_path) as engine:
        wait_for(engine, until)
    result = registrar.wait(timeout=40)
    assert (result.exit_code, result.successful, result.troubles, result.errors) == (0, 1, {}, "")
    assert "Traceback" not in log.read_text(), log.read_text()
    return log.read_text()


@pytest.mark.parametrize(("transport", "option"), [("udp", "u1"), ("tcp", "t1")])
def test_it_registers_with_a_password_follows_423_and_unregisters_when_it_stops(
    start_registrar: Callable[..., Sipp], tmp_path: Path, transport: str, option: str
) -> None:
    registrar = start_registrar("-t", option)
    log = run(tmp_path, registrar, transport, "open sesame", "registered for 7200 s")
    assert "open sesame" not in log


def test_a_wrong_password_is_logged_and_the_engine_goes_on(
    start_registrar: Callable[..., Sipp], tmp_path: Path
) -> None:
    log = run(tmp_path, start_registrar(), "udp", "guess", "registration failed (403 Forbidden)")
    assert "guess" not in log
