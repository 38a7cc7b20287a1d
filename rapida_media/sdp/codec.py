"""Codecs as SDP names them: what a payload type number of one ``m=`` line stands for.

Called by ``offer_answer``. A number means what its ``a=rtpmap`` says; only a static number
without one has the meaning of RFC 3551 section 6; a dynamic number without one means nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rapida_media.sdp.description import Attribute, MediaDescription, parse_number

TELEPHONE_EVENT = "telephone-event"
COMFORT_NOISE = "CN"
# RFC 4733 section 3.2: events 0-15 are the DTMF digits, 16 is the hook flash.
TELEPHONE_EVENT_FMTP = "0-16"
# RFC 3551 section 3 "reserves payload type numbers in the range 96-127 exclusively for dynamic
# assignment".
FIRST_DYNAMIC = 96
MAXIMUM_PAYLOAD_TYPE = 127
# What most peers number telephone-event at 8 kHz; some old ones know it by no other number.
_USUAL_TELEPHONE_EVENT = 101
# RFC 3551 section 6, table 4.
STATIC_NOISE = 13


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of one direction.

    rate_hz: RTP clock rate.  fmtp: the parameters as written, None when there are none.
    """

    encoding: str
    rate_hz: int
    channels: int
    payload_type: int
    fmtp: str | None = None

    @property
    def name(self) -> str:
        """The name codecs are configured by: ``PCMU``, ``L16/16000``, ``telephone-event/8000``."""
        if self.encoding in _SINGLE_RATE and self.rate_hz == 8000 and self.channels == 1:
            return self.encoding
        channels = "" if self.channels == 1 else f"/{self.channels}"
        return f"{self.encoding}/{self.rate_hz}{channels}"

    @property
    def is_telephone_event(self) -> bool:
        return self.encoding == TELEPHONE_EVENT

    @property
    def is_comfort_noise(self) -> bool:
        return self.encoding == COMFORT_NOISE

    @property
    def is_audio(self) -> bool:
        """Whether it can carry a call: events and comfort noise go beside a codec that does."""
        return not (self.is_telephone_event or self.is_comfort_noise)

    def attributes(self) -> list[Attribute]:
        """Write ``a=rtpmap`` and, when there are parameters, ``a=fmtp`` (RFC 8866 section 6.6)."""
        channels = "" if self.channels == 1 else f"/{self.channels}"
        mapping = f"{self.payload_type} {self.encoding}/{self.rate_hz}{channels}"
        written = [Attribute("rtpmap", mapping)]
        if self.fmtp is not None:
            written.append(Attribute("fmtp", f"{self.payload_type} {self.fmtp}"))
        return written


# Encodings that exist at 8000 Hz only, named without their rate.
_SINGLE_RATE = {"PCMU", "PCMA", "G722"}

# What the engine can send and receive, by configured name; the payload type is the one offered
# when there is a static one. RFC 3551 assigns L16 static numbers at 44.1 kHz only.
SUPPORTED: dict[str, tuple[str, int, int | None]] = {
    "PCMU": ("PCMU", 8000, 0),
    "PCMA": ("PCMA", 8000, 8),
    "G722": ("G722", 8000, 9),
    "L16/16000": ("L16", 16000, None),
}
DEFAULT_CODECS = ("PCMU", "PCMA", "G722", "L16/16000")

# RFC 3551 section 6, table 4: encoding, clock rate, channels of the static audio numbers.
STATIC_PAYLOAD_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("PCMU", 8000, 1),
    3: ("GSM", 8000, 1),
    4: ("G723", 8000, 1),
    5: ("DVI4", 8000, 1),
    6: ("DVI4", 16000, 1),
    7: ("LPC", 8000, 1),
    8: ("PCMA", 8000, 1),
    9: ("G722", 8000, 1),
    10: ("L16", 44100, 2),
    11: ("L16", 44100, 1),
    12: ("QCELP", 8000, 1),
    STATIC_NOISE: (COMFORT_NOISE, 8000, 1),
    14: ("MPA", 90000, 1),
    15: ("G728", 8000, 1),
    16: ("DVI4", 11025, 1),
    17: ("DVI4", 22050, 1),
    18: ("G729", 8000, 1),
}

# RFC 8866 section 6.6: encoding names are compared without regard to case; we keep one spelling.
_SPELLING = {name.lower(): name for name, _, _ in SUPPORTED.values()} | {
    TELEPHONE_EVENT: TELEPHONE_EVENT,
    COMFORT_NOISE.lower(): COMFORT_NOISE,
}


@cache
def local_codecs(names: tuple[str, ...], *, comfort_noise: bool = False) -> tuple[Codec, ...]:
    """Give our codecs of these names of ``SUPPORTED``, then telephone-event at each clock rate, and
    so comfort noise where it is wanted.

    Dynamic payload types are wishes: the negotiation moves them where the session needs it.
    """
    audio = []
    for name in names:
        encoding, rate_hz, static = SUPPORTED[name]
        audio.append(Codec(encoding, rate_hz, 1, FIRST_DYNAMIC if static is None else static))
    rates_hz = dict.fromkeys(codec.rate_hz for codec in audio)
    events = [
        Codec(TELEPHONE_EVENT, rate_hz, 1, _USUAL_TELEPHONE_EVENT, TELEPHONE_EVENT_FMTP)
        for rate_hz in rates_hz
    ]
    if not comfort_noise:
        return (*audio, *events)
    # RFC 3551 gives 8 kHz the static number; RFC 3389 section 4 leaves the other clocks dynamic
    # ones.
    noises = [
        Codec(COMFORT_NOISE, rate_hz, 1, STATIC_NOISE if rate_hz == 8000 else FIRST_DYNAMIC)
        for rate_hz in rates_hz
    ]
    return (*audio, *events, *noises)


def codecs_of(media: MediaDescription) -> list[Codec]:
    """Give what the formats of an RTP ``m=`` line mean, in its order of preference.

    Formats without a meaning (no number, dynamic without rtpmap, unreadable rtpmap) are left out;
    of several equal codecs, only the first is given.
    """
    rtpmaps = _numbered(media.attribute_values("rtpmap"))
    fmtps = _numbered(media.attribute_values("fmtp"))
    found: dict[str, Codec] = {}
    # There are no more numbers than this; a longer list only costs time.
    for text in media.formats[: MAXIMUM_PAYLOAD_TYPE + 1]:
        number = parse_number(text, MAXIMUM_PAYLOAD_TYPE)
        if number is None:
            continue
        meaning = _parse_rtpmap(rtpmaps.get(number, "")) or STATIC_PAYLOAD_TYPES.get(number)
        if meaning is not None:
            codec = Codec(*meaning, payload_type=number, fmtp=fmtps.get(number))
            found.setdefault(codec.name, codec)
    return list(found.values())


def _numbered(values: list[str]) -> dict[int, str]:
    """Index ``number rest`` attribute values; the first of a number wins."""
    found: dict[int, str] = {}
    for value in values:
        text, _, rest = value.strip().partition(" ")
        number = parse_number(text, MAXIMUM_PAYLOAD_TYPE)
        if number is not None:
            found.setdefault(number, rest.strip())
    return found


def _parse_rtpmap(text: str) -> tuple[str, int, int] | None:
    encoding, *parameters = text.split("/")
    if not encoding or not 1 <= len(parameters) <= 2:
        return None
    rate_hz = parse_number(parameters[0].strip(), 1_000_000)
    channels = parse_number(parameters[1].strip(), 255) if len(parameters) == 2 else 1
    if not rate_hz or not channels:
        return None
    return _SPELLING.get(encoding.lower(), encoding), rate_hz, channels
