"""The offer of a browser, and our answer to it (RFC 8829, as far as one audio stream needs it).

What is unlike SIP: one port for everything (BUNDLE, RFC 9143; rtcp-mux, RFC 5761), keys that come
out of a DTLS handshake whose certificates are named here (RFC 5763, RFC 8842), and addresses that
are found by checks (ICE, RFC 8839). We are the lite side of ICE and the passive one of DTLS, so
nothing of the offer says where to send: its candidates are not even read.

``read_offer`` says what is wrong with an offer before anything is set up for it; ``answer_offer``
then writes the answer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rapida_media.errors import NegotiationError
from rapida_media.ids import IdSource
from rapida_media.sdp.agreement import LocalMedia, NegotiatedAudio, Pair, agree, common
from rapida_media.sdp.codec import codecs_of
from rapida_media.sdp.description import (
    Attribute,
    Connection,
    MediaDescription,
    Origin,
    SessionDescription,
    parse_sdp,
)
from rapida_media.sdp.peer_audio import RTCP_MUX, PeerAudio, direction_of, milliseconds_of

# RFC 5764 section 8, with feedback RFC 5124; RFC 8829 section 5.1.2 has all of these accepted.
PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF"})
# Of a certificate, by their names in SDP (RFC 8122 section 5); weaker ones are not believed.
HASHES = ("sha-256", "sha-384", "sha-512")
# RFC 8842 section 5.2: "actpass" leaves the choice to us, "active" is what we would choose.
_SETUPS = frozenset({"actpass", "active"})
# RFC 8839 section 5.4.
_ICE_TEXT = re.compile(r"[A-Za-z0-9+/]{4,256}", re.ASCII)
_FINGERPRINT = re.compile(r"([!-~]+) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+)", re.ASCII)
# RFC 8839 section 5.1: of type host, and component 1, there is one for each of our addresses.
_HOST_TYPE_PREFERENCE = 126
# An address that is not known yet: a check tells it.
_UNKNOWN = "0.0.0.0"  # noqa: S104 — nothing is bound to it


@dataclass(frozen=True, slots=True)
class WebRtcOffer:
    """slot: which media line is ours.  fingerprints: (hash, digits) of the browser's certificate.

    ufrag: its ICE user name fragment.  pairs: the codecs of both.
    """

    description: SessionDescription
    slot: int
    audio: PeerAudio
    pairs: tuple[Pair, ...]
    ufrag: str
    fingerprints: tuple[tuple[str, str], ...]

    @property
    def mid(self) -> str | None:
        return self.description.media[self.slot].attribute("mid")


@dataclass(frozen=True, slots=True)
class WebRtcLocal:
    """What our answer says. addresses: where our port can be reached, the preferred first.

    fingerprint: (hash, digits) of our certificate.
    """

    addresses: tuple[str, ...]
    port: int
    ufrag: str
    password: str
    fingerprint: tuple[str, str]


def read_offer(body: bytes, local: LocalMedia) -> WebRtcOffer:
    """Read an offer; the first audio line that can be used is taken.

    local: our codecs. Raises NegotiationError, or RemoteProtocolError when it cannot be read; both
    say what to change.
    """
    description = parse_sdp(body)
    why = "no audio: expected an m=audio line of UDP/TLS/RTP/SAVPF that is not refused"
    for slot, media in enumerate(description.media):
        if media.kind != "audio" or media.protocol not in PROTOCOLS or not media.port:
            continue
        audio = _audio(description, media)
        pairs = common(audio, local.all_codecs)
        if not pairs:
            why = f"no codec in common: expected one of {', '.join(local.codecs)}"
            continue
        _check(description, media, audio)
        return WebRtcOffer(
            description,
            slot,
            audio,
            tuple(pairs),
            _ice(description, media),
            _fingerprints(description, media),
        )
    raise NegotiationError(why)


def answer_offer(
    offer: WebRtcOffer, local: WebRtcLocal, media: LocalMedia, ids: IdSource
) -> tuple[bytes, NegotiatedAudio]:
    """Write the answer. What was agreed names no address yet and no keys.

    Our codecs take the offer's numbers (RFC 3264 section 6.1).
    """
    pairs = [(peers, replace(ours, payload_type=peers.payload_type)) for peers, ours in offer.pairs]
    agreed = agree(media, offer.audio, pairs, None, muxed=True)
    lines = [_refused(each) for each in offer.description.media]
    attributes = [attribute for _, ours in pairs for attribute in ours.attributes()]
    attributes += _transport(local)
    attributes += [Attribute("ptime", str(media.ptime_ms)), Attribute(agreed.direction)]
    if offer.mid is not None:
        attributes.insert(0, Attribute("mid", offer.mid))
    lines[offer.slot] = MediaDescription(
        kind="audio",
        port=local.port,
        protocol=offer.description.media[offer.slot].protocol,
        formats=tuple(str(ours.payload_type) for _, ours in pairs),
        connection=_connection(local.addresses[0]),
        attributes=tuple(attributes),
    )
    session = [Attribute("ice-lite")]
    if offer.mid is not None:
        session.append(Attribute("group", f"BUNDLE {offer.mid}"))
    address = _connection(local.addresses[0])
    description = SessionDescription(
        origin=Origin("-", str(ids.number(31)), "1", address.address_type, address.address),
        media=tuple(lines),
        times=offer.description.times or ("0 0",),
        attributes=tuple(session),
    )
    return description.format(), agreed


# -- the offer -------------------------------------------------------------------------------------


def _audio(session: SessionDescription, media: MediaDescription) -> PeerAudio:
    sends, receives = direction_of(session, media)
    return PeerAudio(
        address=_UNKNOWN,
        port=media.port,
        rtcp=None,
        sends=sends,
        receives=receives,
        ptime_ms=milliseconds_of(media, "ptime"),
        maxptime_ms=milliseconds_of(media, "maxptime"),
        codecs=tuple(codecs_of(media)),
        rtcp_mux=media.has(RTCP_MUX),
    )


def _check(session: SessionDescription, media: MediaDescription, audio: PeerAudio) -> None:
    # RFC 8834 section 4.5 has every browser offer it; we have one port.
    if not audio.rtcp_mux:
        raise NegotiationError("no a=rtcp-mux in the audio line: RTP and RTCP share one port here")
    setup = _either(session, media, "setup")
    if setup not in _SETUPS:
        raise NegotiationError("expected a=setup:actpass, or active: we are the DTLS server")


def _ice(session: SessionDescription, media: MediaDescription) -> str:
    ufrag, password = _either(session, media, "ice-ufrag"), _either(session, media, "ice-pwd")
    if not (_ICE_TEXT.fullmatch(ufrag or "") and _ICE_TEXT.fullmatch(password or "")):
        raise NegotiationError("no ICE credentials: expected a=ice-ufrag and a=ice-pwd")
    # RFC 8445 section 2.5: two lite sides would both wait for checks.
    if any(attribute.name == "ice-lite" for attribute in session.attributes):
        raise NegotiationError("a=ice-lite: expected a full ICE agent, as browsers are")
    assert ufrag is not None, "it matched"
    return ufrag


def _fingerprints(
    session: SessionDescription, media: MediaDescription
) -> tuple[tuple[str, str], ...]:
    values = media.attribute_values("fingerprint") or [
        value for name, value in session.attributes if name == "fingerprint" and value
    ]
    matches = [_FINGERPRINT.fullmatch(value.strip()) for value in values]
    found = tuple((each[1].lower(), each[2].upper()) for each in matches if each is not None)
    known = tuple(each for each in found if each[0] in HASHES)
    if not known:
        raise NegotiationError(f"no DTLS fingerprint: expected a=fingerprint of {HASHES[0]}")
    return known


def _either(session: SessionDescription, media: MediaDescription, name: str) -> str | None:
    """Give an attribute of the line, else of the session (RFC 8839 section 5.4)."""
    return media.attribute(name) or session.attribute(name)


# -- the answer ------------------------------------------------------------------------------------


def _connection(address: str) -> Connection:
    return Connection("IP6" if ":" in address else "IP4", address)


def _transport(local: WebRtcLocal) -> list[Attribute]:
    candidates = [
        # RFC 8445 section 5.1.2.1; the foundation tells candidates of different addresses apart.
        Attribute(
            "candidate",
            f"{number} 1 udp {(_HOST_TYPE_PREFERENCE << 24) + (65536 - number << 8) + 255}"
            f" {address} {local.port} typ host",
        )
        for number, address in enumerate(local.addresses, start=1)
    ]
    return [
        Attribute("ice-ufrag", local.ufrag),
        Attribute("ice-pwd", local.password),
        Attribute("fingerprint", " ".join(local.fingerprint)),
        Attribute("setup", "passive"),
        Attribute(RTCP_MUX),
        *candidates,
        Attribute("end-of-candidates"),
    ]


def _refused(media: MediaDescription) -> MediaDescription:
    mid = media.attribute("mid")
    attributes = () if mid is None else (Attribute("mid", mid),)
    formats = media.formats or ("0",)
    return MediaDescription(
        media.kind, 0, media.protocol, formats, connection=_connection(_UNKNOWN),
        attributes=(*attributes, Attribute("inactive")),
    )  # fmt: skip
