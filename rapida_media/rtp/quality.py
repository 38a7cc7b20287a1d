"""The quality of one call: what its counters come to, as R and MOS and as RFC 3611 reports it.

Called by the RTP leg with the statistics of its stream, for ``call.stats()``, for each RTCP XR,
and once a second to find the worst ten seconds.
"""

from __future__ import annotations

from collections.abc import Mapping

from rapida_media.rtp.emodel import CODECS, mos, r_factor
from rapida_media.rtp.xr import (
    BUFFER_ADAPTIVE,
    BUFFER_FIXED,
    GMIN,
    PLC_ENHANCED,
    UNAVAILABLE,
    VoipMetrics,
)

Figures = Mapping[str, int | float | None]

# What a packet costs before it can be sent: the length of its own audio. Of ours, and of those of a
# far end that has sent none.
PACKET_MS = 20.0
# The worst stretch of a call is looked for in pieces of this length.
INTERVAL_S = 10.0
# RFC 3611 section 4.7.4 wants dBm0: ITU-T G.711's full-scale sine, -3.01 dBov, is +3.17 dBm0.
_DBM0_AT_0_DBOV = 6.18


class QualityMeter:
    """What one call sounds like to us. codec: the name of what is received, None before that."""

    def __init__(self) -> None:
        self.codec: str | None = None
        self.worst_mos: float | None = None
        self._next = 0.0
        self._before = (0.0, 0.0)

    def assess(self, figures: Figures) -> dict[str, int | float | None]:
        """Derive the figures of quality; None where nothing was heard yet."""
        heard = _number(figures, "heard_ms")
        if not heard or self.codec not in CODECS:
            return dict.fromkeys(("mouth_to_ear_ms", "loss_after_buffer", "r_factor", "mos"))
        codec = CODECS[self.codec]
        concealed = min(1.0, _number(figures, "concealed_ms") / heard)
        loss = _number(figures, "loss")
        delay_ms = _mouth_to_ear_ms(figures, "delay_mean_ms")
        ratio = _burst_ratio(_number(figures, "loss_run"), loss)
        r = r_factor(delay_ms, concealed, codec, burst_ratio=ratio)
        return {
            "mouth_to_ear_ms": delay_ms,
            "loss_after_buffer": concealed,
            "r_factor": r,
            "mos": mos(r),
            "mos_listening": mos(r_factor(0, concealed, codec, burst_ratio=ratio)),
            "mos_worst_10s": self.worst_mos,
        }

    def look(self, figures: Figures, now: float) -> None:
        """Once a second: keep the score of the worst ten seconds so far."""
        if now < self._next or self.codec not in CODECS:
            return
        heard, concealed = _number(figures, "heard_ms"), _number(figures, "concealed_ms")
        newly_heard, newly_concealed = heard - self._before[0], concealed - self._before[1]
        if self._next and newly_heard > 0:
            share = min(1.0, newly_concealed / newly_heard)
            delay_ms = _mouth_to_ear_ms(figures, "delay_ms")
            score = mos(r_factor(delay_ms, share, CODECS[self.codec]))
            self.worst_mos = score if self.worst_mos is None else min(score, self.worst_mos)
        self._next, self._before = now + INTERVAL_S, (heard, concealed)


def voip_metrics(ssrc: int, figures: Figures, quality: Figures) -> VoipMetrics:
    """Write RFC 3611 section 4.7 about the source with that SSRC."""
    came = _number(figures, "packets_received") - _number(figures, "duplicate")
    expected = came + _number(figures, "packets_lost")
    discarded = _number(figures, "discarded") / expected if expected else 0.0
    buffer = BUFFER_ADAPTIVE if figures.get("delay_adapts") else BUFFER_FIXED
    most_ms = _ms(_number(figures, "delay_max_ms"))
    return VoipMetrics(
        ssrc,
        loss_rate=_share(_number(figures, "loss")),
        discard_rate=_share(discarded),
        burst_density=_share(_number(figures, "burst_density")),
        gap_density=_share(_number(figures, "gap_density")),
        burst_duration=_ms(_number(figures, "burst_ms")),
        gap_duration=_ms(_number(figures, "gap_ms")),
        round_trip_delay=_ms(_number(figures, "round_trip_ms")),
        end_system_delay=_ms(PACKET_MS + _number(figures, "delay_ms")),
        signal_level=_dbm0(figures, "received_speech_dbov"),
        noise_level=_dbm0(figures, "received_noise_dbov"),
        gmin=GMIN,
        r_factor=_score(quality.get("r_factor")),
        mos_lq=_score(quality.get("mos_listening"), 10),
        mos_cq=_score(quality.get("mos"), 10),
        receiver_configuration=PLC_ENHANCED | buffer,
        jitter_buffer_nominal=_ms(_number(figures, "delay_ms")),
        jitter_buffer_maximum=most_ms,
        jitter_buffer_absolute_maximum=most_ms,
    )


def _number(figures: Figures, name: str) -> float:
    return float(figures.get(name) or 0)


def _mouth_to_ear_ms(figures: Figures, buffer: str) -> float:
    """Half the round trip, the far end's packet, our buffer by the figure of that name."""
    packet_ms = _number(figures, "packet_ms") or PACKET_MS
    return _number(figures, "round_trip_ms") / 2 + packet_ms + _number(figures, buffer)


def _burst_ratio(mean_run: float, loss: float) -> float:
    """G.107 section 7.5; a random loss lasts 1 / (1 - loss) packets on average."""
    return min(2.0, max(1.0, mean_run * (1 - loss)))


def _share(value: float) -> int:
    return min(255, max(0, int(256 * value)))


def _ms(value: float) -> int:
    return min(0xFFFF, max(0, round(value)))


def _dbm0(figures: Figures, name: str) -> int:
    dbov = figures.get(name)
    if dbov is None or dbov <= -127:
        return UNAVAILABLE
    return round(dbov + _DBM0_AT_0_DBOV)


def _score(value: float | None, times: int = 1) -> int:
    return UNAVAILABLE if value is None else round(value * times)
