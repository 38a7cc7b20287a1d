"""Sample rates outside the telephone family (44.1 kHz files, 11.025 kHz prompts), by libsamplerate.

Who calls: `Resampler`, for pairs of rates it has no coefficients for. libsamplerate holds back the
samples its filter still needs; here that lag is filled with silence at the start, so that each push
returns its full time like the compiled kernels do.
"""

from __future__ import annotations

import importlib
from math import ceil
from typing import Any

import numpy as np

CONVERTER = "sinc_medium"  # 121 dB, 90 % of the band; "sinc_best" would delay three times as long
# Of silence, in samples of the lower rate, that show how much the converter holds back: its filter
# spans a hundred of them.
PROBE_SAMPLES = 400
LARGEST_RATIO = 256  # libsamplerate's own bound


class OtherRates:
    """A stream's converter between any two rates: s16le mono PCM in and out.

    The output does not depend on where the input was cut. ValueError for rates that are not
    positive or more than 256 times apart; ImportError without the package samplerate.
    """

    def __init__(self, from_hz: int, to_hz: int) -> None:
        lower, higher = min(from_hz, to_hz), max(from_hz, to_hz)
        if lower <= 0 or higher > lower * LARGEST_RATIO:
            raise ValueError(f"no conversion from {from_hz} to {to_hz} Hz")
        self._from_hz = from_hz
        self._to_hz = to_hz
        self._library: Any = importlib.import_module("samplerate")
        self._lag_samples = self._measure_lag()
        self.delay_ms = self._lag_samples * 1000 / to_hz
        self.reset()

    def reset(self) -> None:
        """Forget what was pushed; the next push starts a new stream."""
        self._converter = self._new_converter()
        self._ready = bytearray(2 * self._lag_samples)
        self._taken = 0  # input samples
        self._given = 0  # output samples

    def push(self, pcm: bytes) -> bytes:
        """Convert whole s16le samples; after N of them ceil(N * to_hz / from_hz) were returned."""
        samples = np.frombuffer(pcm, "<i2")
        self._ready += self._convert(self._converter, samples)
        self._taken += len(samples)
        wanted = -(-self._taken * self._to_hz // self._from_hz) - self._given
        self._given += wanted
        out = bytes(self._ready[: 2 * wanted])
        assert len(out) == 2 * wanted, "the converter held back more than it did at first"
        del self._ready[: 2 * wanted]
        return out

    def _new_converter(self) -> Any:
        return self._library.Resampler(CONVERTER, channels=1)

    def _convert(self, converter: Any, samples: np.ndarray[Any, Any]) -> bytes:
        scaled = samples.astype(np.float32) / 32768
        out = converter.process(scaled, self._to_hz / self._from_hz)
        clipped: np.ndarray[Any, Any] = np.clip(np.rint(out * 32768), -32768, 32767)
        return clipped.astype("<i2").tobytes()

    def _measure_lag(self) -> int:
        converter = self._new_converter()
        samples = ceil(PROBE_SAMPLES * self._from_hz / min(self._from_hz, self._to_hz))
        given = len(self._convert(converter, np.zeros(samples, "<i2"))) // 2
        # Two more: the position between samples makes the lag vary by one, the ceiling by another.
        return ceil(samples * self._to_hz / self._from_hz) - given + 2
