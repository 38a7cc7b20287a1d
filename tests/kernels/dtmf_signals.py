"""Q.23 signals with everything a line does to them, as float samples; independent of our tones."""

from __future__ import annotations

import numpy as np

DIGITS = "123A456B789C*0#D"
ROWS_HZ = (697, 770, 852, 941)
COLUMNS_HZ = (1209, 1336, 1477, 1633)
PEAK_0_DBM0 = 32768 / 10 ** (3.14 / 20)  # G.711: the loudest sine is +3.14 dBm0


def tone(
    digit: str,
    ms: float,
    rate_hz: int,
    *,
    row_dbm0: float = -10.0,
    column_dbm0: float = -10.0,
    row_off: float = 0.0,
    column_off: float = 0.0,
    phase: float = 0.3,
) -> np.ndarray:
    """row_off, column_off: frequency error, 0.015 = 1.5 % high."""
    row, column = divmod(DIGITS.index(digit), 4)
    turns = 2 * np.pi * np.arange(round(ms * rate_hz / 1000)) / rate_hz
    low = np.sin(turns * ROWS_HZ[row] * (1 + row_off) + phase)
    high = np.sin(turns * COLUMNS_HZ[column] * (1 + column_off) + 2.1 * phase)
    return PEAK_0_DBM0 * (10 ** (row_dbm0 / 20) * low + 10 ** (column_dbm0 / 20) * high)


def pause(ms: float, rate_hz: int) -> np.ndarray:
    return np.zeros(round(ms * rate_hz / 1000))


def packed(*pieces: np.ndarray) -> bytes:
    return np.clip(np.round(np.concatenate(pieces)), -32768, 32767).astype("<i2").tobytes()


def noisy(signal: np.ndarray, decibels: float, seed: int) -> np.ndarray:
    """Add white noise, `decibels` below the signal's power where it sounds."""
    power = np.mean(signal[signal != 0] ** 2)
    sigma = np.sqrt(power / 10 ** (decibels / 10))
    return signal + np.random.default_rng(seed).normal(0, sigma, len(signal))
