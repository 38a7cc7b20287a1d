"""What one audio line of the peer says, with every default applied.

Called by ``offer_answer`` for offers and answers alike: direction and connection may stand at
session or media level, the RTCP port may be implied, hold may be written the old way. A line that
no RTP stream over IP can follow reads as ``Unusable``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from rapida_media.errors import RemoteProtocolError
from rapida_media.sdp.codec import Codec, codecs_of
from rapida_media.sdp.crypto import Crypto, cryptos_of
from rapida_media.sdp.description import (
    Attribute,
    MediaDescription,
    SessionDescription,
    parse_number,
    parse_sdp,
)
from rapida_media.sdp.unusable import (
    CLOSED,
    MULTICAST,
    NO_ADDRESS,
    NO_AUDIO,
    OTHER_PROFILE,
    Unusable,
)

# What we offer, RFC 3551 and RFC 3711: plain RTP and SRTP.
PLAIN, SECURE = "RTP/AVP", "RTP/SAVP"
# profile → whether its media is encrypted. Those with feedback (RFC 4585, RFC 5124) differ in what
# RTCP may carry and how early: "a=rtcp-fb" lines ask for it, and none of ours do.
PROFILES = {PLAIN: False, SECURE: True, "RTP/AVPF": False, "RTP/SAVPF": True}

# RFC 5761 section 5.1.1.
RTCP_MUX = "rtcp-mux"

# direction → (the describing side sends, it receives); RFC 3264 section 5.1.
DIRECTIONS = {
    "sendrecv": (True, True),
    "sendonly": (True, False),
    "recvonly": (False, True),
    "inactive": (False, False),
}

# The longest packet interval worth believing, in milliseconds.
_MAXIMUM_PTIME_MS = 1000

# Whose reading is kept: trunks' and our own are in every description.
ADDRESSES = 1024


@dataclass(frozen=True, slots=True)
class PeerAudio:
    """One usable audio line of the peer.

    address, port: where it receives RTP.  rtcp: where it receives RTCP, None for nowhere.
    sends, receives: its direction.  ptime_ms: packet length it wishes to receive, if it said so.
    maxptime_ms: the longest it takes.
    rtcp_mux: RTCP may go to the RTP port.
    protocol: one of PROFILES.  cryptos: its keys that we can use.  keyed: whether it gave any.
    """

    address: str
    port: int
    rtcp: tuple[str, int] | None
    sends: bool
    receives: bool
    ptime_ms: int | None
    codecs: tuple[Codec, ...]
    rtcp_mux: bool = False
    protocol: str = PLAIN
    maxptime_ms: int | None = None
    cryptos: tuple[Crypto, ...] = ()
    keyed: bool = False

    @property
    def secure(self) -> bool:
        return PROFILES[self.protocol]


def read_audio(session: SessionDescription, media: MediaDescription) -> PeerAudio | Unusable:
    """Read a media line, which has to be an accepted RTP audio line to a unicast address."""
    connection = media.connection or session.connection
    if media.kind != "audio":
        return NO_AUDIO
    if not media.port:
        return CLOSED
    if media.protocol not in PROFILES:
        return OTHER_PROFILE
    ip = None if connection is None else parse_address(connection.address)
    if ip is None:
        return NO_ADDRESS
    if ip.is_multicast:
        return MULTICAST
    sends, receives = direction_of(session, media)
    # RFC 3264 section 8.4: "RFC 2543 [10] specified that placing a user on hold was accomplished
    # by setting the connection address to 0.0.0.0." It tells that the peer receives nothing; what
    # it sends stays as its direction tells.
    receives = receives and not ip.is_unspecified
    return PeerAudio(
        address=str(ip),
        port=media.port,
        rtcp=_rtcp(media, str(ip)),
        sends=sends,
        receives=receives,
        ptime_ms=milliseconds_of(media, "ptime"),
        maxptime_ms=milliseconds_of(media, "maxptime"),
        codecs=tuple(codecs_of(media)),
        rtcp_mux=media.has(RTCP_MUX),
        protocol=media.protocol,
        cryptos=tuple(cryptos_of(media)),
        keyed=media.attribute("crypto") is not None,
    )


def audio_address(body: bytes) -> str | None:
    """Give the address of the first audio line that names one; None for a body that cannot be
    read, which is found out where it is negotiated."""
    try:
        session = parse_sdp(body)
    except RemoteProtocolError:
        return None
    for media in session.media:
        connection = media.connection or session.connection
        if media.kind == "audio" and media.port and connection is not None:
            address = parse_address(connection.address)
            return None if address is None else str(address)
    return None


@lru_cache(ADDRESSES)
def parse_address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an IP literal; None for names and for zones, which mean nothing on another machine."""
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None


def direction_of(session: SessionDescription, media: MediaDescription) -> tuple[bool, bool]:
    """Tell whether the peer sends and whether it receives (RFC 3264 section 5.1)."""
    for attributes in (media.attributes, session.attributes):
        for attribute in attributes:
            if attribute.name in DIRECTIONS:
                return DIRECTIONS[attribute.name]
    # RFC 8866 section 6.7: without any of the four, "sendrecv" is the default.
    return DIRECTIONS["sendrecv"]


def _rtcp(media: MediaDescription, address: str) -> tuple[str, int] | None:
    """Find the RTCP port: ``a=rtcp`` (RFC 3605 section 2.1), else the one above the RTP port."""
    fields = (media.attribute("rtcp") or "").split()
    port = parse_number(fields[0], 65535) if fields else None
    if port is not None:
        own = parse_address(fields[3]) if len(fields) == 4 else None
        own_address = address if own is None or own.is_multicast else str(own)
        return (own_address, port) if port else None
    return (address, media.port + 1) if media.port < 65535 else None


def milliseconds_of(media: MediaDescription, name: str) -> int | None:
    """Read ``ptime`` or ``maxptime`` (RFC 8866 section 6.4, 6.5), whole milliseconds of it; None
    where there is none, or nonsense."""
    whole, _, _ = (media.attribute(name) or "").strip().partition(".")
    return parse_number(whole, _MAXIMUM_PTIME_MS) or None


def direction_attribute(sends: bool, receives: bool) -> Attribute:
    """Write a direction attribute (RFC 8866 section 6.7)."""
    return Attribute(next(name for name, flags in DIRECTIONS.items() if flags == (sends, receives)))
