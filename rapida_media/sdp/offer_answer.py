"""The offer/answer model (RFC 3264) for one session with one audio stream.

The call layer owns one ``OfferAnswer`` per SIP session and moves bodies through it: ``make_offer``
then ``receive_answer`` when we offer, ``receive_offer`` when the peer does. Both roles end in a
``NegotiatedAudio``: where to send, with what, and what may arrive.

Or in None: a session without a stream. "Zero media streams implies that the offerer wishes to
communicate, but that the streams for the session will be added at a later time through a modified
offer" (section 5), and "existing streams can be terminated by setting the port to zero" (5.1, 8.2);
"a stream that is offered with a port of zero MUST be marked with port zero in the answer" (8.2).
The next offer of either side may have one again.

State is small on purpose: the last description we sent (for the ``o=`` version), the layout of
its ``m=`` lines (their number and order never change, RFC 3264 section 8), the payload type
numbers already bound to a codec, and the offer that waits for its answer.
"""

from __future__ import annotations

from dataclasses import replace

from rapida_media.errors import LocalProtocolError, NegotiationError
from rapida_media.ids import IdSource
from rapida_media.sdp.agreement import LocalMedia, NegotiatedAudio, Pair, agree, common, usable
from rapida_media.sdp.codec import FIRST_DYNAMIC, MAXIMUM_PAYLOAD_TYPE, Codec
from rapida_media.sdp.crypto import SrtpKeys
from rapida_media.sdp.description import (
    Attribute,
    Connection,
    MediaDescription,
    Origin,
    SessionDescription,
    parse_sdp,
)
from rapida_media.sdp.keying import Keyed, Keying, attempts
from rapida_media.sdp.peer_audio import PLAIN, RTCP_MUX, PeerAudio
from rapida_media.sdp.unusable import CLOSED, NO_AUDIO, Unusable, no_codec

__all__ = ["LocalMedia", "NegotiatedAudio", "OfferAnswer"]

# How one line of an offer is answered: our words and the keys both sides have.
_Security = tuple[Keyed, SrtpKeys | None]
_Found = tuple[PeerAudio, list[Pair], _Security]
# What we described: from what, with which codecs and keys.
_Described = tuple[LocalMedia, tuple[Codec, ...], Keyed]


class OfferAnswer:
    """The negotiation of one session, in either role and any number of rounds."""

    def __init__(self, ids: IdSource) -> None:
        # RFC 3264 section 5: both numbers "MUST be representable with a 64 bit signed integer";
        # peers that keep only 32 bits of them exist.
        self._session_id = str(ids.number(31))
        self._sent: SessionDescription | None = None
        self._layout: tuple[MediaDescription, ...] = ()
        self._slot = 0
        self._numbers: dict[str, int] = {}
        self._peer_numbers: set[int] = set()
        self._keying = Keying(ids)
        self._offer: _Described | None = None
        self._described: _Described | None = None
        # What both sides went on with; an offer that was rejected is no part of it.
        self._in_force: tuple[SessionDescription | None, _Described] | None = None

    @property
    def awaiting_answer(self) -> bool:
        """Whether our offer is unanswered; an offer by the peer is then glare (answered 491)."""
        return self._offer is not None

    @property
    def _muxed(self) -> bool:
        """Whether our last description takes RTCP on the RTP port."""
        return self._slot < len(self._layout) and self._layout[self._slot].has(RTCP_MUX)

    def make_offer(self, local: LocalMedia) -> bytes:
        """Write an offer of one audio stream; lines the session once had stay, with port 0.

        Raises LocalProtocolError while an earlier offer is unanswered: RFC 3264 section 4, an
        agent "MUST NOT generate a new offer" then.
        """
        if self._offer is not None:
            raise LocalProtocolError("an earlier offer has no answer yet")
        codecs = tuple(self._numbered(codec) for codec in local.all_codecs)
        lines = list(self._layout)
        if self._slot == len(lines):
            lines.append(_REFUSED_AUDIO)
        keyed = self._keying.offer(local.srtp, local.offered_suites)
        # What was agreed once goes on, whoever offered it.
        muxed = local.rtcp_mux or self._muxed
        lines[self._slot] = _audio_line(local, codecs, local.direction, keyed, muxed=muxed)
        self._offer = self._described = local, codecs, keyed
        return self._write(local, lines, ("0 0",))

    def repeat_offer(self) -> bytes:
        """Offer exactly what we described last and was agreed on: a refresh that changes nothing.

        RFC 4028 section 7.4: "in the case of SDP, this is accomplished by including the same value
        for the origin field as did previous SDP messages to its peer".
        Raises LocalProtocolError while an offer is unanswered or when nothing was agreed on yet.
        """
        description, described = self._in_force or (None, None)
        if self._offer is not None or description is None or described is None:
            raise LocalProtocolError("there is nothing to repeat")
        self._offer = described
        return description.format()

    def withdraw_offer(self) -> None:
        """Note that our offer was rejected: the session stays as it was (RFC 3264 section 4)."""
        if self._offer is None:
            raise LocalProtocolError("there is no offer to withdraw")
        self._offer = None

    def receive_answer(self, body: bytes) -> NegotiatedAudio | None:
        """Read the answer to our offer, which is settled by it even when this raises.

        None where the offer had no stream or the answer refuses it (port 0).
        Raises NegotiationError when the answer leaves nothing to use, RemoteProtocolError when it
        cannot be read, LocalProtocolError when no offer waits.
        """
        if self._offer is None:
            raise LocalProtocolError("an answer without an offer")
        waiting, self._offer = self._offer, None
        keyed, audio = self._read_answer(body, *waiting)
        if audio is not None:
            self._keying.agree(keyed)
        if waiting is self._described:  # and no repetition
            self._in_force = self._sent, waiting
        return audio

    def preview_answer(self, body: bytes) -> NegotiatedAudio | None:
        """Read what may become the answer to our offer, which goes on waiting for it.

        Early media: a provisional response names where the callee hears us before it answers, and
        of several callees each may send one. Raises as ``receive_answer`` does.
        """
        if self._offer is None:
            raise LocalProtocolError("an answer without an offer")
        return self._read_answer(body, *self._offer)[1]

    def _read_answer(
        self, body: bytes, local: LocalMedia, offered: tuple[Codec, ...], keyed: Keyed
    ) -> tuple[Keyed, NegotiatedAudio | None]:
        answer = parse_sdp(body)
        if not offered:
            return keyed, None
        if len(answer.media) <= self._slot:
            raise NegotiationError("the answer has fewer media lines than the offer")
        peer = usable(answer, answer.media[self._slot], local)
        if peer is CLOSED:
            return keyed, None
        if isinstance(peer, Unusable):
            raise peer.error()
        # RFC 3264 section 7: the offerer "MAY immediately cease listening for media formats that
        # were listed in the initial offer, but not present in the answer".
        pairs = common(peer, offered)
        if not pairs:
            raise NegotiationError("the answer names no codec of the offer")
        agreed, keys = self._keying.receive_answer(peer, keyed, local.srtp)
        return agreed, agree(local, peer, pairs, keys, muxed=self._muxed and peer.rtcp_mux)

    def receive_offer(self, body: bytes, local: LocalMedia) -> tuple[bytes, NegotiatedAudio | None]:
        """Read the peer's offer and write our answer.

        The first usable audio line is taken, where SRTP is optional the first with keys; all others
        are refused with port 0 in their place. None where the offer has no stream at all.
        Raises NegotiationError when there is none (to be answered 488), RemoteProtocolError when
        the offer cannot be read (its status is the answer), and LocalProtocolError while our own
        offer is unanswered (to be answered 491); the session then stays as it was.
        """
        if self._offer is not None:
            raise LocalProtocolError("our own offer has no answer yet")
        offer = parse_sdp(body)
        if not any(media.port for media in offer.media):
            return self._answer_without_stream(offer, local), None
        why = NO_AUDIO
        for secure in attempts(local.srtp):
            for slot, media in enumerate(offer.media):
                found = self._find(usable(offer, media, local), local, secure=secure)
                if not isinstance(found, Unusable):
                    return self._answer(offer, slot, found, local)
                why = max(why, found)
        raise why.error()

    def _find(
        self, peer: PeerAudio | Unusable, local: LocalMedia, *, secure: bool
    ) -> _Found | Unusable:
        """Look whether a line of an offer can be taken, with keys or without."""
        if isinstance(peer, Unusable):
            return peer
        pairs = common(peer, local.all_codecs)
        if not pairs:
            return no_codec(local.codecs)
        security = self._keying.answer(peer, local.accepted_suites, secure=secure)
        return security if isinstance(security, Unusable) else (peer, pairs, security)

    def _answer(
        self,
        offer: SessionDescription,
        slot: int,
        found: _Found,
        local: LocalMedia,
    ) -> tuple[bytes, NegotiatedAudio]:
        peer, pairs, (keyed, keys) = found
        # RFC 3264 section 6.1: "if a particular codec was referenced with a specific payload type
        # number in the offer, that same payload type number SHOULD be used for that codec in the
        # answer."
        pairs = [(peers, _as_numbered(peers, ours)) for peers, ours in pairs]
        agreed = agree(local, peer, pairs, keys, muxed=peer.rtcp_mux)
        answered = tuple(ours for _, ours in pairs)
        lines = [_refused(media) for media in offer.media]
        lines[slot] = _audio_line(local, answered, agreed.direction, keyed, muxed=agreed.rtcp_mux)
        self._slot = slot
        self._described = local, answered, keyed
        self._keying.agree(keyed)
        self._numbers |= {
            codec.name: codec.payload_type
            for codec in answered
            if codec.payload_type >= FIRST_DYNAMIC
        }
        self._peer_numbers |= {codec.payload_type for codec in peer.codecs}
        # RFC 3264 section 6: 'The "t=" line in the answer MUST equal that of the offer.'
        body = self._write(local, lines, offer.times)
        self._in_force = self._sent, self._described
        return body, agreed

    def _answer_without_stream(self, offer: SessionDescription, local: LocalMedia) -> bytes:
        """Write the answer that closes our stream, too. Its place, or else a new one at the end, is
        where our next offer has one: either is allowed (section 8.1)."""
        audio = [slot for slot, media in enumerate(offer.media) if media.kind == "audio"]
        if self._slot not in audio:
            self._slot = next(iter(audio), len(offer.media))
        self._described = local, (), Keyed()
        body = self._write(local, [_refused(media) for media in offer.media], offer.times)
        self._in_force = self._sent, self._described
        return body

    def _write(
        self, local: LocalMedia, lines: list[MediaDescription], times: tuple[str, ...]
    ) -> bytes:
        """Write our next description; the version moves only when the content does.

        RFC 3264 section 8: the "o=" line "MUST be identical to that in the previous SDP, except
        that the version in the origin field MUST increment by one [...]. If the version in the
        origin line does not increment, the SDP MUST be identical to the SDP with that version
        number."
        """
        first = Origin("-", self._session_id, "1", local.address_type, local.address)
        origin = self._sent.origin if self._sent else first
        description = SessionDescription(
            origin=origin,
            media=tuple(lines),
            connection=Connection(local.address_type, local.address),
            times=times,
        )
        if self._sent is not None and description != self._sent:
            newer = replace(origin, version=str(int(origin.version) + 1))
            description = replace(description, origin=newer)
        self._sent = description
        self._layout = description.media
        return description.format()

    def _numbered(self, codec: Codec) -> Codec:
        """Give a codec of ours the number it had before in this session, or a free one.

        RFC 3264 section 8.3.2: "the mapping from a particular dynamic payload type number to a
        particular codec within that media stream MUST NOT change for the duration of a session."
        """
        if codec.payload_type < FIRST_DYNAMIC:
            return codec
        if codec.name not in self._numbers:
            ours = set(self._numbers.values())
            wanted = [codec.payload_type, *range(FIRST_DYNAMIC, MAXIMUM_PAYLOAD_TYPE + 1)]
            free = [number for number in wanted if number not in ours]
            unseen = [number for number in free if number not in self._peer_numbers]
            self._numbers[codec.name] = (unseen or free)[0]
        return replace(codec, payload_type=self._numbers[codec.name])


def _as_numbered(peers: Codec, ours: Codec) -> Codec:
    number = peers.payload_type
    return ours if ours.payload_type == number else replace(ours, payload_type=number)


def _audio_line(
    local: LocalMedia, codecs: tuple[Codec, ...], direction: str, keyed: Keyed, *, muxed: bool
) -> MediaDescription:
    attributes = [attribute for codec in codecs for attribute in codec.attributes()]
    attributes += [crypto.attribute() for crypto in keyed.cryptos]
    attributes += [Attribute(RTCP_MUX)] if muxed else []
    return MediaDescription(
        kind="audio",
        port=local.port,
        protocol=keyed.protocol,
        formats=tuple(str(codec.payload_type) for codec in codecs),
        attributes=(*attributes, Attribute("ptime", str(local.ptime_ms)), Attribute(direction)),
    )


def _refused(media: MediaDescription) -> MediaDescription:
    """Refuse a media line: RFC 3264 section 6, port zero, and "at least one [format] MUST be
    present, as specified by SDP"."""
    return MediaDescription(media.kind, 0, media.protocol, media.formats or ("0",))


_REFUSED_AUDIO = MediaDescription("audio", 0, PLAIN, ("0",))
