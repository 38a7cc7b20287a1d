"""Run ``rapida-media call`` as a user does, and read its JSON report."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from rapida_media.demo.engine import environment

CALL_TIMEOUT = 60.0


def run_call(uri: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Place the call; give exit code and output."""
    return subprocess.run(
        [sys.executable, "-m", "rapida_media", "call", uri, *options, "--json"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CALL_TIMEOUT,
        check=False,
    )


def call(uri: str, *options: str) -> dict[str, Any]:
    """Place the call; give the report. Fails with what was printed unless the exit code is 0."""
    done = run_call(uri, *options)
    assert done.returncode == 0, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    report: dict[str, Any] = json.loads(done.stdout)
    return report
