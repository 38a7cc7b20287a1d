"""Start ``rapida-media serve`` as a subprocess on a free loopback port, and surely end it.

Called by the demo, by the interoperability tests and by the test of the README.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rapida_media.demo.ports import free_port

HOST = "127.0.0.1"
START_SECONDS = 15.0
STOP_SECONDS = 10.0
OPTIONS_RETRY_SECONDS = 0.1
PACKAGE_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class RunningEngine:
    """An engine that answered an OPTIONS request. log: the file its output goes to."""

    port: int
    pid: int
    log: Path

    def uri(self, user: str) -> str:
        return f"sip:{user}@{HOST}:{self.port}"


def environment() -> dict[str, str]:
    """Give the environment in which a subprocess, wherever it starts, imports this package."""
    inherited = os.environ.get("PYTHONPATH")
    path = [str(PACKAGE_ROOT), *([inherited] if inherited else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def running_engine(
    log: Path, *options: str, cwd: Path | None = None
) -> AbstractContextManager[RunningEngine]:
    """Run ``serve`` with the options, on a free port, until the block ends.

    It works in a folder of its own, beside the log, unless cwd names one: what one engine keeps of
    its calls is not another's.
    """
    if cwd is None:
        cwd = log.with_suffix("")
        cwd.mkdir(exist_ok=True)
    port = free_port()
    serve = [sys.executable, "-m", "rapida_media", "serve", "--sip", f"{HOST}:{port}"]
    serve += ["--http", f"{HOST}:0", *options]
    return running_command(log, port, serve, cwd=cwd)


@contextmanager
def running_command(
    log: Path, port: int, command: Sequence[str], *, cwd: Path | None = None
) -> Iterator[RunningEngine]:
    """Run a command that starts an engine on the port, until the block ends.

    Raises RuntimeError, with what the engine printed, when it does not answer OPTIONS in time
    or ends by itself before the block does.
    """
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own engine
            command,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            if not _answers_options(process, port):
                raise RuntimeError(f"the engine did not start:\n{log.read_text()}")
            yield RunningEngine(port, process.pid, log)
            if process.poll() is not None:
                raise RuntimeError(f"the engine ended by itself:\n{log.read_text()}")
        finally:
            _end(process)


def _answers_options(process: subprocess.Popen[bytes], port: int) -> bool:
    """Ping the engine (RFC 3261 section 11) until it answers, ends, or time is up."""
    deadline = time.monotonic() + START_SECONDS
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as ping:
        ping.bind((HOST, 0))
        ping.settimeout(OPTIONS_RETRY_SECONDS)
        request = _options_request(port, ping.getsockname()[1])
        while time.monotonic() < deadline and process.poll() is None:
            try:
                ping.sendto(request, (HOST, port))
                if ping.recv(65535).startswith(b"SIP/2.0 "):
                    return True
            except TimeoutError:
                continue
    return False


def _options_request(port: int, local_port: int) -> bytes:
    return (
        f"OPTIONS sip:{HOST}:{port} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP {HOST}:{local_port};branch=z9hG4bKready{local_port}\r\n"
        f"From: <sip:ready@{HOST}>;tag=ready\r\n"
        f"To: <sip:{HOST}:{port}>\r\n"
        f"Call-ID: ready-{local_port}\r\n"
        "CSeq: 1 OPTIONS\r\n"
        "Max-Forwards: 70\r\n"
        "Content-Length: 0\r\n"
        "\r\n"
    ).encode()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask once to drain, once more to end at once, then stop asking."""
    for _ in range(2):
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    process.wait()
