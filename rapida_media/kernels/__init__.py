"""The one door to compiled code. There is no pure-Python fallback: building needs a C compiler."""

from rapida_media.kernels._base64 import base64_decode, base64_encode
from rapida_media.kernels._dsp import Tone, gain_ramp, level_dbov, mix
from rapida_media.kernels._g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from rapida_media.kernels._media_message import (
    MediaMessage,
    MediaMessageDecoder,
    MediaMessageEncoder,
)
from rapida_media.kernels._resample import FirResampler as Resampler

__all__ = [
    "MediaMessage",
    "MediaMessageDecoder",
    "MediaMessageEncoder",
    "Resampler",
    "Tone",
    "alaw_decode",
    "alaw_encode",
    "base64_decode",
    "base64_encode",
    "gain_ramp",
    "level_dbov",
    "mix",
    "ulaw_decode",
    "ulaw_encode",
]
