"""What a stream really carries, told by its octets for each millisecond.

Exotel's pages disagree on the codec, and a rate in the URL may be spelt as this account does not
know it. The audio tells, against the time stamps that come with it:

     8 octets a ms    μ-law, 8 kHz
    16, 32, 48        16-bit linear at 8, 16 and 24 kHz

Used by ``ExotelStream`` only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wire:
    """Audio as it is sent. encoding: as the kernels call it, PCMU or L16LE (low octet first)."""

    encoding: str = "L16LE"
    rate_hz: int = 8000

    @property
    def sample_octets(self) -> int:
        return 1 if self.encoding == "PCMU" else 2

    @property
    def octets_per_ms(self) -> int:
        return self.rate_hz // 1000 * self.sample_octets

    def __str__(self) -> str:
        return f"{'μ-law' if self.encoding == 'PCMU' else 'linear'} {self.rate_hz} Hz"


WIRES = (Wire("PCMU", 8000), Wire(), Wire(rate_hz=16000), Wire(rate_hz=24000))
# A pause halves the figure of one interval, not of three in a row.
AGREEING = 3
INTERVALS = 20
TOLERANCE = 0.15


class WireMeter:
    """Measures until it is sure, or until it has seen enough to give up."""

    def __init__(self) -> None:
        self._last_ms: int | None = None
        self._octets = 0  # of what came since the time stamp last changed
        self._agreed: Wire | None = None
        self._agreeing = 0
        self._left = INTERVALS

    def push(self, octets: int, timestamp_ms: int | None) -> Wire | None:
        """Take one message; gives what the stream carries, once, when that is sure."""
        if self._left == 0 or timestamp_ms is None:
            return None
        self._octets += octets
        last_ms = self._last_ms
        if last_ms is not None and timestamp_ms == last_ms:
            return None  # stamps are coarser than messages: wait for the next
        self._last_ms, octets, self._octets = timestamp_ms, self._octets, 0
        if last_ms is None or timestamp_ms < last_ms:
            return None
        self._left -= 1
        return self._agree(octets / (timestamp_ms - last_ms))

    def _agree(self, octets_per_ms: float) -> Wire | None:
        seen = next(
            (
                each
                for each in WIRES
                if abs(octets_per_ms - each.octets_per_ms) <= TOLERANCE * each.octets_per_ms
            ),
            None,
        )
        self._agreeing = self._agreeing + 1 if seen == self._agreed else 1
        self._agreed = seen
        if seen is None or self._agreeing < AGREEING:
            return None
        self._left = 0
        return seen
