"""Compiles, starts and commands the far ends' media process (`far_end.c`).

Called by `level.py` and `churn.py`; one process serves one level and ends with it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build" / "bench"
SOURCES = ("far_end.c", "telephone.c", "burst_code.c", "samples.c")
HEADERS = ("telephone.h", "burst_code.h", "samples.h")
FIRST_PORT = 40_000
ALL = -1


def compile_far_end() -> Path:
    """Give the path of the program, compiled if its sources are newer. Raises RuntimeError."""
    program = BUILD / "far_end"
    newest = max((HERE / name).stat().st_mtime for name in SOURCES + HEADERS)
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise RuntimeError("the load test needs a C compiler (cc, or the one named in CC)")
    BUILD.mkdir(parents=True, exist_ok=True)
    made = BUILD / f"far_end.{os.getpid()}"
    command = [compiler, "-std=gnu11", "-O2", "-Wall", "-Wextra", "-o", str(made)]
    done = subprocess.run([*command, *(str(HERE / name) for name in SOURCES), "-lm"], check=False)
    if done.returncode:
        raise RuntimeError(f"the load test's far end cannot be compiled: {compiler} failed")
    made.replace(program)
    return program


class FarEnd:
    """The media of `calls` telephones at one address; `ports[i]` is where telephone i listens."""

    def __init__(self, calls: int, address: str, core: int | None) -> None:
        """Start it, on that core if one is given, ahead of ordinary processes if allowed."""
        self._process = subprocess.Popen(
            [str(compile_far_end()), str(calls), address, str(FIRST_PORT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self.realtime = core is not None and self._take_core(core)
        words = self._read_line().split()
        self.ports = [int(word) for word in words[1:]]
        if len(self.ports) != calls:
            self.quit()
            raise RuntimeError(f"far_end gave {len(self.ports)} ports, expected {calls}")

    def _take_core(self, core: int) -> bool:
        """Pin, and run first there: a real telephone never waits for a processor."""
        os.sched_setaffinity(self.pid, {core})
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(self.pid, os.SCHED_FIFO, os.sched_param(1))
            return True
        return False

    def _tell(self, *words: str | int) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()

    def _read_line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def call(self, index: int, address: str, port: int, payload_type: int) -> None:
        """Telephone `index` is in a new call with this peer; it does not send yet."""
        self._tell("call", index, address, port, payload_type)

    def start(self, index: int = ALL) -> None:
        """Begin to send."""
        self._tell("start", index)

    def stop(self, index: int = ALL) -> None:
        """Stop sending; what still comes back is heard."""
        self._tell("stop", index)

    def open_window(self) -> None:
        """Count from here on."""
        self._tell("open")

    def close_window(self) -> None:
        """Count no packet sent from here on; those sent before may still return."""
        self._tell("close")

    def report(self) -> dict[str, Any]:
        """What the window held: counts, and percentiles in microseconds."""
        self._tell("report")
        figures: dict[str, Any] = json.loads(self._read_line())
        return figures

    def quit(self) -> None:
        """End the process; safe to call twice and after it died."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self._tell("quit")
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(timeout=5)

    def __enter__(self) -> FarEnd:
        return self

    def __exit__(self, *exc: object) -> None:
        self.quit()
