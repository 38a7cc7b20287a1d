"""The README tells the truth: its commands run, its agent works, its make targets exist."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from missing import skip_or_fail

from rapida_media.demo.engine import HOST, environment, running_command, running_engine
from rapida_media.demo.ports import free_port

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
COMMAND = ".venv/bin/rapida-media"
TIMEOUT_SECONDS = 60.0


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


SHELL_LINES = [line for block in fenced("sh") for line in block.splitlines() if line]
SERVE_LINES = [line for line in SHELL_LINES if line.startswith(f"{COMMAND} serve ")]
CLIENT_LINES = [
    line for line in SHELL_LINES if not line.startswith("make ") and line not in SERVE_LINES
]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory in which the README's relative paths hold, and its files may be written."""
    (tmp_path / "rapida_media").symlink_to(ROOT / "rapida_media")
    (agent,) = fenced("python")
    (tmp_path / "parrot.py").write_text(agent)
    return tmp_path


def option(words: list[str], name: str) -> str | None:
    return words[words.index(name) + 1] if name in words else None


def engine_options() -> Iterator[tuple[str, list[str]]]:
    """Give the port each engine of the README listens on, and its options but for the port."""
    yield "5060", []
    for line in SERVE_LINES:
        words = shlex.split(line)[2:]
        at = words.index("--sip")
        port = words[at + 1].rpartition(":")[2]
        del words[at : at + 2]
        at = words.index("--http")  # any port will do
        yield port, words[:at] + words[at + 2 :]


def run(line: str, port: str, real_port: int, directory: Path) -> None:
    words = shlex.split(line.replace(f":{port}", f":{real_port}"))
    if words[0] == COMMAND:
        words[:1] = [sys.executable, "-m", "rapida_media"]
    elif shutil.which(words[0]) is None:
        skip_or_fail(f"{words[0]} is not installed")
    done = subprocess.run(
        words,
        cwd=directory,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{line}\nexit {done.returncode}\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("line", CLIENT_LINES)
def test_every_command_succeeds_against_the_engine_it_is_written_for(
    line: str, directory: Path
) -> None:
    ((port, options),) = [each for each in engine_options() if f":{each[0]}" in line]
    log = directory / "engine.log"
    with running_engine(log, *options, cwd=directory) as engine:
        run(line, port, engine.port, directory)
    assert "Traceback" not in log.read_text(), log.read_text()
    if recording := option(shlex.split(line), "--record"):
        with wave.open(str(directory / recording)) as file:
            assert file.getnchannels() == 2
            assert file.getnframes() > 2 * file.getframerate()


def test_make_run_starts_the_engine_at_once_when_it_is_built(tmp_path: Path) -> None:
    if Path(sys.prefix) != ROOT / ".venv":
        pytest.skip("not running in .venv, which `make test` creates: make run would build it")
    port = free_port()
    command = ["make", "run", f"ARGS=--sip {HOST}:{port} --http {HOST}:0"]
    with running_command(tmp_path / "engine.log", port, command, cwd=ROOT) as engine:
        assert engine.port == port


def test_the_agent_is_fifteen_lines_or_fewer() -> None:
    (agent,) = fenced("python")
    assert len([line for line in agent.splitlines() if line.strip()]) <= 15


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"\bmake ([a-z]+)`", README)) | {
        line.split()[1] for line in SHELL_LINES if line.startswith("make ")
    }
    assert {"run", "test", "demo", "check"} <= targets
    for target in sorted(targets):
        done = subprocess.run(
            ["make", "--dry-run", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_every_file_linked_exists() -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
