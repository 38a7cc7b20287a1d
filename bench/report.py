"""Results as text for people: one block a row, fastest first, then quality beside speed.

Called by `__main__.py`; docs/benchmarks.md says what each column means.
"""

from __future__ import annotations

from bench.harness import NO_OP, SECONDS
from bench.results import Change, Fact, Figure, Results, RowResult, TableResult

NAME_WIDTH = 38
UNITS = (("ns", 1.0, 10_000), ("µs", 1e3, 10_000_000), ("ms", 1e6, float("inf")))


def format_results(results: Results) -> str:
    parts = [format_head(results)]
    parts += [format_table(name, table) for name, table in results["tables"].items()]
    parts.append(format_missing(results))
    return "\n\n".join(parts) + "\n"


def format_head(results: Results) -> str:
    machine = results["machine"]
    variants = "; ".join(f"{name}: {', '.join(v)}" for name, v in machine["variants"].items())
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    return "\n".join([
        f"rapida-media {machine['commit']}, {machine['when']}",
        f"{machine['cpu']}, {machine['cores']} cores, load {machine['load_average']}, "
        f"{machine['python']}, {machine['system']}",
        f"processor flags: {' '.join(machine['flags'])}",
        f"our vector variants, the best in use: {variants}",
        f"beside: {versions}",
        *_length(results),
    ])  # fmt: skip


def _length(results: Results) -> list[str]:
    seconds = results.get("seconds")
    if seconds is None:
        return []
    rough = ": rough figures, nothing to compare with" if seconds < SECONDS else ""
    return [f"each candidate measured for {seconds:g} s a row{rough}"]


def format_missing(results: Results) -> str:
    if not results["missing"]:
        return "Missing: nothing; every peer that we know was measured."
    lines = [f"  {name:12} {how}" for name, how in results["missing"].items()]
    return "\n".join(["Missing, and therefore not measured:", *lines])


def format_table(name: str, table: TableResult) -> str:
    head = f"{name} · {table['title']}"
    blocks = [f"{head}\n{'=' * len(head)}"]
    blocks += [format_row(row, result) for row, result in table["rows"].items()]
    for group, candidates in table["facts"].items():
        blocks.append(format_facts(group, _with_speed(group, candidates, table)))
    return "\n\n".join(blocks)


def format_row(name: str, result: RowResult) -> str:
    figures = result["figures"]
    unit, scale = unit_of(max(figure["median_ns"] for figure in figures.values()))
    if unit == "ms":  # a slow peer should not make the fast ones unreadable
        unit, scale = unit_of(min(f["median_ns"] for n, f in figures.items() if n != NO_OP))
    columns = ("lower", "median", "upper", "- call", "times")
    lines = [f"{name:{NAME_WIDTH}}{unit:>4}" + "".join(f"{title:>11}" for title in columns)]
    for candidate, figure in sorted(figures.items(), key=_by_time):
        lines.append(f"  {candidate:{NAME_WIDTH + 2}}" + _numbers(figure, result, scale))
    lines += [
        f"  {who:{NAME_WIDTH + 2}}    missing: {how}" for who, how in result["missing"].items()
    ]
    return "\n".join(lines)


def _by_time(entry: tuple[str, Figure]) -> tuple[bool, float]:
    return entry[0] == NO_OP, entry[1]["median_ns"]


def _numbers(figure: Figure, result: RowResult, scale: float) -> str:
    above = max(0.0, figure["median_ns"] - result["floor_ns"])
    times = [figure["lower_ns"], figure["median_ns"], figure["upper_ns"], above]
    ratio = f"{figure['ratio']:.2f}" if figure["ratio"] else "-"
    return "".join(f"{time / scale:11.{_digits(time / scale)}f}" for time in times) + f"{ratio:>11}"


def _digits(value: float) -> int:
    return 0 if value >= 1000 else 1 if value >= 10 else 3


def unit_of(nanoseconds: float) -> tuple[str, float]:
    """Give the unit that a time reads well in, and its nanoseconds."""
    return next((unit, scale) for unit, scale, limit in UNITS if nanoseconds < limit)


def _with_speed(
    group: str, candidates: dict[str, dict[str, Fact]], table: TableResult
) -> dict[str, dict[str, Fact]]:
    """Put the time of a 20 ms item before the quality of the same job, where there is one."""
    row = table["rows"].get(f"{group}, 20 ms")
    if row is None:
        return candidates
    joined: dict[str, dict[str, Fact]] = {}
    for name, columns in candidates.items():
        figure = row["figures"].get(name)
        speed: Fact = None if figure is None else figure["median_ns"] / 1000
        joined[name] = {"µs a push": speed, **columns}
    return joined


def format_facts(group: str, candidates: dict[str, dict[str, Fact]]) -> str:
    """Lay quality out with a head of as many lines as the longest title has words.

    A column is as wide as its widest word or value.
    """
    titles = list(dict.fromkeys(title for columns in candidates.values() for title in columns))
    words = [title.split() for title in titles]
    rows = {
        name: [format_fact(columns.get(title)) for title in titles]
        for name, columns in candidates.items()
    }
    widths = [
        max(8, *(len(text) + 2 for text in [*words_, *(row[place] for row in rows.values())]))
        for place, words_ in enumerate(words)
    ]
    width = max(NAME_WIDTH, len(group) + 1)
    height = max((len(words_) for words_ in words), default=0)
    lines = []
    for level in range(height):
        cells = [([""] * (height - len(w)) + w)[level] for w in words]
        left = group if level == height - 1 else ""
        lines.append(f"{left:{width}}" + _cells(cells, widths))
    for name, cells in rows.items():
        lines.append(f"  {name:{width - 2}}" + _cells(cells, widths))
    return "\n".join(lines)


def _cells(cells: list[str], widths: list[int]) -> str:
    return "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))


def format_fact(value: Fact) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return f"{round(value, 4) or 0:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def format_changes(changes: list[Change], old: str) -> str:
    if not changes:
        return f"Nothing of ours got worse since {old}."
    lines = [f"  {change.where}: {change.text}" for change in changes]
    return "\n".join([f"Worse than in {old}:", *lines])
