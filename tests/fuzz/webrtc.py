"""Offers of browsers: any body is read or refused, and what is answered fits it."""

from __future__ import annotations

from dataclasses import replace

from rapida_media.errors import NegotiationError, RemoteProtocolError
from rapida_media.sdp.agreement import LocalMedia
from rapida_media.sdp.description import parse_sdp
from rapida_media.sdp.webrtc import WebRtcLocal, answer_offer, read_offer
from rapida_media.testing.clock import SeededIds

from . import sdp

_OFFER = (
    "v=0\r\no=- 6 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111 9 0 8 13 110 126\r\nc=IN IP4 0.0.0.0\r\n"
    "a=ice-ufrag:qzj0\r\na=ice-pwd:aOxPJAZ5IqV+/cl54qD3wsyK\r\na=ice-options:trickle\r\n"
    "a=fingerprint:sha-256 88:E2:D4:88\r\na=setup:actpass\r\na=mid:0\r\na=sendrecv\r\n"
    "a=rtcp-mux\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=rtpmap:9 G722/8000\r\na=rtpmap:13 CN/8000\r\n"
    "a=rtpmap:110 telephone-event/48000\r\na=rtpmap:126 telephone-event/8000\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n"
)
SEEDS = [_OFFER.encode(), _OFFER.replace("a=sendrecv", "a=recvonly\r\na=maxptime:10").encode()]
TOKENS = [
    *sdp.TOKENS,
    *b"a=mid: a=setup:active a=ice-lite a=ice-ufrag: a=fingerprint:sha-256 sha-1 00:11".split(),
    b"\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n",
]
MEDIA = LocalMedia("192.0.2.1", 4000, comfort_noise=True)
OURS = WebRtcLocal(("192.0.2.1", "2001:db8::1"), 4000, "ufrag", "password", ("sha-256", "AB:CD"))


def fuzz(data: bytes) -> None:
    try:
        offer = read_offer(data, MEDIA)
    except (NegotiationError, RemoteProtocolError) as error:
        assert str(error)
        return
    assert offer.ufrag
    assert offer.fingerprints
    answer, agreed = answer_offer(offer, OURS, MEDIA, SeededIds(1))
    offered, answered = parse_sdp(data), parse_sdp(answer)
    assert len(offered.media) == len(answered.media)
    for theirs, ours in zip(offered.media, answered.media, strict=True):
        assert (theirs.kind, theirs.attribute("mid")) == (ours.kind, ours.attribute("mid"))
    assert [line.port for line in answered.media if line.port] == [4000]
    sdp._check_agreed(replace(agreed, remote_address="192.0.2.2"))
