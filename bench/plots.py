"""The pictures: speed × quality × delay of resamplers, their responses, bars of who takes how long.

Called by `__main__.py` after a run, for the tables that were measured. Needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from bench.converters import CONVERTERS
from bench.harness import NO_OP, MissingPeerError
from bench.quality import Pair, response
from bench.results import Results, RowResult, TableResult

INK, MUTED, RULE = "#1b2430", "#6b7684", "#dfe4ea"
OURS, OURS_TOO, THEIRS = "#0f766e", "#5fb3a8", "#b8c1cc"
PEERS = ("#d9580d", "#7c5cc4", "#2f6fb3", "#a8842c", "#c2416b")
CLEAN = LinearSegmentedColormap.from_list("clean", ["#d9580d", "#e8c468", "#0f766e"])
SCATTERED = {"8→16 kHz": "8 → 16 kHz", "24→16 kHz": "24 → 16 kHz"}
RESPONDING = (
    "rapida-media",
    "rapida-media low_delay",
    "soxr HQ",
    "speexdsp q3",
    "samplerate sinc_fastest",
    "PyAV swresample",
    "audioop ratecv",
)
WORST_SHOWN_DB, BEST_SHOWN_DB = 30, 100
LEAST_DELAY_MS = 0.05  # a logarithmic axis has no zero


def draw(run: Results, out: Path) -> list[Path]:
    """Draw what the tables of this run allow; give the files."""
    figures: dict[str, Figure] = {}
    tables = run["tables"]
    where = f"{run['machine']['cpu']}, {run['machine']['python']}"
    if "resamplers" in tables:
        figures["resamplers"] = scatter(tables["resamplers"], where)
        figures["responses"] = responses(Pair(8000, 16000))
    for name, title, rows in (
        ("messages", "One Twilio message, 20 ms of audio", None),
        ("rtp", "One RTP payload, 20 ms of audio", None),
        ("g711", "G.711, 20 ms of audio", ("μ-law decode, 20 ms", "μ-law encode, 20 ms")),
        ("g722", "G.722, 20 ms of audio", ("decode, 20 ms", "encode, 20 ms")),
        ("sip", "One SIP message", None),
    ):
        if name in tables:
            figures[name] = bars(title, tables[name], rows, where)
    paths = []
    for name, figure in figures.items():
        paths.append(out / f"{name}.png")
        figure.savefig(paths[-1])
    return paths


def _canvas(title: str, subtitle: str, width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    top = 1 - 0.34 / height
    figure.text(0.35 / width, top, title, fontsize=15, fontweight="bold", color=INK, va="center")
    figure.text(0.35 / width, top - 0.3 / height, subtitle, fontsize=9.5, color=MUTED, va="center")
    return figure


def _plain(axes: Axes, *, grid: str = "both") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(RULE)
    axes.tick_params(colors=MUTED, labelsize=9, length=0, which="both")
    axes.grid(axis=grid, color=RULE, linewidth=0.7)  # type: ignore[arg-type]
    axes.set_axisbelow(True)


# ---- speed × quality × delay ----


def scatter(table: TableResult, where: str) -> Figure:
    figure = _canvas(
        "Resamplers: fast, clean, on time",
        f"A push of 20 ms on {where}. Towards the lower left is better; green is clean.",
        12.8,
        6.4,
    )
    shown = [pair for pair in SCATTERED if pair in table["facts"]]
    colours = Normalize(WORST_SHOWN_DB, BEST_SHOWN_DB)
    grid = figure.add_gridspec(
        1, len(shown), left=0.065, right=0.9, top=0.83, bottom=0.11, wspace=0.14
    )
    drawn: Any = None
    for place, pair in enumerate(shown):
        axes = figure.add_subplot(grid[place])
        drawn = _scatter_pair(axes, table, pair, colours)
    if drawn is not None:
        bar = figure.colorbar(drawn, cax=figure.add_axes((0.925, 0.11, 0.012, 0.72)), extend="both")
        bar.set_label("rejection of images and aliases, dB", color=MUTED, fontsize=9)
        bar.ax.tick_params(colors=MUTED, labelsize=9, length=0)
        bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _scatter_pair(axes: Axes, table: TableResult, pair: str, colours: Normalize) -> Any:
    figures = table["rows"][f"{pair}, 20 ms"]["figures"]
    points = [
        (
            figures[name]["median_ns"] / 1000,
            columns["worst delay ms"],
            columns["rejection dB"],
            name,
        )
        for name, columns in table["facts"][pair].items()
        if name in figures
    ]
    micros = [point[0] for point in points]
    delays = [max(LEAST_DELAY_MS, float(point[1] or 0)) for point in points]
    quality = [float(point[2] or 0) for point in points]
    sizes = [190 if point[3].startswith("rapida-media") else 90 for point in points]
    drawn = axes.scatter(
        micros, delays, c=quality, s=sizes, cmap=CLEAN, norm=colours, edgecolors=INK, linewidths=0.6
    )
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(min(micros) / 1.8, max(micros) * 4)
    axes.set_ylim(LEAST_DELAY_MS / 1.6, 250)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("µs per push", color=MUTED, fontsize=9)
    axes.set_ylabel("delay at worst, ms", color=MUTED, fontsize=9)
    axes.set_title(SCATTERED[pair], loc="left", fontsize=11, color=INK)
    _plain(axes)
    _label_points(axes, micros, delays, [point[3] for point in points])
    return drawn


def _label_points(axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str]) -> None:
    """Write each name beside its point, lower where two would cover each other."""
    taken: list[tuple[float, float]] = []
    for number in np.argsort(y)[::-1]:
        right, up = np.log10(x[number]), np.log10(y[number])
        drop = 0.0
        while any(abs(right - a) < 0.75 and abs(up + drop - b) < 0.085 for a, b in taken):
            drop -= 0.03
        taken.append((right, up + drop))
        ours = names[number].startswith("rapida-media")
        axes.annotate(
            names[number],
            (x[number], 10 ** (up + drop)),
            xytext=(10 if ours else 8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9 if ours else 8.5,
            fontweight="bold" if ours else "normal",
            color=OURS if ours else INK,
        )


# ---- frequency responses ----


def responses(pair: Pair) -> Figure:
    lower_hz, upper_hz = min(pair.from_hz, pair.to_hz), max(pair.from_hz, pair.to_hz)
    figure = _canvas(
        f"What passes, and what should not: {pair.from_hz // 1000} → {pair.to_hz // 1000} kHz",
        "Gain from a sine to itself below, and to its image above, the middle; measured through "
        "20 ms pushes of 16-bit samples.",
        12.8,
        7.6,
    )
    grid = figure.add_gridspec(
        2, 1, left=0.065, right=0.975, top=0.86, bottom=0.08, hspace=0.26, height_ratios=(1.7, 1)
    )
    whole, passband = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    colours = iter(PEERS)
    for name in RESPONDING:
        try:
            hz, gain_db = response(partial(CONVERTERS[name], pair.from_hz, pair.to_hz), pair)
        except MissingPeerError:
            continue
        ours = name.startswith("rapida-media")
        colour = (OURS if name == "rapida-media" else OURS_TOO) if ours else next(colours)
        style: dict[str, Any] = {"linewidth": 2.2 if ours else 1.2, "color": colour, "label": name}
        style["zorder"] = 3 if ours else 2
        whole.plot(hz / 1000, gain_db, **style)
        inside = hz < lower_hz / 2
        passband.plot(hz[inside] / 1000, gain_db[inside], **style)
    whole.set(xlim=(0, upper_hz / 2000), ylim=(-135, 8))
    whole.set_ylabel("dB", color=MUTED, fontsize=9)
    whole.axvspan(pair.passband_hz / 1000, pair.stopband_hz / 1000, color=RULE, alpha=0.45, lw=0)
    whole.legend(loc="upper right", frameon=False, fontsize=9, labelcolor=INK)
    passband.set(xlim=(0, lower_hz / 2000), ylim=(-0.32, 0.08))
    passband.set_title("The pass band from near", loc="left", fontsize=11, color=INK)
    passband.set_xlabel("kHz", color=MUTED, fontsize=9)
    passband.set_ylabel("dB", color=MUTED, fontsize=9)
    passband.axvspan(pair.passband_hz / 1000, lower_hz / 2000, color=RULE, alpha=0.45, lw=0)
    for axes in (whole, passband):
        _plain(axes)
    return figure


# ---- bars ----


def bars(title: str, table: TableResult, names: Sequence[str] | None, where: str) -> Figure:
    rows = {name: table["rows"][name] for name in names or table["rows"] if name in table["rows"]}
    counts = [len(row["figures"]) - 1 for row in rows.values()]
    height = 1.0 + sum(0.3 * count + 0.62 for count in counts)
    figure = _canvas(
        title, f"Median time; how many times ours. {where}. The scale is logarithmic.", 9.6, height
    )
    grid = figure.add_gridspec(
        len(rows),
        1,
        left=0.3,
        right=0.9,
        top=1 - 0.98 / height,
        bottom=0.28 / height,
        hspace=0.5,
        height_ratios=counts,
    )
    for place, (name, row) in enumerate(rows.items()):
        _bars_of(figure.add_subplot(grid[place]), name, row)
    return figure


def _bars_of(axes: Axes, title: str, row: RowResult) -> None:
    figures = [(name, figure) for name, figure in row["figures"].items() if name != NO_OP]
    figures.sort(key=lambda entry: -entry[1]["median_ns"])
    times = [figure["median_ns"] for _, figure in figures]
    colours = [OURS if name.startswith("rapida-media") else THEIRS for name, _ in figures]
    axes.barh(range(len(times)), times, color=colours, height=0.68)
    axes.set_xscale("log")
    axes.set_xlim(min(times) / 3, max(times) * 1.4)
    axes.set_yticks(range(len(times)), [name for name, _ in figures])
    for place, (name, figure) in enumerate(figures):
        ratio = "" if name == "rapida-media" else f"   {figure['ratio']:.1f}×"
        axes.text(
            figure["median_ns"] * 1.04, place, _time(figure["median_ns"]) + ratio,
            va="center", fontsize=8.5, color=INK,
        )  # fmt: skip
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=4)
    _plain(axes, grid="x")
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(visible=False)


def _time(nanoseconds: float) -> str:
    if nanoseconds < 1000:
        return f"{nanoseconds:.0f} ns"
    micros = nanoseconds / 1000
    return f"{micros:.2f} µs" if micros < 10 else f"{micros:.1f} µs"
