"""The E-model (ITU-T G.107): what a listener would think of a connection, computed.

Called by ``quality``. R runs from 0 to 100 on the narrow-band scale, whatever the codec, so that
calls can be compared; all parameters that we cannot measure have G.107's default values, with
which a perfect connection has R = 93.2. Names are those of the recommendation.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import exp, log2, log10, sqrt

# Table 2 of G.107: send and receive loudness (dB), sidetone masking, D-factors, noise (dBm0p, dBmp,
# dB(A)), talker echo loss, weighted echo path loss, quantising distortion.
_SLR, _RLR, _STMR, _DS, _DR = 8.0, 2.0, 15.0, 3.0, 3.0
_NC, _NFOR, _PS, _PR = -70.0, -64.0, 35.0, 35.0
_TELR, _WEPL, _QDU = 65.0, 110.0, 1.0


@dataclass(frozen=True, slots=True)
class Impairment:
    """What a codec takes from R by itself (Ie), and how well it stands losses (Bpl)."""

    ie: float
    bpl: float


# G.113 Appendix I, table I.3: G.711 with a concealment of its Appendix I's class. The others here
# lose as little by themselves and are concealed by the same means.
_CONCEALED_WAVEFORM = Impairment(0, 25.1)
CODECS = {
    "PCMU": _CONCEALED_WAVEFORM,
    "PCMA": _CONCEALED_WAVEFORM,
    "G722": _CONCEALED_WAVEFORM,
    "L16/16000": _CONCEALED_WAVEFORM,
}


def r_factor(
    one_way_ms: float, loss: float, codec: Impairment, *, burst_ratio: float = 1.0
) -> float:
    """Give R = Ro - Is - Id - Ie,eff (section 7.1), from 0 to 100.

    one_way_ms: mouth to ear.  loss: share of the speech that was made up, 0 to 1.
    burst_ratio: mean length of a loss over the length it would have if losses were random.
    """
    ro = _basic_ratio()
    r = ro - _simultaneous(ro) - _delay(ro, one_way_ms) - effective(codec, loss, burst_ratio)
    return min(100.0, max(0.0, r))


def effective(codec: Impairment, loss: float, burst_ratio: float) -> float:
    """Give Ie,eff (section 7.5)."""
    percent = 100 * loss
    if percent <= 0:
        return codec.ie
    return codec.ie + (95 - codec.ie) * percent / (percent / burst_ratio + codec.bpl)


def mos(r: float) -> float:
    """Give the mean opinion score for R (Annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def _power_sum(*decibels: float) -> float:
    return 10 * log10(sum(10 ** (each / 10) for each in decibels))


@cache
def _noise() -> float:
    """Give No, the sum of all noise at the 0 dBr point (section 7.2)."""
    olr = _SLR + _RLR
    room_sent = _PS - _SLR - _DS - 100 + 0.004 * (_PS - olr - _DS - 14) ** 2
    effective_room = _PR + 10 * log10(1 + 10 ** ((10 - _STMR - _DR) / 10))
    room_received = _RLR - 121 + effective_room + 0.008 * (effective_room - 35) ** 2
    return _power_sum(_NC, room_sent, room_received, _NFOR + _RLR)


def _basic_ratio() -> float:
    return 15 - 1.5 * (_SLR + _noise())


@cache
def _simultaneous(ro: float) -> float:
    """Give Is: too loud, too much sidetone, quantising noise (section 7.3)."""
    x = _SLR + _RLR + 0.2 * (64 + _noise() - _RLR)
    too_loud: float = 20 * ((1 + (x / 8) ** 8) ** (1 / 8) - x / 8)
    sidetone = -10 * log10(10 ** (-_STMR / 10) + 10 ** (-_TELR / 10))
    bad_sidetone: float = (
        12 * (1 + ((sidetone - 13) / 6) ** 8) ** (1 / 8)
        - 28 * (1 + ((sidetone + 1) / 19.4) ** 35) ** (1 / 35)
        - 13 * (1 + ((sidetone - 3) / 33) ** 13) ** (1 / 13)
        + 29
    )
    q = 37 - 15 * log10(_QDU)
    g = 1.07 + 0.258 * q + 0.0602 * q**2
    y, z = (ro - 100) / 15 + 46 / 8.4 - g / 9, 46 / 30 - g / 40
    quantising = 15 * log10(1 + 10**y + 10**z)
    return too_loud + bad_sidetone + quantising


def _delay(ro: float, one_way_ms: float) -> float:
    """Give Id: talker echo, listener echo, and delay itself (section 7.4)."""
    t, tr = one_way_ms, 2 * one_way_ms
    terv = _TELR - 40 * log10((1 + t / 10) / (1 + t / 150)) + 6 * exp(-0.3 * t**2)
    roe, re = -1.5 * (_noise() - _RLR), 80 + 2.5 * (terv - 14)
    half = (roe - re) / 2
    talker = (half + sqrt(half**2 + 100) - 1) * (1 - exp(-t))
    rle: float = 10.5 * (_WEPL + 7) * (tr + 1) ** -0.25
    half = (ro - rle) / 2
    listener = half + sqrt(half**2 + 169)
    absolute = 0.0
    if t > 100:
        x = log2(t / 100)
        absolute = 25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
    return talker + listener + absolute
