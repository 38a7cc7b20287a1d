"""The one door to compiled code. There is no pure-Python fallback: building needs a C compiler."""

from rapida_media.kernels._base64 import base64_decode, base64_encode
from rapida_media.kernels._conceal import ComfortNoise, Concealer, describe_noise
from rapida_media.kernels._dsp import Tone, gain_ramp, level_dbov, mix
from rapida_media.kernels._dtmf import DtmfDetector
from rapida_media.kernels._g711 import (
    alaw_decode,
    alaw_decode_into,
    alaw_encode,
    alaw_encode_into,
    alaw_to_ulaw,
    ulaw_decode,
    ulaw_decode_into,
    ulaw_encode,
    ulaw_encode_into,
    ulaw_to_alaw,
)
from rapida_media.kernels._g722 import G722Decoder, G722Encoder
from rapida_media.kernels._l16 import swap16
from rapida_media.kernels._media_io import MediaPoller
from rapida_media.kernels._media_message import (
    MediaMessage,
    MediaMessageDecoder,
    MediaMessageEncoder,
)
from rapida_media.kernels._resample import Resampler
from rapida_media.kernels._rtp import (
    ReceptionReport,
    RtpPacket,
    SourceStatistics,
    Verdict,
    format_rtp,
    parse_rtp,
)
from rapida_media.kernels._speech import EnergyDetector
from rapida_media.kernels._stream import (
    CONCEALED,
    DIGIT,
    SILENCE,
    TALKSPURT_START,
    Audio,
    MediaStream,
    PayloadDecoder,
    PayloadEncoder,
)

__all__ = [
    "CONCEALED",
    "DIGIT",
    "SILENCE",
    "TALKSPURT_START",
    "Audio",
    "ComfortNoise",
    "Concealer",
    "DtmfDetector",
    "EnergyDetector",
    "G722Decoder",
    "G722Encoder",
    "MediaMessage",
    "MediaMessageDecoder",
    "MediaMessageEncoder",
    "MediaPoller",
    "MediaStream",
    "PayloadDecoder",
    "PayloadEncoder",
    "ReceptionReport",
    "Resampler",
    "RtpPacket",
    "SourceStatistics",
    "Tone",
    "Verdict",
    "alaw_decode",
    "alaw_decode_into",
    "alaw_encode",
    "alaw_encode_into",
    "alaw_to_ulaw",
    "base64_decode",
    "base64_encode",
    "describe_noise",
    "format_rtp",
    "gain_ramp",
    "level_dbov",
    "mix",
    "parse_rtp",
    "swap16",
    "ulaw_decode",
    "ulaw_decode_into",
    "ulaw_encode",
    "ulaw_encode_into",
    "ulaw_to_alaw",
]
