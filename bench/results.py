"""What a run of the benchmark leaves: its shape, its JSON, and the comparison of two of them.

Shapes and arithmetic on them; `harness.py` fills rows, `report.py` prints, `targets.py` judges.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

import msgspec

FORMAT = 1
SLOWER = 1.10  # so many times as long beside the peers, quartiles apart, is a regression
# How far a quality figure may move, and which way is worse (+1: more, -1: less).
QUALITY_LIMITS: dict[str, tuple[float, int]] = {
    "ripple dB": (0.001, +1),
    "rejection dB": (0.5, -1),
    "SINAD 1 kHz dB": (0.5, -1),
    "SINAD 3 kHz dB": (0.5, -1),
    "delay ms": (0.02, +1),
    "worst delay ms": (0.02, +1),
    "lost ms": (0.02, +1),
    "codes unlike ITU's": (0.0, +1),
    "largest difference": (0.0, +1),
    "signal to noise dB": (0.5, -1),
    "3 % single": (0.03, -1),
    "3 % random": (0.03, -1),
    "3 % bursty": (0.03, -1),
    "MOS": (0.03, -1),
    "U": (0.03, -1),
    "in place %": (0.1, -1),
    "PESQ": (0.03, -1),
    "STOI": (0.003, -1),
}

Fact = float | bool | str | None


class Figure(TypedDict):
    """One candidate in one row; times per item, ratios against the reference (above 1: slower)."""

    lower_ns: float
    median_ns: float
    upper_ns: float
    samples: int
    ratio: float
    ratio_lower: float
    ratio_upper: float


class RowResult(TypedDict):
    floor_ns: float
    figures: dict[str, Figure]
    missing: dict[str, str]


class TableResult(TypedDict):
    """facts: quality beside speed, as group -> candidate -> column -> value."""

    title: str
    rows: dict[str, RowResult]
    facts: dict[str, dict[str, dict[str, Fact]]]


class Machine(TypedDict):
    when: str
    commit: str
    cpu: str
    cores: int | None
    flags: list[str]
    load_average: float
    system: str
    python: str
    python_compiler: str
    compiler_flags: str
    variants: dict[str, list[str]]


class Results(TypedDict):
    """seconds: measured for, per candidate and row; files of old have none."""

    format: int
    machine: Machine
    versions: dict[str, str]
    missing: dict[str, str]
    seconds: NotRequired[float]
    tables: dict[str, TableResult]


def try_to_write(folder: Path) -> None:
    """Raise OSError now rather than when all is measured."""
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def save(results: Results, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")


def load(path: Path) -> Results:
    """Read a file that `save` wrote. ValueError for anything else."""
    try:
        read = json.loads(path.read_text())
        if not isinstance(read, dict) or read.get("format") != FORMAT:
            raise ValueError("another format")
        return msgspec.convert(read, Results)
    except ValueError as error:
        raise ValueError(
            f"{path}: expected the benchmark's results in format {FORMAT}: {error}"
        ) from None


class Change(NamedTuple):
    """One figure that got worse. `factor` is new to old for times, new minus old for quality."""

    where: str
    text: str
    factor: float


def other_machine(old: Results, new: Results) -> str | None:
    """Say what makes two runs hard to compare, if anything does."""
    for key, then, now in (
        ("cpu", old["machine"]["cpu"], new["machine"]["cpu"]),
        ("python", old["machine"]["python"], new["machine"]["python"]),
        ("seconds per candidate", old.get("seconds"), new.get("seconds")),
    ):
        if then is not None and now is not None and then != now:
            return f"{key}: then {then}, now {now}"
    return None


def compare(old: Results, new: Results, ours: str = "rapida-media") -> list[Change]:
    """List what got worse in our own candidates: theirs or their group's name starts with `ours`.

    Times are judged beside the peers of the same row, the no-op call among them: what moves all of
    them is the machine, not us. Rows that only one of the two runs has are passed over.
    """
    changes: list[Change] = []
    for name, table in new["tables"].items():
        before = old["tables"].get(name)
        if before is not None:
            changes += _slower(name, before, table, ours)
            changes += _worse(name, before, table, ours)
    return changes


def _slower(name: str, old: TableResult, new: TableResult, ours: str) -> Iterator[Change]:
    for row, result in new["rows"].items():
        then = old["rows"].get(row, {"floor_ns": 0.0, "figures": {}, "missing": {}})["figures"]
        now = result["figures"]
        both = [candidate for candidate in now if candidate in then and now[candidate]["ratio"]]
        peers = [(then[peer], now[peer]) for peer in both if not peer.startswith(ours)]
        for candidate in both:
            if not candidate.startswith(ours) or not peers:
                continue
            factor, surely = _beside(then[candidate], now[candidate], peers)
            if factor > SLOWER and surely > 1:
                before, after = then[candidate]["median_ns"], now[candidate]["median_ns"]
                text = f"{before:.0f} → {after:.0f} ns, {factor:.2f} times as long beside the peers"
                yield Change(f"{name}: {row}: {candidate}", text, factor)


def _beside(
    before: Figure, after: Figure, peers: list[tuple[Figure, Figure]]
) -> tuple[float, float]:
    """Give how many times as long something takes now, and what the quartiles leave of that.

    Ratios within a round are compared, not times: the machine may be another from row to row.
    """
    factors = [
        (after["ratio"] / peer_after["ratio"]) / (before["ratio"] / peer_before["ratio"])
        for peer_before, peer_after in peers
    ]
    surely = [
        (after["ratio_lower"] / peer_after["ratio_upper"])
        / (before["ratio_upper"] / peer_before["ratio_lower"])
        for peer_before, peer_after in peers
    ]
    return statistics.median(factors), statistics.median(surely)


def _worse(name: str, old: TableResult, new: TableResult, ours: str) -> Iterator[Change]:
    for group, candidates in new["facts"].items():
        for candidate, columns in candidates.items():
            before = old["facts"].get(group, {}).get(candidate, {})
            if not candidate.startswith(ours) and not group.startswith(ours):
                continue
            for column, after in columns.items():
                was = before.get(column)
                difference = _difference(column, was, after)
                if difference:
                    where = f"{name}: {group}: {candidate}"
                    yield Change(where, f"{column}: {was} → {after}", difference)


def _difference(column: str, was: Fact, now: Fact) -> float:
    """Give by how much a quality figure got worse; 0 when it did not."""
    if isinstance(was, bool) and isinstance(now, bool):
        return 1.0 if was and not now else 0.0
    limit = QUALITY_LIMITS.get(column)
    if limit is None or not isinstance(was, int | float) or not isinstance(now, int | float):
        return 0.0
    tolerance, direction = limit
    difference = (now - was) * direction
    return difference if difference > tolerance else 0.0
