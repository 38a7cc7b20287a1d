"""Whether one session's media is encrypted and with which keys: the SDES half of offer and answer.

``OfferAnswer`` owns one ``Keying``. RFC 4568 sections 5.1 and 7.1; the policy is ours:

    srtp       we offer                 we answer
    off        RTP/AVP                  RTP/AVP; RTP/SAVP is refused
    optional   RTP/AVP with a=crypto    a line with keys if there is one, and else a plain one
    required   RTP/SAVP                 lines with keys; a plain one is refused

RTP/AVPF (RFC 4585) is answered where RTP/AVP would be, RTP/SAVPF (RFC 5124) where RTP/SAVP would
be, each as such; neither is what we offer first.

Of the two usual ways to offer both, ours is one RTP/AVP line that also has keys: a peer without
SRTP does not know the attribute and answers plainly, where a second audio line makes many refuse.
"""

from __future__ import annotations

from dataclasses import dataclass

from rapida_media.errors import NegotiationError
from rapida_media.ids import IdSource
from rapida_media.sdp.crypto import SUITES, Crypto, SrtpKeys
from rapida_media.sdp.peer_audio import PLAIN, PROFILES, SECURE, PeerAudio
from rapida_media.sdp.unusable import NO_KEYS, NO_SRTP, NO_SUITE, UNKEYED, Unusable

MODES = ("off", "optional", "required")


@dataclass(frozen=True, slots=True)
class Keyed:
    """What an audio line of ours says: its profile and its ``a=crypto`` lines."""

    protocol: str = PLAIN
    cryptos: tuple[Crypto, ...] = ()


class Keying:
    """The keys of one session.

    Ours are drawn once for each suite and then kept: a re-INVITE changes none and the roll-over
    counter goes on (RFC 3711 section 3.3.1). Another session, which may have another peer, has
    others.
    """

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids
        self._keys: dict[str, bytes] = {}
        self._agreed: Keyed | None = None

    def agree(self, keyed: Keyed) -> None:
        """Note how an exchange ended, in our words: what we offer next says the same."""
        self._agreed = keyed

    def offer(self, mode: str, suites: tuple[str, ...]) -> Keyed:
        """Give what our offer says."""
        if self._agreed is not None:
            return self._agreed
        if mode == "off":
            return Keyed()
        cryptos = tuple(
            Crypto(tag, suite, self._key(suite)) for tag, suite in enumerate(suites, start=1)
        )
        return Keyed(SECURE if mode == "required" else PLAIN, cryptos)

    def answer(
        self, peer: PeerAudio, suites: tuple[str, ...], *, secure: bool
    ) -> tuple[Keyed, SrtpKeys | None] | Unusable:
        """Answer one line of an offer, with keys or without.

        The first of the offered suites that is ours is chosen, under its tag.
        """
        if not secure:
            return NO_SRTP if peer.secure else (Keyed(peer.protocol), None)
        for theirs in peer.cryptos:
            if theirs.suite in suites:
                own = Crypto(theirs.tag, theirs.suite, self._key(theirs.suite))
                return Keyed(peer.protocol, (own,)), SrtpKeys(own.suite, own.key, theirs)
        if peer.keyed:
            return NO_SUITE
        return UNKEYED if peer.secure else NO_KEYS

    def receive_answer(
        self, peer: PeerAudio, offered: Keyed, mode: str
    ) -> tuple[Keyed, SrtpKeys | None]:
        """Read the answer to ``offered``; NegotiationError when it is none or not allowed."""
        if not peer.keyed:
            if peer.secure or PROFILES[offered.protocol] or mode == "required":
                raise NegotiationError("the answer has no key for SRTP")
            return Keyed(offered.protocol), None
        ours = {crypto.tag: crypto for crypto in offered.cryptos}
        for theirs in peer.cryptos:
            own = ours.get(theirs.tag)
            # A peer that sends with our own key could have our packets played back to us.
            if own is not None and own.suite == theirs.suite and own.key != theirs.key:
                return Keyed(offered.protocol, (own,)), SrtpKeys(own.suite, own.key, theirs)
        if offered.cryptos or peer.secure:
            raise NegotiationError("the answer has no key for SRTP that fits the offer")
        return Keyed(offered.protocol), None

    def _key(self, suite: str) -> bytes:
        if suite not in self._keys:
            size = SUITES[suite]
            self._keys[suite] = self._ids.number(8 * size).to_bytes(size, "big")
        return self._keys[suite]


def attempts(mode: str) -> tuple[bool, ...]:
    """Give in which order an offer's lines are tried: True with keys, False without."""
    return {"off": (False,), "optional": (True, False), "required": (True,)}[mode]
