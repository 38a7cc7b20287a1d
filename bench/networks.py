"""A call over a bad network, as a listener hears it: what the table "jitter" is made of.

U = MOS − 0.005 × ms: what delay costs by ITU-T G.107 where it begins to hurt, in units of MOS.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from numpy.typing import NDArray

from bench.buffers import TICK_MS, Player, open_player
from bench.concealers import Samples
from bench.losses import RATE_HZ, files_in, recordings
from rapida_media.testing.jitter import Begin, Call, make_call
from rapida_media.testing.traces import MODELS, Trace, make_trace, read_trace

TRACES = "RAPIDA_BENCH_TRACES"  # in the environment: a folder of traces in CSV
SECONDS, VARY = 30, 0.3
PIECE = 5 * RATE_HZ  # PESQ is asked for so much at a time
DELAY_PRICE = 0.005
SPEECH_RMS, DEAD_RMS = 100.0, 16.0  # of 10 ms: -50 and -66 dBov
LASTING_MS, LASTING_TICKS, APART_TICKS = 2.5, 20, 6
SPECIAL = {"talkspurts": "wifi", "new source": "trunk", "timestamp jump": "trunk"}
PACKETS_MS = {"10 ms packets": 10, "30 ms packets": 30, "60 ms packets": 60}

Pesq = Callable[..., float]


@dataclass(frozen=True, slots=True)
class Heard:
    """MOS by PESQ, ms of delay that the buffer added, and what else a listener notices."""

    mos: float
    delay_ms: float
    dead_ms: float  # silence in speech, per minute
    jumps: float  # lasting changes of delay inside speech, per minute

    @property
    def utility(self) -> float:
        return self.mos - DELAY_PRICE * self.delay_ms


def conditions() -> list[str]:
    return [*MODELS, *SPECIAL, *PACKETS_MS, *sorted(_traces())]


def _traces() -> dict[str, Path]:
    return {path.stem + ".csv": path for path in files_in(TRACES, "**/*.csv")}


def make_condition(name: str, seed: int) -> Call:
    """Give a call of half a minute, with speech that depends on the seed."""
    random = Random(f"{name} {seed}")
    speech = _speech(random)
    trace = _trace(name, seed)
    frames = len(trace.sent_ms)
    first = random.getrandbits(16), random.getrandbits(32)
    begins = {
        "new source": [Begin(frames // 2, ssrc=9, sequence_number=7, timestamp_step=123_456_789)],
        "timestamp jump": [Begin(frames // 2, timestamp_step=37 * RATE_HZ)],
    }.get(name, [])
    spoken = _spoken(speech) if name == "talkspurts" else None
    return make_call(trace, speech.tobytes(), first=first, spoken=spoken, begins=begins)


def _trace(name: str, seed: int) -> Trace:
    if name in (files := _traces()):
        return read_trace(files[name].read_text())
    model = SPECIAL.get(name, "internet" if name in PACKETS_MS else name)
    return make_trace(model, seed, SECONDS, PACKETS_MS.get(name, 20), VARY)


def _speech(random: Random) -> Samples:
    """Recordings one after the other, half a second of faint noise between them."""
    found = list(recordings().values())
    random.shuffle(found)
    noise = np.random.default_rng(random.getrandbits(32))
    parts: list[Samples] = []
    while sum(map(len, parts)) < SECONDS * RATE_HZ:
        for recording in found:
            parts += [noise.normal(0, 10, RATE_HZ // 2).astype(np.int16), recording]
    return np.concatenate(parts)[: SECONDS * RATE_HZ]


def _power(pcm: Samples, n: int) -> NDArray[np.float64]:
    """Mean square of the n samples around each."""
    return np.convolve(pcm.astype(float) ** 2, np.ones(n) / n, "same")


def _spoken(pcm: Samples) -> list[tuple[int, int]]:
    """Ranges of whole packets in which somebody speaks, 200 ms longer than they do."""
    loud = (_power(pcm, 400).reshape(-1, 160).mean(1) > 60**2).astype(float)
    held = np.convolve(loud, np.ones(21), "same") > 0
    edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(int), [0]]))) * 160
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def listen(call: Call, player: str, pesq: Pesq, seed: int) -> Heard:
    """Play a call through a policy of ours or through another's buffer, the ticks at any phase, and
    judge what comes out."""
    begin_us = call.packets[0].arrival_us + Random(seed).randrange(TICK_MS * 1000)
    pcm, positions, owed, idle = play(call, open_player(player), begin_us)
    ticks = np.arange(len(positions))
    scale = (1 - call.drift_ppm * 1e-6) * 1000 / RATE_HZ
    heard_ms = (begin_us - call.heard_us) / 1000 + TICK_MS * (ticks + 1)
    delay = heard_ms - positions * scale
    spoken = np.frombuffer(call.pcm, np.int16)
    loud = _power(spoken, RATE_HZ // 100)[np.clip(positions - 40, 0, len(spoken) - 1)]
    speech = (loud > SPEECH_RMS**2) & ~idle
    quiet = np.sqrt((pcm.reshape(len(positions), -1).astype(float) ** 2).mean(1)) < DEAD_RMS
    minutes = speech.sum() * TICK_MS / 60_000
    return Heard(
        _mos(spoken, pcm, call, begin_us, pesq),
        float(delay[speech].mean()),
        float((quiet & speech).sum() * TICK_MS / minutes),
        # While it waits nobody can hear whether sound is late or lost: what is made up meanwhile
        # moves the listener on.
        float(_jumps(delay - owed * scale, speech) / minutes),
    )


def play(
    call: Call, player: Player, begin_us: int
) -> tuple[Samples, NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Give the sound and, by tick, what `Played` tells."""
    played, at = [], 0
    for now_us in range(begin_us, call.packets[-1].arrival_us, TICK_MS * 1000):
        while call.packets[at].arrival_us <= now_us:
            player.receive(call.packets[at], call.places[at])
            at += 1
        played.append(player.pull(now_us))
    pcm, positions, owed, idle = zip(*played, strict=True)
    return np.concatenate(pcm), np.array(positions), np.array(owed), np.array(idle)


def _mos(spoken: Samples, pcm: Samples, call: Call, begin_us: int, pesq: Pesq) -> float:
    """PESQ finds the delay of a piece itself, and where it changes."""
    lead = round((begin_us - call.heard_us) * RATE_HZ / 1e6)
    scores = []
    for start in range(0, len(spoken) - PIECE, PIECE):
        heard_from = max(0, round(start * (1 - call.drift_ppm * 1e-6)) - lead)
        heard = pcm[heard_from : heard_from + PIECE + 2400]
        original = spoken[start : start + PIECE]
        if len(heard) >= PIECE and np.sqrt(np.mean(original.astype(float) ** 2)) > SPEECH_RMS:
            scores.append(pesq(RATE_HZ, original, heard, "nb"))
    return statistics.fmean(scores)


def _jumps(delay: NDArray[np.float64], speech: NDArray[np.bool_]) -> int:
    """Changes inside speech that are still there 200 ms later."""
    count, last = 0, -APART_TICKS - 1
    steps = np.abs(np.diff(delay, prepend=delay[0])) > LASTING_MS
    inside = speech & np.roll(speech, 1) & steps
    for tick in np.flatnonzero(inside[:-LASTING_TICKS]):
        before = np.median(delay[max(0, tick - LASTING_TICKS // 2) : tick])
        after = np.median(delay[tick : tick + LASTING_TICKS])
        if tick - last > APART_TICKS and abs(after - before) > LASTING_MS:
            count, last = count + 1, tick
    return count
