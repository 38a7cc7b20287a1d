"""Draw the lossy call: both waveforms, what was lost and made up, and the delay along the time.

Called by the demo. The look is that of ``picture``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from rapida_media.demo.lossy import LossyCall
from rapida_media.demo.picture import HEARD, INK, MUTED, SENT, WAVEFORM_COLUMNS, style
from rapida_media.media.frame import RATE_HZ

LOST, MADE_UP = "#b91c1c", "#f0b429"
PACKET_S = 0.02


def draw_lossy(call: LossyCall, path: Path) -> None:
    """Write the picture as a PNG of 1920 by 1080 pixels."""
    figure = Figure(figsize=(12.8, 7.2), dpi=150, facecolor="white")
    grid = figure.add_gridspec(
        3, 1, height_ratios=(1, 1, 1.3), hspace=0.14, left=0.075, right=0.975, top=0.84, bottom=0.08
    )
    said = figure.add_subplot(grid[0])
    heard = figure.add_subplot(grid[1], sharex=said)
    delay = figure.add_subplot(grid[2], sharex=said)
    _draw_side(said, call.sent, 0.0, SENT, "sent")
    for at in call.lost:
        said.axvspan(at, at + PACKET_S, color=LOST, alpha=0.75, linewidth=0)
    _draw_side(heard, call.heard, call.heard_at, HEARD, "heard")
    for at in call.concealed:
        heard.axvspan(at, at + PACKET_S, color=MADE_UP, alpha=0.75, linewidth=0)
    _draw_delay(delay, call)
    for axes in (said, heard, delay):
        style(axes)
    said.set_xlim(-0.1, len(call.sent) / RATE_HZ + 0.4)
    said.tick_params(labelbottom=False)
    heard.tick_params(labelbottom=False)
    figure.text(0.075, 0.935, "A lossy call, played adaptively", fontsize=17, fontweight="bold",
                color=INK)  # fmt: skip
    figure.text(0.075, 0.898, facts_of(call), fontsize=11, color=MUTED)
    figure.savefig(path)


def facts_of(call: LossyCall) -> str:
    """Give the call in one line."""
    figures, packets = call.figures, len(call.lost) + len(call.network)
    delays = [ms for _, ms in call.network]
    return "   ·   ".join(
        (
            f"lost {len(call.lost)} of {packets} packets, red",
            f"made up {figures['concealed_ms']} ms, yellow",
            f"network {np.mean(delays):.0f} ms, at most {max(delays):.0f}",
            f"MOS {figures['mos']:.2f}",
        )
    )


def _draw_side(axes: Axes, side: NDArray[np.float64], begins: float, color: str, name: str) -> None:
    width = max(1, len(side) // WAVEFORM_COLUMNS)
    columns = side[: len(side) // width * width].reshape(-1, width)
    seconds = begins + np.arange(len(columns)) * width / RATE_HZ
    axes.fill_between(seconds, columns.min(axis=1), columns.max(axis=1), color=color, linewidth=0.3)
    peak = max(0.05, 1.1 * float(np.abs(side).max()))
    axes.set_ylim(-peak, peak)
    axes.set_ylabel(name, color=color, fontsize=12, fontweight="bold", labelpad=10)


def _draw_delay(axes: Axes, call: LossyCall) -> None:
    sent, transit = np.array(call.network).T
    axes.plot(sent, transit, ".", color=SENT, markersize=3.5, label="each packet, on the way")
    heard, behind = np.array(call.heard_delay).T
    axes.plot(heard, behind, color=HEARD, linewidth=1.5, label="heard, behind the speaker")
    axes.set_ylim(0, 1.15 * max(transit.max(), behind.max()))
    axes.set_ylabel("delay, ms", color=INK, fontsize=11)
    axes.set_xlabel("seconds since the first packet", color=MUTED, fontsize=10)
    axes.legend(loc="upper right", ncols=2, fontsize=10, facecolor="white", edgecolor="white")
