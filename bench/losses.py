"""Lost packets, and speech to lose them from: what the table "concealment" is made of.

Patterns are the same at every run. Gilbert: bursts of two and a half packets on average.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import wave
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.concealers import PACKET, Lost, Samples
from bench.material import SPEECH
from rapida_media.kernels import Resampler, ulaw_decode, ulaw_encode

FOLDER = "RAPIDA_BENCH_SPEECH"  # in the environment: more recordings, 8 kHz 16-bit mono WAV
RATE_HZ = 8000
LEADING, TRAILING = 5, 3  # packets that always come
APART = 4  # packets between single losses
MEAN_BURST = 2.5

VOICES = {
    "de+f2": "Der Zug nach Hamburg fährt heute von Gleis sieben. Die Türen schließen von selbst.",
    "en-us+m1": "Your order has been shipped and should arrive on Thursday. Anything else?",
    "fr+m3": "Je voudrais prendre un rendez-vous pour vendredi prochain, vers seize heures.",
    "hi+f3": "मैं आपकी क्या सहायता कर सकता हूँ? कृपया अपना खाता नंबर बताइए।",
    "pl+m4": "Dzień dobry, w czym mogę pomóc? Proszę podać numer zamówienia.",
}

Random = np.random.Generator
Pattern = Callable[[int, Random], Lost]


def single(share: float, packets: int, random: Random) -> Lost:
    """Lose packets with at least three between two of them."""
    lost, left = np.zeros(packets, bool), round(share * packets)
    for place in random.permutation(np.arange(LEADING, packets - TRAILING)):
        if left and not lost[place - APART + 1 : place + APART].any():
            lost[place] = True
            left -= 1
    return lost


def independent(share: float, packets: int, random: Random) -> Lost:
    return _ends_kept(random.random(packets) < share)


def gilbert(share: float, packets: int, random: Random) -> Lost:
    ending = 1 / MEAN_BURST
    beginning = share * ending / (1 - share)
    lost = np.zeros(packets, bool)
    for place in range(1, packets):
        chance = 1 - ending if lost[place - 1] else beginning
        lost[place] = random.random() < chance
    return _ends_kept(lost)


def _ends_kept(lost: Lost) -> Lost:
    lost[:LEADING] = lost[-TRAILING:] = False
    return lost


PATTERNS: dict[str, Pattern] = {
    "3 % single": partial(single, 0.03),
    **{f"{percent} % random": partial(independent, percent / 100) for percent in (1, 3, 5, 8)},
    **{f"{percent} % bursty": partial(gilbert, percent / 100) for percent in (1, 3, 5, 8)},
}


@cache
def recordings() -> dict[str, Samples]:
    """Give speech in whole packets: the demo's, espeak-ng's where it is, those of a folder."""
    found = {"demo": read(SPEECH)}
    if shutil.which("espeak-ng"):
        found |= {f"espeak-ng {voice}": _speak(voice, text) for voice, text in VOICES.items()}
    return found | {path.stem: read(path) for path in files_in(FOLDER, "*.wav")}


def files_in(variable: str, pattern: str) -> list[Path]:
    """Give the files of the folder that the environment names there, none where it names none.

    ValueError when they are asked for and there are none.
    """
    if not (folder := os.environ.get(variable)):
        return []
    if not (files := sorted(Path(folder).glob(pattern))):
        raise ValueError(f"{variable}: no {pattern} in {folder}")
    return files


def read(path: Path) -> Samples:
    try:
        with wave.open(str(path)) as recording:
            shape = recording.getsampwidth(), recording.getnchannels(), recording.getframerate()
            pcm = recording.readframes(recording.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"expected 16-bit mono at 8 kHz in {path}, got no WAV: {error}") from None
    if shape != (2, 1, RATE_HZ):
        octets, channels, rate_hz = shape
        raise ValueError(
            f"expected 16-bit mono at 8 kHz in {path}, got {8 * octets}-bit, "
            f"{channels} channels, {rate_hz} Hz"
        )
    return _whole(np.frombuffer(pcm, np.int16))


def _speak(voice: str, text: str) -> Samples:
    """Synthesise a sentence at -26 dBov, over the faint noise of a line."""
    command = ["espeak-ng", "-v", voice, "--stdout", text]
    said = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    native = np.frombuffer(said[44:], np.int16)  # 22050 Hz behind a WAV header
    at_8k = np.frombuffer(Resampler(22050, RATE_HZ).push(native.tobytes()), np.int16).astype(float)
    loud: NDArray[np.float64] = at_8k[np.abs(at_8k) > 100]
    at_8k *= 10 ** (-26 / 20) * 32768 / np.sqrt(np.mean(loud**2))
    at_8k += np.random.default_rng(1).normal(0, 6, len(at_8k))
    return _whole(np.clip(np.rint(at_8k), -32768, 32767).astype(np.int16))


def _whole(pcm: Samples) -> Samples:
    return pcm[: len(pcm) // PACKET * PACKET]


def coded(pcm: Samples) -> Samples:
    """Give what a μ-law line leaves of it."""
    return np.frombuffer(ulaw_decode(ulaw_encode(pcm.tobytes())), np.int16)
