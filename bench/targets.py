"""What the kernels must show, held against one run's results: target, measured, met or not.

Called by `python -m bench --check`. Ratios are those of one run on one machine, so they hold where
absolute times do not. What could not be measured, a peer being missing, is said to be so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bench.results import Fact, Figure, Results

OURS = "rapida-media"
NEW_BYTES = "new bytes alone"  # in the table "calls": a call that makes its result and no more
TABLES = ("g711", "rtp", "resamplers", "messages", "g722", "calls", "bots")
TELEPHONY = ("8→16 kHz", "16→8 kHz", "24→8 kHz", "8→24 kHz")
WIDEBAND = ("16→24 kHz", "24→16 kHz", "48→16 kHz", "16→48 kHz")
BEST_PARTS = ("msgspec", "orjson", "template")  # how the assemblies of public parts begin


@dataclass(frozen=True, slots=True)
class Verdict:
    """measured None: a peer or a table is missing. `least`: the wanted figure is a lower limit."""

    point: int
    target: str
    wanted: float
    least: bool
    measured: float | None
    unit: str = ""
    note: str = ""

    @property
    def met(self) -> bool | None:
        if self.measured is None:
            return None
        return self.measured >= self.wanted if self.least else self.measured <= self.wanted


def judge(results: Results) -> list[Verdict]:
    """Give a verdict on every target, in the order of the list."""
    return [
        *_payloads(results),
        *_messages(results),
        *_g711(results),
        *_pushes(results),
        *_quality(results),
        *_calls(results),
        *_g722(results),
        *_bots(results),
    ]


def _figures(results: Results, table: str, row: str) -> dict[str, Figure]:
    measured = results["tables"].get(table)
    if measured is None or row not in measured["rows"]:
        return {}
    return measured["rows"][row]["figures"]


def _times(
    results: Results, point: int, table: str, row: str, peers: tuple[str, ...], wanted: float
) -> Verdict:
    """Judge how many times as long the fastest of these peers takes; they match by beginning."""
    ratios = [
        (figure["ratio"], name)
        for name, figure in _figures(results, table, row).items()
        if name.startswith(peers)
    ]
    ratio, name = min(ratios, default=(None, peers[0]))
    return Verdict(point, f"{row}: {name}", wanted, True, ratio, "×")


def _payloads(results: Results) -> Iterator[Verdict]:
    for row in ("μ-law payload to 16 kHz, 20 ms", "16 kHz to μ-law payload, 20 ms"):
        for peer in ("audioop + soxr HQ", "audioop + speexdsp q3"):
            yield _times(results, 1, "rtp", row, (peer,), 15)


def _messages(results: Results) -> Iterator[Verdict]:
    for row, pipecat, parts in (
        ("message to 16 kHz", 30, 12),
        ("16 kHz to message", 30, 14),
        ("24 kHz to message", 18, 9),
    ):
        yield _times(results, 2, "messages", row, ("pipecat",), pipecat)
        yield _times(results, 2, "messages", row, BEST_PARTS, parts)


def _g711(results: Results) -> Iterator[Verdict]:
    for size, decode, encode in (("20 ms", 2, 9), ("60 s", 4, 40)):
        for verb, wanted in (("decode", decode), ("encode", encode)):
            yield _times(results, 3, "g711", f"μ-law {verb}, {size}", ("audioop",), wanted)


def _pushes(results: Results) -> Iterator[Verdict]:
    for pair, wanted in (
        ("8→16 kHz", 14),
        ("16→8 kHz", 12),
        ("16→24 kHz", 7),
        ("24→16 kHz", 7),
        ("24→8 kHz", 7),
        ("48→16 kHz", 5),
    ):
        yield _times(results, 4, "resamplers", f"{pair}, 20 ms", ("soxr HQ",), wanted)
    for pair in TELEPHONY[:2]:
        figures = _figures(results, "resamplers", f"{pair}, 20 ms")
        ratio = None
        if "soxr HQ" in figures and f"{OURS} sse2" in figures:
            ratio = figures["soxr HQ"]["ratio"] / figures[f"{OURS} sse2"]["ratio"]
        yield Verdict(4, f"{pair}, 20 ms: soxr HQ, with SSE2 alone", 5, True, ratio, "×")


def _quality(results: Results) -> Iterator[Verdict]:
    limits: tuple[tuple[str, str, tuple[str, ...], tuple[tuple[str, float, bool], ...]], ...] = (
        (
            "telephony",
            OURS,
            TELEPHONY,
            (
                ("rejection dB", 96, True),
                ("ripple dB", 0.005, False),
                ("SINAD 1 kHz dB", 93, True),
                ("SINAD 3 kHz dB", 93, True),
                ("worst delay ms", 2.5, False),
                ("± ms", 0.005, False),
            ),
        ),
        (
            "wideband",
            OURS,
            WIDEBAND,
            (
                ("rejection dB", 96, True),
                ("ripple dB", 0.01, False),
                ("worst delay ms", 1.5, False),
                ("± ms", 0.005, False),
            ),
        ),
        (
            "low_delay",
            f"{OURS} low_delay",
            TELEPHONY + WIDEBAND,
            (("filter ms", 0.3, False), ("rejection dB", 90, True)),
        ),
    )
    for profile, candidate, pairs, columns in limits:
        for column, wanted, least in columns:
            value, pair = _worst(results, candidate, pairs, column, least)
            unit = column.rpartition(" ")[2]
            yield Verdict(5, f"{profile}: {column}", wanted, least, value, f" {unit}", pair)
    every = TELEPHONY + WIDEBAND
    for column in ("first push ms", "least push ms", "most push ms"):
        value, pair = _worst(results, OURS, every, column, column != "most push ms")
        yield Verdict(5, f"20 ms in, {column}", 20, column != "most push ms", value, " ms", pair)


def _worst(
    results: Results, candidate: str, pairs: tuple[str, ...], column: str, least: bool
) -> tuple[float | None, str]:
    """Give the worst value of a quality column and the pair it belongs to; None if one lacks."""
    values: list[tuple[float, str]] = []
    for pair in pairs:
        value = _fact(results, "resamplers", pair, candidate, column)
        if not isinstance(value, int | float):
            return None, ""
        values.append((value, pair))
    return min(values) if least else max(values)


def _fact(results: Results, table: str, group: str, candidate: str, column: str) -> Fact:
    measured = results["tables"].get(table)
    groups = {} if measured is None else measured["facts"]
    return groups.get(group, {}).get(candidate, {}).get(column)


def _calls(results: Results) -> Iterator[Verdict]:
    """Judge calls from Python, less one that only makes the bytes object it gives back.

    That is the floor of everything with such a result: a call and an object of the interpreter's.
    """
    table = results["tables"].get("calls")
    if table is None:
        yield Verdict(6, "from Python, against a C loop", 1.3, False, None, "×")
        return
    for row, result in table["rows"].items():
        figures = result["figures"]
        measured, note = None, ""
        if figures[OURS]["ratio"]:
            measured = figures[OURS]["ratio"] - figures[NEW_BYTES]["ratio"]
            note = f"above new bytes alone; with them {figures[OURS]['ratio']:.2f}"
        yield Verdict(6, f"{row}: from Python, against a C loop", 1.3, False, measured, "×", note)
    for group, limit in (("G.711 variants", 0), ("resampler variants", 0)):
        values = [
            columns["largest difference"] for columns in table["facts"].get(group, {}).values()
        ]
        numbers = [value for value in values if isinstance(value, int | float)]
        yield Verdict(6, f"{group}: largest difference", limit, False, max(numbers, default=None))


def _g722(results: Results) -> Iterator[Verdict]:
    for verb, column in (("decode", "samples unlike ours"), ("encode", "octets unlike ours")):
        for peer in ("PyAV", "spandsp"):
            value = _fact(results, "g722", verb, peer, column)
            number = value if isinstance(value, int | float) else None
            yield Verdict(8, f"G.722 {verb} of speech, {peer}: {column}", 0, False, number)


def _bots(results: Results) -> Iterator[Verdict]:
    for bot in ("twilio", "vonage", "exotel, 20 ms", "l16"):
        for column, wanted in (("above packet p50", 5), ("above packet p95", 25)):
            value = _fact(results, "bots", "a sound, to a bot and back", bot, column)
            number = value if isinstance(value, int | float) else None
            yield Verdict(9, f"a sound to a bot and back, {bot}: {column}", wanted, False, number)


def format_verdicts(verdicts: list[Verdict]) -> str:
    words = {True: "met", False: "NOT MET", None: "not measured"}
    lines = [f"point  {'target':64}{'wanted':>12}{'measured':>12}"]
    for verdict in verdicts:
        sign = "≥" if verdict.least else "≤"
        wanted = f"{sign} {verdict.wanted:g}{verdict.unit}"
        measured = "-" if verdict.measured is None else f"{_short(verdict)}{verdict.unit}"
        note = f"  ({verdict.note})" if verdict.note else ""
        lines.append(
            f"{verdict.point:5}  {verdict.target:64}{wanted:>12}{measured:>12}  "
            f"{words[verdict.met]}{note}"
        )
    counts = [sum(verdict.met is state for verdict in verdicts) for state in (True, False, None)]
    lines.append("{} met, {} not met, {} not measured".format(*counts))
    return "\n".join(lines)


def _short(verdict: Verdict) -> str:
    """Round towards the unwanted side: what is just missed must not look met."""
    assert verdict.measured is not None
    steps = 10_000 if abs(verdict.measured) < 1 else 100
    value = round(verdict.measured * steps, 6)
    return f"{(math.floor(value) if verdict.least else math.ceil(value)) / steps:g}"
