"""What two sides of one audio stream agree on: what each brings, and what comes of it.

``offer_answer`` asks for it in either role: a line of the peer that our socket can reach
(``usable``), the codecs of both (``common``), and where and what to send from then on (``agree``).
"""

from __future__ import annotations

from dataclasses import dataclass

from rapida_media.errors import LocalProtocolError
from rapida_media.sdp.codec import DEFAULT_CODECS, SUPPORTED, Codec, local_codecs
from rapida_media.sdp.crypto import OFFERED_SUITES, SUITES, SrtpKeys
from rapida_media.sdp.description import MediaDescription, SessionDescription
from rapida_media.sdp.keying import MODES
from rapida_media.sdp.peer_audio import (
    DIRECTIONS,
    PeerAudio,
    direction_attribute,
    parse_address,
    read_audio,
)
from rapida_media.sdp.unusable import OTHER_FAMILY, Unusable


@dataclass(frozen=True, slots=True)
class LocalMedia:
    """What we bring to a negotiation.

    address, port: where we receive RTP; the address is an IPv4 or IPv6 literal.
    codecs: names of ``codec.SUPPORTED``, the preferred first.
    rtcp_mux: offer to take RTCP on the RTP port; an offer of it is taken in any case.
    comfort_noise: offer RFC 3389 and take it, so that either side may stop sending in pauses.
    srtp: one of ``keying.MODES``.  offered_suites, accepted_suites: of ``crypto.SUITES``.
    """

    address: str
    port: int
    codecs: tuple[str, ...] = DEFAULT_CODECS
    ptime_ms: int = 20
    direction: str = "sendrecv"
    rtcp_mux: bool = False
    comfort_noise: bool = False
    srtp: str = "off"
    offered_suites: tuple[str, ...] = OFFERED_SUITES
    accepted_suites: tuple[str, ...] = tuple(SUITES)

    def __post_init__(self) -> None:
        if parse_address(self.address) is None:
            raise LocalProtocolError(f"address: expected an IP literal, got {self.address!r}")
        if not 1 <= self.port <= 65535:
            raise LocalProtocolError(f"port: expected 1 to 65535, got {self.port}")
        if not self.codecs or not set(self.codecs) <= SUPPORTED.keys():
            known = ", ".join(SUPPORTED)
            raise LocalProtocolError(f"codecs: expected some of {known}, got {self.codecs}")
        if self.ptime_ms < 1:
            raise LocalProtocolError(f"ptime_ms: expected a positive number, got {self.ptime_ms}")
        if self.direction not in DIRECTIONS:
            known = ", ".join(DIRECTIONS)
            raise LocalProtocolError(f"direction: expected {known}, got {self.direction!r}")
        if self.srtp not in MODES:
            raise LocalProtocolError(f"srtp: expected {', '.join(MODES)}, got {self.srtp!r}")

    @property
    def all_codecs(self) -> tuple[Codec, ...]:
        return local_codecs(self.codecs, comfort_noise=self.comfort_noise)

    @property
    def address_type(self) -> str:
        return "IP6" if ":" in self.address else "IP4"


@dataclass(frozen=True, slots=True)
class NegotiatedAudio:
    """What offer and answer agreed on, seen from our side.

    remote_rtcp: None when the peer has no RTCP port.
    send: codec to send, by the peer's payload type number.  receive: what may arrive, by ours.
    send_event: the peer's telephone-event number at the clock rate of ``send``, if it takes any.
    receive_events: our telephone-event numbers and their clock rates.
    send_noise: the peer's comfort noise number at that rate, if both sides take any.
    receive_noise: our numbers of comfort noise.
    direction: ours, "recvonly" when the peer holds us.  ptime_ms: packet length the peer wishes.
    packet_ms: the one of PACKET_MS we send.
    srtp: None for plain RTP.  rtcp_mux: RTP and RTCP share one port on both sides (RFC 5761).
    """

    remote_address: str
    remote_port: int
    remote_rtcp: tuple[str, int] | None
    send: Codec
    receive: tuple[Codec, ...]
    send_event: int | None
    receive_events: dict[int, int]
    direction: str
    ptime_ms: int
    packet_ms: int = 20
    srtp: SrtpKeys | None = None
    rtcp_mux: bool = False
    send_noise: int | None = None
    receive_noise: tuple[int, ...] = ()

    @property
    def sending(self) -> bool:
        return DIRECTIONS[self.direction][0]

    @property
    def receiving(self) -> bool:
        return DIRECTIONS[self.direction][1]


# The packet lengths we can send, in milliseconds.
PACKET_MS = (10, 20, 40, 60)
# A codec both sides know: (the peer's numbering, ours).
Pair = tuple[Codec, Codec]


def usable(
    session: SessionDescription, media: MediaDescription, local: LocalMedia
) -> PeerAudio | Unusable:
    """Read a media line, which our socket has to reach."""
    peer = read_audio(session, media)
    if isinstance(peer, PeerAudio) and (":" in peer.address) != (":" in local.address):
        return OTHER_FAMILY[local.address_type]
    return peer


def common(peer: PeerAudio, ours: tuple[Codec, ...]) -> list[Pair]:
    """Pair the codecs both sides know, in the peer's order; empty when no audio is among them.

    RFC 3264 section 6.1 recommends "that unless there is a specific reason, the answerer list
    formats in the same relative order they were present in the offer". Events and comfort noise
    count only at the clock rate of an audio codec: RFC 4733 section 2.1 has events "use the same
    sequence number and timestamp base as the regular audio channel".
    """
    by_name = {codec.name: codec for codec in ours}
    pairs = [(codec, by_name[codec.name]) for codec in peer.codecs if codec.name in by_name]
    rates = {codec.rate_hz for codec, _ in pairs if codec.is_audio}
    return [pair for pair in pairs if pair[0].rate_hz in rates]


def agree(
    local: LocalMedia,
    peer: PeerAudio,
    pairs: list[Pair],
    keys: SrtpKeys | None,
    *,
    muxed: bool,
) -> NegotiatedAudio:
    """Give what holds from now on. pairs: of ``common``, not empty.  keys: those of both sides.
    muxed: both take RTCP on the RTP port."""
    audio = [pair for pair in pairs if pair[0].is_audio]
    noises = [pair for pair in pairs if pair[0].is_comfort_noise]
    events = [pair for pair in pairs if pair[0].is_telephone_event]
    # RFC 3264 section 7: the sender "SHOULD use the first media format listed".
    send = audio[0][0]
    sends, receives = DIRECTIONS[local.direction]
    return NegotiatedAudio(
        remote_address=peer.address,
        remote_port=peer.port,
        remote_rtcp=(peer.address, peer.port) if muxed else peer.rtcp,
        send=send,
        receive=tuple(ours for _, ours in audio),
        send_event=_at_rate(send.rate_hz, events),
        receive_events={ours.payload_type: ours.rate_hz for _, ours in events},
        direction=direction_attribute(sends and peer.receives, receives and peer.sends).name,
        ptime_ms=peer.ptime_ms or local.ptime_ms,
        packet_ms=_packet_ms(peer, local),
        srtp=keys,
        rtcp_mux=muxed,
        send_noise=_at_rate(send.rate_hz, noises),
        receive_noise=tuple(ours.payload_type for _, ours in noises),
    )


def _at_rate(rate_hz: int, pairs: list[Pair]) -> int | None:
    """Give the peer's number of what goes at a clock rate."""
    return next((peers.payload_type for peers, _ in pairs if peers.rate_hz == rate_hz), None)


def _packet_ms(peer: PeerAudio, local: LocalMedia) -> int:
    """Give the longest packet the peer wants, and never one that it does not take: RFC 8866 section
    6.4 has maxptime as "the maximum amount of media that can be encapsulated in each packet"."""
    wanted = peer.ptime_ms or local.ptime_ms
    if peer.maxptime_ms is not None:
        wanted = min(wanted, peer.maxptime_ms)
    return max([length for length in PACKET_MS if length <= wanted], default=PACKET_MS[0])
