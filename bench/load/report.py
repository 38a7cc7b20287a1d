"""The load test's words: the table, the JSON file, and the machine it was measured on.

Called by `__main__.py`.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .churn import ChurnResult
from .engine import ROOT
from .level import LevelResult
from .setups import SetupsResult

RESULTS = ROOT / "bench" / "results"
HEADINGS = (
    ("calls", ""),
    ("answered", ""),
    ("echoed", "%"),
    ("round trip", "p50 p99 ms"),
    ("gaps", "p50 p99 p99.9 ms"),
    ("gaps >40 ms", "count, share"),
    ("core a call", "%"),
    ("kB a call", "RSS"),
    ("set-up CPU", "ms"),
    ("set-up", "p95 ms"),
    ("waited", "%"),
    ("gen. late", "p99.9 ms"),
)


def machine_facts() -> dict[str, Any]:
    """CPU model, cores, kernel, versions."""
    model = "unknown"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    try:
        version = importlib.metadata.version("rapida-media")
    except importlib.metadata.PackageNotFoundError:
        version = "not installed"
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "libc": " ".join(platform.libc_ver()),
        "rapida_media": version,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write_json(label: str, document: dict[str, Any]) -> Path:
    """Write bench/results/load-LABEL.json; gives its path."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"load-{label}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def format_levels(results: Sequence[LevelResult]) -> str:
    """The table, and a line under it for every level that is not as it should be."""
    rows = [[heading for heading, _ in HEADINGS], [unit for _, unit in HEADINGS]]
    rows += [_row(result) for result in results]
    lines = aligned(rows)
    lines.insert(2, "─" * max(map(len, lines)))
    return "\n".join([*lines, *(note for result in results for note in _notes(result))])


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """One line a row, every column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _row(result: LevelResult) -> list[str]:
    late = f"{result.generator['lateness_ms']['p999']:.2f}"
    start = [str(result.calls), str(result.answered)]
    if (
        result.refused
        or result.echoed_share is None
        or result.round_trip_ms is None
        or result.gap_ms is None
        or result.set_up_ms is None
    ):
        return [*start, *(["refused"] if result.refused else ["–"]), *["–"] * 8, late]
    trip, gap = result.round_trip_ms, result.gap_ms
    return [
        *start,
        f"{100 * result.echoed_share:.3f}",
        f"{trip['p50']:.1f} {trip['p99']:.1f}",
        f"{gap['p50']:.1f} {gap['p99']:.1f} {gap['p999']:.1f}",
        f"{result.gaps_over_40_ms}, {100 * (result.gaps_over_40_ms_share or 0):.4f} %",
        f"{result.core_percent_per_call:.4f}",
        f"{(result.memory_bytes_per_call or 0) / 1000:.1f}",
        f"{result.set_up_cpu_ms:.2f}",
        f"{result.set_up_ms['p95']:.1f}",
        f"{100 * (result.waited_share or 0):.1f}",
        late,
    ]


def _notes(result: LevelResult) -> list[str]:
    notes = []
    if result.refused:
        notes.append(f"refused: {result.refused}; repeat on a quiet machine")
    failed = {status: n for status, n in result.statuses.items() if status != 200}
    if failed:
        notes.append("final responses " + ", ".join(f"{n} × {s}" for s, n in failed.items()))
    if result.core_percent == 0:
        notes.append("the processes of --pid used no CPU: they are not the server's")
    if (result.waited_share or 0) > 0.05:
        notes.append("other processes had the engine's core for more than 5 % of the window")
    notes += [
        f"{result.media[name]} packets {text}"
        for name, text in (
            ("foreign", "with the audio of another call"),
            ("duplicate", "came back twice"),
            ("other", "were not audio of the agreed type"),
        )
        if result.media.get(name)
    ]
    if result.media.get("silent_calls"):
        notes.append(f"{result.media['silent_calls']} calls heard nothing back")
    notes += [f"{n} {name}".replace("_", " ") for name, n in result.signalling.items() if n]
    return [f"  {result.calls} calls: {note}" for note in notes]


def format_churn(result: ChurnResult) -> str:
    """The figures at the start and at the end, and how the calls went."""
    first, last = result.readings[0], result.readings[-1]
    lines = [
        f"{result.calls} short calls in {result.seconds:.1f} s: {result.answered} answered, "
        f"{100 * result.echoed_share:.2f} % echoed, {result.cpu_ms_per_call:.2f} ms of CPU a call, "
        f"set-up p95 {result.set_up_ms['p95']:.1f} ms",
        f"{'':12}{'start':>10}{'end':>10}{'change':>10}",
    ]
    for name, start, end in (
        ("descriptors", first.fds, last.fds),
        ("threads", first.threads, last.threads),
        ("RSS kB", first.rss_bytes // 1000, last.rss_bytes // 1000),
    ):
        lines.append(f"{name:12}{start:>10}{end:>10}{end - start:>+10}")
    lines += [f"  {n} {name}".replace("_", " ") for name, n in result.signalling.items() if n]
    failed = {status: n for status, n in result.statuses.items() if status != 200}
    lines += [f"  {n} × {status}" for status, n in failed.items()]
    if result.generator_note:
        lines.append(f"  note: {result.generator_note}")
    return "\n".join(lines)


def format_setups(result: SetupsResult) -> str:
    """One line: what a core can do, and how soon calls are answered at the measured rate."""
    return (
        f"{result.calls} calls at {result.rate:.0f} per second: {result.answered} answered, "
        f"{result.cpu_ms_per_call:.2f} ms of CPU a call = {result.per_core_second:.0f} set up and "
        f"torn down per second and core, answered within {result.answer_ms['p50']:.1f} ms (p50), "
        f"{result.answer_ms['p95']:.1f} ms (p95)"
    )
