"""Why a line of an offer cannot be used, in the words of a Warning (RFC 3261 section 20.43)."""

from __future__ import annotations

from typing import NamedTuple

from rapida_media.errors import NegotiationError


class Unusable(NamedTuple):
    """step: how far the line came: of several lines the one that came furthest tells most.

    code: the warn-code.  text: for whoever reads the peer's log; nothing of the peer's is in it.
    """

    step: int
    code: int
    text: str

    def error(self) -> NegotiationError:
        return NegotiationError(self.text, self.code)


NO_AUDIO = Unusable(0, 304, "no audio line: we have no other media")
CLOSED = Unusable(1, 304, "the audio line has port 0")
OTHER_PROFILE = Unusable(2, 302, "audio goes by RTP/AVP, RTP/SAVP, RTP/AVPF or RTP/SAVPF here")
NO_ADDRESS = Unusable(3, 301, "the audio line has no address that could be found")
MULTICAST = Unusable(3, 330, "audio goes to unicast addresses only")
OTHER_FAMILY = {
    "IP4": Unusable(3, 301, "audio goes by IPv4 here"),
    "IP6": Unusable(3, 301, "audio goes by IPv6 here"),
}
NO_SRTP = Unusable(5, 302, "encrypted audio (RTP/SAVP) is not taken here")
NO_KEYS = Unusable(5, 302, "audio must be encrypted here (RTP/SAVP with a=crypto)")
UNKEYED = Unusable(6, 302, "the encrypted audio (RTP/SAVP) has no keys (a=crypto)")
NO_SUITE = Unusable(6, 306, "none of the crypto suites is ours")


def no_codec(ours: tuple[str, ...]) -> Unusable:
    """ours: the names of the codecs we take."""
    return Unusable(4, 305, f"no codec of {', '.join(ours)}")
