"""Opus (RFC 6716, in RTP RFC 7587) by libopus, through FFmpeg's wrapper and PyAV.

For `media.codec` and for whoever wants other settings than its defaults. The package PyAV is an
optional one: pip install 'rapida-media[opus]'. What that wrapper offers, up to FFmpeg 8.1 at least,
decides what is here:

    sending FEC       yes: packets carry a coarse copy of the frame before them (RFC 6716 2.1.7)
    receiving FEC     no: libopus is never asked for that copy, so a lost frame is concealed
    concealment       yes, by libopus: a packet of length 0 means a lost frame (RFC 6716 3.2.1)
    DTX               the wrapper cannot turn libopus' own on; `OpusEncoder` does it itself
    decoding rate     48 kHz only, whence our resampler to 16 kHz
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import Resampler
from rapida_media.media.frame import FRAME_BYTES, FRAME_MS, FRAME_SAMPLES, RATE_HZ

try:
    import av
except ImportError as error:
    raise ImportError("Opus needs PyAV: pip install 'rapida-media[opus]'") from error

LIBOPUS_HZ = 48_000
LEAST_BITRATE = 6_000  # RFC 6716 section 2.1.1
MOST_BITRATE = 256_000  # a channel's limit in FFmpeg's wrapper
# SILK packets alone say whether there is a voice. libopus leaves SILK above some 60 kbit/s, and
# from complexity 7 on, where it analyses the sound, also for what is no speech.
MOST_DTX_BITRATE = 48_000
MOST_DTX_COMPLEXITY = 6

# RFC 6716 section 3.1: the first octet holds the configuration, "s" for stereo, and a code "c" for
# the number of frames. Configurations from 16 on are CELT's, without SILK.
_CODE_MASK = 0b11
_FIRST_CELT_TOC = 16 << 3
_FRAME_COUNT_MASK = 0x3F
# Section 4.2.3: a SILK packet begins with the voice activity flag of its frame.
_VOICE_FLAG = 0x80
# Configuration 9, SILK wideband, 20 ms.
_FIRST_TOC = 9 << 3


class OpusEncoder:
    """16 kHz s16le mono to Opus, 20 ms at a time, one payload for each frame from the first on.

    bitrate: bit/s, 6000 to 256000; wideband speech wants 16000 to 24000, and FEC 24000 or more.
    fec, expected_loss_percent: the higher the loss, the more the copies cost and the better they
    are; at 0, and at too low a bitrate, libopus sends none. dtx: see `_Dtx`; up to 48000 bit/s.
    complexity: 0 to 10, CPU time for quality; with DTX no more than 6 is used.

    The encoder looks 6.5 ms ahead. Raises LocalProtocolError for settings out of range.
    """

    def __init__(
        self,
        bitrate: int = 24_000,
        *,
        fec: bool = True,
        expected_loss_percent: int = 10,
        dtx: bool = False,
        complexity: int = 9,  # what libopus itself starts from
    ) -> None:
        most = MOST_DTX_BITRATE if dtx else MOST_BITRATE
        _check("bit/s with DTX" if dtx else "bit/s", bitrate, LEAST_BITRATE, most)
        _check("percent of loss", expected_loss_percent, 0, 100)
        _check("of complexity", complexity, 0, 10)
        self._dtx = _Dtx() if dtx else None
        if dtx:
            complexity = min(complexity, MOST_DTX_COMPLEXITY)
        self._context = av.CodecContext.create("libopus", "w")
        self._context.sample_rate, self._context.layout = RATE_HZ, "mono"
        self._context.format, self._context.time_base = "s16", Fraction(1, RATE_HZ)
        self._context.bit_rate = bitrate
        self._context.options = {
            "application": "voip",
            "frame_duration": str(FRAME_MS),
            "fec": str(int(fec)),
            "packet_loss": str(expected_loss_percent),
            "compression_level": str(complexity),
        }
        self._frame = av.AudioFrame("s16", "mono", FRAME_SAMPLES, align=1)
        self._frame.sample_rate = RATE_HZ

    def encode(self, pcm16k: bytes, /) -> bytes:
        """Encode one frame of 640 bytes; LocalProtocolError for any other length."""
        if len(pcm16k) != FRAME_BYTES:
            raise LocalProtocolError(
                f"encode: expected a 20 ms frame of {FRAME_BYTES} bytes, got {len(pcm16k)}"
            )
        self._frame.planes[0].update(pcm16k)
        # FFmpeg buffers nothing: libopus keeps the samples it looks ahead at and codes what it has.
        (packet,) = self._context.encode(self._frame)
        payload = bytes(packet)
        return payload if self._dtx is None else self._dtx.thin_out(payload)


class OpusDecoder:
    """Opus, mono or stereo, of any rate and frame length, to 16 kHz s16le mono.

    A payload gives as many samples as its packet says it has time: 320 for 20 ms, 1920 at most. A
    payload that is no Opus packet is counted in `malformed` and concealed. Damage that leaves the
    packet's structure whole cannot be seen, for Opus has no checksum; it is heard.

    concealed: how often a missing packet was made up for, by `conceal` or within `decode`.
    """

    def __init__(self) -> None:
        self.malformed = 0
        self.concealed = 0
        self._context = av.CodecContext.create("libopus", "r")
        self._context.sample_rate, self._context.layout = LIBOPUS_HZ, "mono"
        self._resampler = Resampler(LIBOPUS_HZ, RATE_HZ)
        self._lost = bytes([_FIRST_TOC])

    def decode(self, payload: bytes, /) -> bytes:
        """Decode one RTP payload. Never raises."""
        # FFmpeg takes an empty packet for the end of the stream, and would be deaf after it.
        if not payload:
            return self._refuse()
        try:
            frames = self._context.decode(av.Packet(payload))
        except av.FFmpegError:
            return self._refuse()
        self._lost = _without_audio(payload)
        return self._to_bus_rate(frames)

    def conceal(self) -> bytes:
        """Make up for a packet that did not come, as long as the one before it.

        libopus goes on with the sound it knows and fades it out over some frames. The copy that
        the next packet may carry (FEC) is not used.
        """
        self.concealed += 1
        return self._to_bus_rate(self._context.decode(av.Packet(self._lost)))

    def _refuse(self) -> bytes:
        self.malformed += 1
        return self.conceal()

    def _to_bus_rate(self, frames: Iterable[av.AudioFrame]) -> bytes:
        return b"".join(
            self._resampler.push(memoryview(frame.planes[0])[: 2 * frame.samples])
            for frame in frames
        )


class _Dtx:
    """Discontinuous transmission: what silence costs when most of it is left out.

    RFC 6716 section 2.1.9: "When DTX is enabled, only one frame is encoded every 400
    milliseconds." The rest become packets of one octet, which say how long they last and hold no
    audio; the sender may leave them out, its RTP timestamp going on (RFC 7587 section 3.1.3). A
    decoder fills them with noise like that of the last frame it was given.

        voice  |   200 ms of silence   |     one octet × 19     | frame |  one octet × 19  | …

    libopus marks each frame as voice or none; the 200 ms are the end of a word that it missed. Loud
    hiss (-55 dBov and more) is a voice to it every so often, and then is sent.
    """

    __slots__ = ("_silent_frames",)

    HANGOVER_FRAMES = 200 // FRAME_MS
    PERIOD_FRAMES = 400 // FRAME_MS

    def __init__(self) -> None:
        self._silent_frames = 0

    def thin_out(self, payload: bytes) -> bytes:
        if payload[0] >= _FIRST_CELT_TOC or (len(payload) > 1 and payload[1] & _VOICE_FLAG):
            self._silent_frames = 0
            return payload
        self._silent_frames += 1
        beyond = self._silent_frames - self.HANGOVER_FRAMES
        return payload if beyond <= 0 or beyond % self.PERIOD_FRAMES == 0 else payload[:1]


def _without_audio(payload: bytes) -> bytes:
    """Make a packet as long in time as a good one, its frames of length 0.

    RFC 6716 section 3.2.1 calls such a frame "No frame (Discontinuous Transmission (DTX) or lost
    packet)". Codes 0 and 1 are one and two frames of equal length; 2 is two of different ones; 3
    has their number in the second octet.
    """
    toc, code = payload[0] & ~_CODE_MASK, payload[0] & _CODE_MASK
    if code == _CODE_MASK:
        return bytes([payload[0], payload[1] & _FRAME_COUNT_MASK])
    return bytes([toc | min(code, 1)])


def _check(unit: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise LocalProtocolError(f"opus: expected {least} to {most} {unit}, got {value}")
