"""The one door to compiled code. There is no pure-Python fallback: building needs a C compiler."""

from rapida_media.kernels._dsp import Tone, gain_ramp, level_dbov, mix
from rapida_media.kernels._dtmf import DtmfDetector
from rapida_media.kernels._g711 import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode
from rapida_media.kernels._g722 import G722Decoder, G722Encoder
from rapida_media.kernels._l16 import swap16
from rapida_media.kernels._resample import Resampler

__all__ = [
    "DtmfDetector",
    "G722Decoder",
    "G722Encoder",
    "Resampler",
    "Tone",
    "alaw_decode",
    "alaw_encode",
    "gain_ramp",
    "level_dbov",
    "mix",
    "swap16",
    "ulaw_decode",
    "ulaw_encode",
]
