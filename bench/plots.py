"""The pictures: speed × quality × delay of resamplers, their responses, who takes how long.

Called by `__main__.py` after a run, for the tables that were measured. Needs matplotlib.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from bench.converters import CONVERTERS
from bench.harness import NO_OP, MissingPeerError
from bench.quality import Pair, response
from bench.results import Fact, Machine, Results, RowResult, TableResult

INK, MUTED, RULE = "#1b2430", "#6b7684", "#dfe4ea"
OURS, OURS_TOO, THEIRS = "#0f766e", "#5fb3a8", "#8794a3"
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
DULL_DB = 1.0  # of loss inside the pass band: a listener or a recogniser misses the treble
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
            figures[name] = times(title, tables[name], rows, where)
    paths = []
    for name, figure in figures.items():
        _sign(figure, run["machine"])
        paths.append(out / f"{name}.png")
        figure.savefig(paths[-1])
    return paths


def _sign(figure: Figure, machine: Machine) -> None:
    """Say which run it is, as in the names of the other files."""
    words = f"{machine['commit']}, {machine['when']}"
    figure.text(0.99, 0.01, words, fontsize=7, color=MUTED, ha="right", va="bottom")


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
        f"A push of 20 ms on {where}. Towards the lower left is better; green is clean; "
        "a ring loses more than 1 dB of the pass band.",
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
        bar.outline.set_visible(False)
    return figure


def _scatter_pair(axes: Axes, table: TableResult, pair: str, colours: Normalize) -> Any:
    figures = table["rows"][f"{pair}, 20 ms"]["figures"]
    facts = {name: columns for name, columns in table["facts"][pair].items() if name in figures}
    names = list(facts)
    micros = [figures[name]["median_ns"] / 1000 for name in names]
    delays = [max(LEAST_DELAY_MS, _number(facts[name]["worst delay ms"])) for name in names]
    quality = [_number(facts[name]["rejection dB"]) for name in names]
    for place, name in enumerate(names):
        colour = CLEAN(colours(quality[place]))
        dull = _number(facts[name]["ripple dB"]) > DULL_DB
        axes.scatter(
            micros[place],
            delays[place],
            s=190 if name.startswith("rapida-media") else 90,
            facecolor="white" if dull else colour,
            edgecolor=colour if dull else INK,
            linewidth=2.2 if dull else 0.6,
            zorder=3,
        )
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(min(micros) / 1.8, max(micros) * 5)
    axes.set_ylim(LEAST_DELAY_MS / 1.6, 250)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.set_xlabel("µs per push", color=MUTED, fontsize=9)
    axes.set_ylabel("delay at worst, ms", color=MUTED, fontsize=9)
    axes.set_title(SCATTERED[pair], loc="left", fontsize=11, color=INK)
    _plain(axes)
    _label_points(axes, micros, delays, names)
    return ScalarMappable(colours, CLEAN)


def _number(fact: Fact) -> float:
    return float(fact) if isinstance(fact, int | float) else 0.0


def _label_points(axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str]) -> None:
    """Write each name beside its point: to the right, or where it covers nothing."""
    places = [(axes.transData.transform((a, b))) for a, b in zip(x, y, strict=True)]
    taken = [(a - 9, a + 9, b - 9, b + 9) for a, b in places]
    least, most = axes.transAxes.transform((0, 0))[0], axes.transAxes.transform((1, 0))[0]
    order = sorted(range(len(names)), key=lambda n: not names[n].startswith("rapida-media"))
    for number in order:
        (across, up), name = places[number], names[number]
        ours = name.startswith("rapida-media")
        width, gap = len(name) * (13.0 if ours else 11.2), 24 if ours else 17
        boxes = [
            (left, left + width, up + rise - 10, up + rise + 10)
            for rise in (0, 14, -14, 24, -24)
            for left in (across + gap, across - gap - width)
        ]
        free = [box for box in boxes if not any(_overlap(box, other) for other in taken)]
        inside = [box for box in free if least < box[0] and box[1] < most]
        box = (inside or free or boxes)[0]
        taken.append(box)
        right = box[0] > across
        axes.annotate(
            name,
            (box[0] if right else box[1], (box[2] + box[3]) / 2),
            xycoords="figure pixels",
            ha="left" if right else "right",
            va="center",
            fontsize=9 if ours else 8.5,
            fontweight="bold" if ours else "normal",
            color=OURS if ours else INK,
        )


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[1] and b[0] < a[1] and a[2] < b[3] and b[2] < a[3]


# ---- frequency responses ----


def responses(pair: Pair) -> Figure:
    lower_hz, upper_hz = min(pair.from_hz, pair.to_hz), max(pair.from_hz, pair.to_hz)
    figure = _canvas(
        f"What passes, and what should not: {pair.from_hz // 1000} → {pair.to_hz // 1000} kHz",
        f"Up to {lower_hz / 2000:g} kHz what a tone becomes, above the image it leaves; through "
        "20 ms pushes of 16-bit samples. Grey: between pass band and stop band.",
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
    whole.legend(loc="lower left", frameon=False, fontsize=9, labelcolor=INK)
    passband.set(xlim=(0, lower_hz / 2000), ylim=(-0.32, 0.08))
    passband.set_title("The pass band from near", loc="left", fontsize=11, color=INK)
    passband.set_xlabel("kHz", color=MUTED, fontsize=9)
    passband.set_ylabel("dB", color=MUTED, fontsize=9)
    passband.axvspan(pair.passband_hz / 1000, lower_hz / 2000, color=RULE, alpha=0.45, lw=0)
    for axes in (whole, passband):
        _plain(axes)
    return figure


# ---- who takes how long ----

LINE_INCHES = 0.29


def times(title: str, table: TableResult, names: Sequence[str] | None, where: str) -> Figure:
    rows = {name: table["rows"][name] for name in names or table["rows"] if name in table["rows"]}
    counts = [len(row["figures"]) - 1 for row in rows.values()]
    height = 0.95 + sum(LINE_INCHES * count + 0.55 for count in counts)
    figure = _canvas(
        title, f"Median time; how many times ours. {where}. The scale is logarithmic.", 9.6, height
    )
    top = height - 0.95
    for count, (name, row) in zip(counts, rows.items(), strict=True):
        tall = LINE_INCHES * count
        top -= tall + 0.3
        _times_of(figure.add_axes((0.32, top / height, 0.56, tall / height)), name, row)
        top -= 0.25
    return figure


def _times_of(axes: Axes, title: str, row: RowResult) -> None:
    figures = [(name, figure) for name, figure in row["figures"].items() if name != NO_OP]
    figures.sort(key=lambda entry: -entry[1]["median_ns"])
    medians = [figure["median_ns"] for _, figure in figures]
    colours = [OURS if name.startswith("rapida-media") else THEIRS for name, _ in figures]
    least = min(medians) / 1.6
    # Dots, not bars: on a logarithmic scale the length of a bar would mean nothing.
    axes.hlines(range(len(medians)), least, medians, color=RULE, linewidth=1.2)
    axes.scatter(medians, range(len(medians)), color=colours, s=64, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(least, max(medians) * 1.25)
    axes.set_ylim(-0.6, len(medians) - 0.4)
    axes.set_yticks(range(len(medians)), [name for name, _ in figures])
    for place, (name, figure) in enumerate(figures):
        ratio = "" if name == "rapida-media" else f"   {figure['ratio']:.1f}×"
        axes.annotate(
            _time(figure["median_ns"]) + ratio,
            (figure["median_ns"], place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8.5,
            color=INK,
        )
    axes.set_title(title, loc="left", fontsize=10, color=INK, pad=4)
    _plain(axes, grid="x")
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelbottom=False)
    axes.grid(visible=False)


def _time(nanoseconds: float) -> str:
    if nanoseconds < 1000:
        return f"{nanoseconds:.0f} ns"
    micros = nanoseconds / 1000
    return f"{micros:.2f} µs" if micros < 10 else f"{micros:.1f} µs"
