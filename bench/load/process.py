"""What the kernel says about the measured process, and where processes run.

Called by `level.py`, `churn.py` and `engine.py`. Linux only: /proc and CPU clocks of other
processes (clock_getcpuclockid(3)).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """One reading, summed over the processes and all their threads, dead ones included."""

    at: float  # time.monotonic
    cpu_s: float
    system_s: float  # the part of it spent in the kernel; in steps of a clock tick
    waited_s: float  # living threads were ready to run and had no core
    rss_bytes: int
    threads: int
    fds: int


def read_usage(pids: Sequence[int]) -> Usage:
    """Read the processes now. ProcessLookupError or FileNotFoundError if one has ended."""
    cpu = system = waited = 0.0
    rss = threads = fds = 0
    for pid in pids:
        folder = Path(f"/proc/{pid}")
        # The name, field 2, may hold spaces: fields are counted from the last ")".
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        cpu += _cpu_seconds(pid, int(fields[11]) + int(fields[12]))
        system += int(fields[12]) * _TICK_S
        threads += int(fields[17])
        rss += int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
        waited += _waited_seconds(folder)
        with contextlib.suppress(PermissionError):
            fds += len(os.listdir(folder / "fd"))
    return Usage(time.monotonic(), cpu, system, waited, rss, threads, fds)


def _cpu_seconds(pid: int, ticks: int) -> float:
    """utime + stime: the same sum as in /proc/PID/stat, in nanoseconds where the kernel allows.

    100 calls at 2 ms of set-up each are 20 ticks; ±1 of them would be 5 %. The clock id is the
    one clock_getcpuclockid(3) makes: the inverted pid, and 2 = scheduler time of all threads.
    """
    with contextlib.suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return ticks * _TICK_S


def _waited_seconds(folder: Path) -> float:
    """Run-queue wait of the living threads (second field of schedstat), 0 where not kept."""
    waited = 0
    for task in (folder / "task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            waited += int((task / "schedstat").read_text().split()[1])
    return waited / 1e9


def split_cores() -> tuple[int | None, set[int]]:
    """(core for the generator, cores for the engine); (None, all) where there is only one."""
    cores = os.sched_getaffinity(0)
    if len(cores) < 2:
        return None, cores
    generator = max(cores)
    return generator, cores - {generator}


def pin(pid: int, cores: set[int]) -> None:
    """Bind every thread of a process to these cores."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)
