"""Says where figures were measured: processor, compiler flags, versions, commit.

Called by `__main__.py` once a run, for the JSON and the head of the text.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sysconfig
from datetime import UTC, datetime
from pathlib import Path

from bench.results import Machine
from rapida_media.kernels import _g711, _resample

ROOT = Path(__file__).resolve().parent.parent
# Of the processor's flags, those that the kernels or the peers choose their code by.
VECTOR_FLAGS = (
    "sse2", "ssse3", "sse4_1", "avx", "avx2", "fma", "bmi2", "avx512bw", "avx512vbmi",
    "avx512_vnni", "asimd", "asimddp", "sve",
)  # fmt: skip


def describe() -> Machine:
    """Give the facts that figures depend on."""
    info = _cpu_info()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("describe", "--always", "--dirty", "--abbrev=12"),
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "flags": [flag for flag in VECTOR_FLAGS if flag in flags],
        "load_average": round(os.getloadavg()[0], 2),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "python_compiler": platform.python_compiler(),
        "compiler_flags": sysconfig.get_config_var("CFLAGS") or "",
        "variants": {"g711": _g711.variants(), "resample": _resample.variants()},
    }


def _cpu_info() -> dict[str, str]:
    """Read the first processor's entry; empty where the system does not say."""
    info: dict[str, str] = {}
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return info
    for line in text.split("\n\n", 1)[0].splitlines():
        key, _, value = line.partition(":")
        info[key.strip()] = value.strip()
    return info


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
