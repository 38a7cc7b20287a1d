"""The measured process: started by us, or somebody else's found by its pid.

Called by `__main__.py`. Only what was started here is ever ended, and by its pid.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from rapida_media.demo.ports import free_port
from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.uri import parse_uri

from .caller import Caller
from .far_end import BUILD, HERE
from .process import Usage, pin, read_usage, split_cores

ROOT = HERE.parent.parent
DEFAULT_COMMAND = (
    f"{shlex.quote(sys.executable)} -m rapida_media serve"
    f" --config {shlex.quote(str(HERE / 'load.toml'))}"
    " --sip {sip} --http 127.0.0.1:0 --agent python:echo_agent:agent"
)
START_LIMIT_S = 15.0
STOP_LIMIT_S = 5.0


class Engine:
    """Where to call, whose CPU and memory to read, and how to end it."""

    def __init__(
        self,
        target: str,
        destination: tuple[str, int],
        pids: Sequence[int],
        *,
        child: subprocess.Popen[bytes] | None = None,
        log: Path | None = None,
    ) -> None:
        self.target, self.destination = target, destination
        self.pids = list(pids)
        self.address = _address_towards(destination)
        self.first_rss_bytes: int | None = None  # after the warm-up, before any level
        self._child, self._log = child, log
        self._old_cores = {pid: os.sched_getaffinity(pid) for pid in self.pids}
        generator, engine_cores = split_cores()
        if generator is not None:
            for pid in self.pids:
                pin(pid, engine_cores)

    @property
    def is_ours(self) -> bool:
        """Whether we started it."""
        return self._child is not None

    def usage(self) -> Usage:
        """CPU, memory, threads and descriptors now. RuntimeError if it has ended."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if self._child is None or self._child.poll() is None:
                return read_usage(self.pids)
        raise RuntimeError(f"the engine ended while it was measured\n{self.last_words()}")

    def stop(self) -> None:
        """End what we started (SIGTERM, again, then SIGKILL); give another's cores back."""
        if self._child is None:
            for pid, cores in self._old_cores.items():
                with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                    pin(pid, cores)
            return
        for end in (self._child.terminate, self._child.terminate, self._child.kill):
            end()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(STOP_LIMIT_S)
                return

    def last_words(self) -> str:
        """The end of its log, for the message that says why it could not be measured."""
        if self._log is None or not self._log.exists():
            return ""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()


def start_engine(command: str) -> Engine:
    """Start a command line on a free port and wait until it answers SIP.

    `{sip}` becomes ADDRESS:PORT, `{port}` the port alone. RuntimeError with its last words if it
    ends or stays silent.
    """
    port = free_port()
    words = shlex.split(command.replace("{sip}", f"127.0.0.1:{port}").replace("{port}", str(port)))
    BUILD.mkdir(parents=True, exist_ok=True)
    log = BUILD / "engine.log"
    path = [str(HERE), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with log.open("wb") as output:
        try:
            child = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=BUILD,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            )
        except OSError as error:
            raise RuntimeError(f"the engine cannot be started: {error}") from None
    destination = ("127.0.0.1", port)
    engine = Engine(f"sip:echo@127.0.0.1:{port}", destination, [child.pid], child=child, log=log)
    if not _answers(engine, child):
        engine.stop()
        raise RuntimeError(f"the engine did not answer SIP: {command}\n{engine.last_words()}")
    return engine


def attach_engine(target: str, pids: Sequence[int]) -> Engine:
    """Measure a running server: `sip:user@host[:port]` and the pids whose CPU counts.

    RuntimeError for an address that is none and a process that is not there.
    """
    try:
        uri = parse_uri(target)
        address = socket.gethostbyname(uri.host)
    except (RemoteProtocolError, OSError) as error:
        raise RuntimeError(f"--target {target}: {error}; expected sip:user@host:port") from None
    try:
        return Engine(target, (address, uri.port or 5060), pids)
    except ProcessLookupError:
        raise RuntimeError(f"--pid {','.join(map(str, pids))}: there is no such process") from None


def _answers(engine: Engine, child: subprocess.Popen[bytes]) -> bool:
    """Ask until it answers an OPTIONS, it ends, or the time is up."""
    caller = Caller(engine.target, engine.destination, engine.address)
    try:
        for _ in range(int(START_LIMIT_S / 0.25)):
            if child.poll() is not None:
                return False
            if caller.ping(0.25):
                return True
        return False
    finally:
        caller.close()


def _address_towards(destination: tuple[str, int]) -> str:
    """Our own address as that destination sees it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(destination)
        address: str = probe.getsockname()[0]
        return address
