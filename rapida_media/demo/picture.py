"""Draw one recorded call: the waveform and the level of both sides, with its events marked.

Called by the demo, from the stereo recording and the JSON report of ``rapida-media call``. Needs
matplotlib, which only the demo and the developers' tools ask for.
"""

from __future__ import annotations

import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Samples = NDArray[np.float64]

FULL_SCALE = 32768.0
FLOOR_DBFS = -72.0
LEVEL_WINDOW_MS = 20
WAVEFORM_COLUMNS = 1800

EVENT_WORDS = {
    "ringing": "ringing",
    "answered": "answered",
    "first_media": "first media",
    "ended": "hang-up",
}

INK, MUTED, RULE = "#1b2430", "#6b7684", "#dfe4ea"
SENT, HEARD = "#0f766e", "#d9580d"


@dataclass(frozen=True)
class Mark:
    """One event of the call, in seconds on the picture's time line."""

    at: float
    name: str


@dataclass(frozen=True)
class Picture:
    """What is drawn. sent, heard: samples of ±1.0 at rate_hz, beginning at second ``begins``."""

    title: str
    facts: str
    rate_hz: int
    begins: float
    sent: Samples
    heard: Samples
    marks: Sequence[Mark]

    @property
    def ends(self) -> float:
        return self.begins + len(self.sent) / self.rate_hz


def read_sides(path: Path) -> tuple[int, Samples, Samples]:
    """Give (rate in Hz, left, right) of a stereo s16 WAV, as ±1.0."""
    with wave.open(str(path), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        left, right = pcm.reshape(-1, 2).T / FULL_SCALE
        return file.getframerate(), left, right


def draw(picture: Picture, path: Path) -> None:
    """Write the picture as a PNG of 1920 by 1080 pixels."""
    figure = Figure(figsize=(12.8, 7.2), dpi=150, facecolor="white")
    grid = figure.add_gridspec(
        3, 1, height_ratios=(1, 1, 1.15), hspace=0.16, left=0.075, right=0.975, top=0.8, bottom=0.08
    )
    said = figure.add_subplot(grid[0])
    heard = figure.add_subplot(grid[1], sharex=said)
    level = figure.add_subplot(grid[2], sharex=said)
    _draw_waveform(said, picture, picture.sent, SENT, "sent")
    _draw_waveform(heard, picture, picture.heard, HEARD, "heard")
    _draw_levels(level, picture)
    for axes in (said, heard, level):
        style(axes)
        for mark in picture.marks:
            axes.axvline(mark.at, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), alpha=0.55)
    margin = 0.02 * (picture.ends - picture.begins)
    said.set_xlim(min(0.0, picture.begins) - margin, picture.ends + margin)
    _label_marks(said, picture)
    said.tick_params(labelbottom=False)
    heard.tick_params(labelbottom=False)
    figure.text(0.075, 0.935, picture.title, fontsize=17, fontweight="bold", color=INK)
    figure.text(0.075, 0.898, picture.facts, fontsize=11, color=MUTED)
    figure.savefig(path)


def _draw_waveform(axes: Axes, picture: Picture, side: Samples, color: str, name: str) -> None:
    """Fill between the lowest and the highest sample of each column."""
    width = max(1, len(side) // WAVEFORM_COLUMNS)
    columns = side[: len(side) // width * width].reshape(-1, width)
    seconds = picture.begins + np.arange(len(columns)) * width / picture.rate_hz
    axes.fill_between(seconds, columns.min(axis=1), columns.max(axis=1), color=color, linewidth=0.3)
    peak = max(0.05, 1.1 * float(max(np.abs(picture.sent).max(), np.abs(picture.heard).max())))
    axes.set_ylim(-peak, peak)
    axes.set_ylabel(name, color=color, fontsize=12, fontweight="bold", labelpad=10)


def _draw_levels(axes: Axes, picture: Picture) -> None:
    """Draw the level of both sides, the heard one above: where both agree, both are seen."""
    for side, color, name in ((picture.sent, SENT, "sent"), (picture.heard, HEARD, "heard")):
        levels = level_dbfs(side, picture.rate_hz)
        seconds = picture.begins + (np.arange(len(levels)) + 0.5) * LEVEL_WINDOW_MS / 1000
        axes.fill_between(seconds, FLOOR_DBFS, levels, color=color, alpha=0.10, linewidth=0)
        axes.plot(seconds, levels, color=color, linewidth=1.3, label=name)
    axes.set_ylim(FLOOR_DBFS, 0)
    axes.set_yticks((-60, -40, -20, 0))
    axes.set_ylabel("level, dBFS", color=INK, fontsize=11)
    axes.set_xlabel("seconds since the call was placed", color=MUTED, fontsize=10)
    legend = axes.legend(
        loc="upper right", bbox_to_anchor=(0.97, 1.02), ncols=2, fontsize=10,
        labelcolor="linecolor", handlelength=1.2, facecolor="white", edgecolor="white",
        framealpha=1, borderaxespad=0.3,
    )  # fmt: skip
    legend.set_zorder(5)


def level_dbfs(side: Samples, rate_hz: int) -> Samples:
    """Give the root mean square of each 20 ms, in dB below full scale, not below the floor."""
    window = rate_hz * LEVEL_WINDOW_MS // 1000
    frames = side[: len(side) // window * window].reshape(-1, window)
    power = np.mean(np.square(frames), axis=1)
    levels: Samples = 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DBFS / 10)))
    return levels


def _label_marks(axes: Axes, picture: Picture) -> None:
    """Write the events above the picture; those closer than their words share one label."""
    span = picture.ends - min(0.0, picture.begins)
    groups: list[list[Mark]] = []
    for mark in sorted(picture.marks, key=lambda mark: mark.at):
        if groups and mark.at - groups[-1][-1].at < 0.05 * span:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    for group in groups:
        text = "\n".join(f"{mark.name}  {1000 * mark.at:,.0f} ms" for mark in group)
        late = group[0].at > picture.ends - 0.12 * span
        axes.annotate(
            text,
            (group[-1 if late else 0].at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if late else 4, 5),
            textcoords="offset points",
            ha="right" if late else "left",
            va="bottom",
            fontsize=9,
            color=INK,
            linespacing=1.35,
        )


def style(axes: Axes) -> None:
    """Take away what is not the picture."""
    axes.set_axisbelow(True)
    axes.grid(True, color=RULE, linewidth=0.7)
    axes.tick_params(colors=MUTED, labelsize=9, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def marks_of(report: dict[str, Any]) -> list[Mark]:
    """Give the events of a call report as marks, in plain words; time 0 is the INVITE."""
    return [
        Mark(event["at_ms"] / 1000, EVENT_WORDS[event["event"]])
        for event in report["events"]
        if event["event"] in EVENT_WORDS
    ]
