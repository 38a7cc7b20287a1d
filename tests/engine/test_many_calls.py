"""Ten thousand short calls in a row leave everything as it was."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

from bench.load.churn import ChurnResult, measure_churn
from bench.load.engine import Engine, start_engine
from bench.load.report import format_churn

WARM_UP_CALLS, CALLS = 500, 10_000
AT_ONCE = 90
# Longer than what 64*T1 is in measured_engine, and than a report of RTCP is ever put off: until
# then the deadline of a call that is over stays in its heap.
SETTLE_S = 8.0
# What Python holds is counted exactly: one forgotten object in ten calls would be more than this.
PYTHON_BLOCKS = 1000
# What C code holds shows in the resident memory only, whose high-water mark a busy machine raises
# late; one forgotten stream in twenty calls would be more than this.
MEMORY_KB = 8 * 1024


def figures(engine: Engine, file: Path) -> dict[str, int]:
    """Ask the engine what it holds."""
    file.unlink(missing_ok=True)
    os.kill(engine.pids[0], signal.SIGUSR1)
    deadline = time.monotonic() + 5
    while not file.exists():
        assert time.monotonic() < deadline, "the engine does not answer"
        time.sleep(0.02)
    read: dict[str, int] = json.loads(file.read_text())
    return read


def grown_kb(result: ChurnResult) -> int:
    """Give how much the memory grew over the second half of the calls."""
    half = next(r for r in result.readings if r.calls_ended >= CALLS // 2)
    return (result.readings[-1].rss_bytes - half.rss_bytes) // 1024


@pytest.mark.many_calls
@pytest.mark.skipif(shutil.which("cc") is None, reason="the far ends need cc")
def test_ten_thousand_calls_in_a_row_leave_everything_as_it_was(tmp_path: Path) -> None:
    script, file = Path(__file__).with_name("measured_engine.py"), tmp_path / "figures.json"
    command = shlex.join([sys.executable, str(script)]) + f" {{sip}} {shlex.quote(str(file))}"
    with start_engine(command) as engine:
        measure_churn(engine, WARM_UP_CALLS, parallel=AT_ONCE, settle_s=SETTLE_S)
        before = figures(engine, file)
        result = measure_churn(engine, CALLS, parallel=AT_ONCE, settle_s=SETTLE_S)
        after = figures(engine, file)
    print()
    print(format_churn(result))
    for name, value in before.items():
        print(f"{name:16}{value:10}{after[name]:10}{after[name] - value:+10}")
    print(f"memory over the second half of the calls: {grown_kb(result):+d} kB")

    assert result.answered == result.readings[-1].calls_ended == CALLS, result.statuses
    assert abs(after.pop("python_blocks") - before.pop("python_blocks")) < PYTHON_BLOCKS
    assert after == before
    assert not any(after[name] for name in ("calls", "sessions", "transactions", "timers"))
    assert grown_kb(result) < MEMORY_KB
    assert engine.last_words() == ""
