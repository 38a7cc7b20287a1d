"""Fixtures of the tests against independent peers.

A peer that is not installed skips its tests, with the reason printed; where the environment says
CI=true it fails them instead, so that a pipeline cannot lose them silently.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from missing import skip_or_fail

from rapida_media.demo.engine import RunningEngine, running_engine

from .sipp import Sipp

PACKAGES = Path(__file__).with_name("packages.txt")


def package_of(program: str) -> str:
    for line in PACKAGES.read_text().splitlines():
        words = line.partition("#")[0].split()
        if words and words[0] == program:
            return words[1]
    raise LookupError(f"{program} is not listed in {PACKAGES}")


def require(program: str) -> str:
    """Give the program's path; skip the test without it, or fail it in CI."""
    path = shutil.which(program)
    if path is None:
        skip_or_fail(
            f"{program} is not installed (Debian/Ubuntu: apt-get install {package_of(program)})"
        )
    return path


@pytest.fixture
def sipp() -> str:
    return require("sipp")


@pytest.fixture
def baresip() -> str:
    return require("baresip")


@pytest.fixture
def linphonec() -> str:
    return require("linphonec")


@pytest.fixture
def kamailio() -> str:
    return require("kamailio")


CONFIGURATION = """
[store]
recordings = "recordings/"
[assistants.recorded]
agent = "echo"
record = true
"""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[RunningEngine]:
    """An engine that echoes every call, and records those to ``sip:recorded@``.

    The test fails when the engine logged a traceback.
    """
    (tmp_path / "rapida.toml").write_text(CONFIGURATION)
    with running_engine(tmp_path / "engine.log", "--agent", "echo", cwd=tmp_path) as running:
        yield running
    assert "Traceback" not in running.log.read_text(), running.log.read_text()


StartSipp = Callable[..., Sipp]


@pytest.fixture
def start_sipp(sipp: str, tmp_path: Path) -> Iterator[StartSipp]:
    started: list[Sipp] = []

    def start(scenario: str, *options: str, name: str = "sipp") -> Sipp:
        started.append(Sipp(sipp, tmp_path / name, scenario, *options))
        return started[-1]

    yield start
    for process in started:
        process.end()
