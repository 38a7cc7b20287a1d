"""Measures what a streaming converter does to sound: response, distortion, delay, habits.

Called by the table "resamplers" and by `plots.py`. Everything is measured through the very `push`
of s16le octets that is timed, 20 ms at a time, so rounding to 16 bits and all buffering are in it.

Bands: 0-3.4 kHz must pass and 4.6 kHz on must not when 8 kHz is at one end; else 0-7 and 9 kHz, in
proportion to the lower rate.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.material import FRAME_MS, octets_in, speech
from bench.results import Fact

Floats = NDArray[np.float64]
Push = Callable[[bytes], bytes]
Make = Callable[[], Push]

AMPLITUDE = 0.95 * 32767
TONE_MS = 700
SETTLED_MS = 120  # from here on the beginning of a tone is forgotten
ANALYSED_MS = 300
BAND_TONES = 40  # in the pass band, and again in the stop band
PAUSES = 8
DITHER = 4  # steps of 16 bits
STEADY_PUSHES = 200  # four seconds


@dataclass(frozen=True)
class Pair:
    """A conversion, with the edges of the bands that it is judged by."""

    from_hz: int
    to_hz: int

    @property
    def passband_hz(self) -> float:
        lower_hz = min(self.from_hz, self.to_hz)
        return lower_hz / 2 * (0.85 if lower_hz == 8000 else 0.875)

    @property
    def stopband_hz(self) -> float:
        return min(self.from_hz, self.to_hz) - self.passband_hz

    def pass_tones(self) -> Floats:
        # Odd spacing: rounding errors of a tone that fits the rate would gather in few lines.
        return np.linspace(101.3, self.passband_hz - 0.7, BAND_TONES)

    def stop_tones(self) -> Floats:
        """Give input frequencies that the output must not show; none when converting upwards."""
        highest = self.from_hz / 2 - 61.3
        if highest <= self.stopband_hz:
            return np.zeros(0)
        return np.linspace(self.stopband_hz + 0.7, highest, BAND_TONES)


@dataclass(frozen=True)
class Tone:
    """What came out for a sine: its complex gain, the largest other line, all else together."""

    gain: complex
    spur: float
    sinad_db: float


def measure(make: Make, pair: Pair) -> dict[str, Fact]:
    """Give every quality column of one converter."""
    passed = [hear(make, pair, hz) for hz in pair.pass_tones()]
    stopped = [hear(make, pair, hz) for hz in pair.stop_tones()]
    gains = [abs(tone.gain) for tone in passed]
    spurs = [tone.spur for tone in passed] + [max(t.spur, abs(t.gain)) for t in stopped]
    group_delay_ms = delay_at(make, pair, 1000.0)
    return {
        "ripple dB": max(abs(_db(gain)) for gain in gains),
        "rejection dB": -_db(max(spurs)),
        "SINAD 1 kHz dB": hear(make, pair, 1000.3).sinad_db,
        "SINAD 3 kHz dB": hear(make, pair, 3000.7).sinad_db,
        **habits(make, pair, group_delay_ms),
        "filter ms": group_delay_ms,
        "± ms": _delay_spread(passed, pair.pass_tones()) / 2,
        "lost ms": lost_at_a_pause(make, pair, group_delay_ms),
        "any chunking": independent_of_chunking(make, pair),
    }


def hear(make: Make, pair: Pair, hz: float) -> Tone:
    """Send a sine through and take the output apart."""
    out = _send(make(), sine(hz, pair.from_hz, TONE_MS), pair.from_hz)
    start = SETTLED_MS * pair.to_hz // 1000
    heard = out[start : start + ANALYSED_MS * pair.to_hz // 1000]
    time = np.arange(start, start + len(heard)) / pair.to_hz
    if hz < pair.to_hz / 2:
        basis = np.stack([np.sin(2 * np.pi * hz * time), np.cos(2 * np.pi * hz * time)], axis=1)
        weights = np.linalg.lstsq(basis, heard, rcond=None)[0]
        rest = heard - basis @ weights
        gain = complex(weights[0], weights[1]) / AMPLITUDE
    else:
        rest, gain = heard, 0j
    window = np.kaiser(len(rest), 16.0)
    lines = np.abs(np.fft.rfft(rest * window, 4 * len(rest))) / (window.sum() / 2)
    noise = float(np.sqrt(np.mean(rest**2))) or 1e-9
    level = abs(gain) * AMPLITUDE / np.sqrt(2) or 1e-9
    return Tone(gain, float(lines.max()) / AMPLITUDE, float(20 * np.log10(level / noise)))


def response(make: Make, pair: Pair, step_hz: float = 25.0) -> tuple[Floats, Floats]:
    """Give frequencies up to half the upper rate and the gain in dB there.

    Converting upwards, what lies above half the lower rate is the first image of a tone below it;
    converting downwards it is a tone that comes back as an alias.
    """
    if pair.from_hz < pair.to_hz:
        sent = np.arange(50.3, pair.from_hz / 2 - 20, step_hz)
        direct = [line(make, pair, hz, hz) for hz in sent]
        images = [line(make, pair, hz, pair.from_hz - hz) for hz in sent]
        heard = np.concatenate([sent, (pair.from_hz - sent)[::-1]])
        gains = direct + images[::-1]
    else:
        heard = np.arange(50.3, pair.from_hz / 2 - 20, step_hz)
        folded = np.abs(heard - np.round(heard / pair.to_hz) * pair.to_hz)
        gains = [line(make, pair, hz, at) for hz, at in zip(heard, folded, strict=True)]
    return heard, np.array([_db(gain) for gain in gains])


def line(make: Make, pair: Pair, hz: float, at_hz: float) -> float:
    """Give the gain from a sine at one frequency to the output at another, its image or alias."""
    out = _send(make(), sine(hz, pair.from_hz, TONE_MS), pair.from_hz)
    start = SETTLED_MS * pair.to_hz // 1000
    heard = out[start : start + ANALYSED_MS * pair.to_hz // 1000]
    window = np.kaiser(len(heard), 16.0)
    turns = np.exp(-2j * np.pi * at_hz / pair.to_hz * np.arange(len(heard)))
    return float(abs(np.sum(heard * window * turns)) / (window.sum() / 2) / AMPLITUDE)


def delay_at(make: Make, pair: Pair, hz: float) -> float:
    """Give the group delay in ms, by the output's place in its stream (buffering is not in it)."""
    low, high = hz - 10, hz + 10
    turn = np.angle(hear(make, pair, low).gain / hear(make, pair, high).gain)
    return float(turn / (2 * np.pi * (high - low)) * 1000)


def _delay_spread(tones: list[Tone], frequencies: Floats) -> float:
    """Give how far the group delay moves over the pass band, in ms."""
    phases = np.unwrap([np.angle(tone.gain) for tone in tones])
    delays = -np.diff(phases) / (2 * np.pi * np.diff(frequencies)) * 1000
    return float(delays.max() - delays.min())


def habits(make: Make, pair: Pair, group_delay_ms: float) -> dict[str, Fact]:
    """Push 20 ms at a time and see what comes when.

    The delay after a push is the time that went in less the time that has come out, with the
    filter's own delay: how old the newest sound is that a listener has.
    """
    push, octets = make(), octets_in(pair.from_hz, FRAME_MS)
    pcm = speech(pair.from_hz)
    given_ms = [
        len(push(pcm[at : at + octets])) / 2 / pair.to_hz * 1000
        for at in range(0, octets * STEADY_PUSHES, octets)
    ]
    pushed_ms = FRAME_MS * (np.arange(STEADY_PUSHES) + 1)
    steady = slice(STEADY_PUSHES // 4, None)
    delays = (pushed_ms - np.cumsum(given_ms) + group_delay_ms)[steady]
    bursts = given_ms[steady]
    return {
        "delay ms": float(delays.mean()),
        "worst delay ms": float(delays.max()),
        "first push ms": given_ms[0],
        "least push ms": min(bursts),
        "most push ms": max(bursts),
    }


def lost_at_a_pause(make: Make, pair: Pair, group_delay_ms: float) -> float:
    """Give the sound, in ms, that never comes out of a converter cleared when a speaker pauses."""
    spurt = speech(pair.from_hz)[: octets_in(pair.from_hz, 1000)]
    lost = 0.0
    for _ in range(PAUSES):
        given = _send(make(), spurt, pair.from_hz)
        lost += 1000 - len(given) / pair.to_hz * 1000 + group_delay_ms
    return lost / PAUSES


def independent_of_chunking(make: Make, pair: Pair) -> bool | str:
    """Tell whether pushes of 20 ms and pushes of any length give the same samples.

    Samples that differ by a few steps, as dither makes them, are named by the largest difference.
    """
    pcm = speech(pair.from_hz)[: octets_in(pair.from_hz, 2000)]
    even = _send(make(), pcm, pair.from_hz)
    lengths, push, at, uneven = random.Random(1), make(), 0, []
    while at < len(pcm):
        octets = 2 * lengths.randrange(1, pair.from_hz // 25)
        uneven.append(push(pcm[at : at + octets]))
        at += octets
    other = np.frombuffer(b"".join(uneven), "<i2").astype(np.float64)
    common = min(len(even), len(other))
    assert common > pair.to_hz, "less than half of it came out"
    difference = int(np.abs(even[:common] - other[:common]).max())
    return difference == 0 if difference == 0 or difference > DITHER else f"to ±{difference}"


def sine(hz: float, rate_hz: int, milliseconds: int) -> bytes:
    time = np.arange(rate_hz * milliseconds // 1000) / rate_hz
    return bytes(np.rint(AMPLITUDE * np.sin(2 * np.pi * hz * time)).astype("<i2").tobytes())


def _send(push: Push, pcm: bytes, rate_hz: int) -> Floats:
    octets = octets_in(rate_hz, FRAME_MS)
    out = b"".join([push(pcm[at : at + octets]) for at in range(0, len(pcm), octets)])
    return np.frombuffer(out, "<i2").astype(np.float64)


def _db(gain: float) -> float:
    return float(20 * np.log10(max(gain, 1e-9)))
