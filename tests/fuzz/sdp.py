"""SDP: any body is read or refused, as an offer and as an answer, and harms no later round.

What is agreed must be usable as it stands: the media stream takes it without complaint.
"""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from rapida_media.errors import LocalProtocolError, NegotiationError, RemoteProtocolError
from rapida_media.kernels import MediaStream
from rapida_media.sdp.description import SessionDescription, parse_sdp
from rapida_media.sdp.offer_answer import LocalMedia, NegotiatedAudio, OfferAnswer
from rapida_media.testing.clock import SeededIds
from rapida_media.testing.sip import OFFER

from . import thorough

LOCAL = LocalMedia("192.0.2.1", 4000, comfort_noise=True)
LOCAL_V6 = LocalMedia("2001:db8::1", 4000, comfort_noise=True)
_HEAD = "v=0\r\no=- 1 2 IN IP4 192.0.2.2\r\ns=-\r\nc=IN IP4 192.0.2.2\r\nt=0 0\r\n"
_BODIES = (
    "m=audio 4000 RTP/AVP 0 8 9 96 101\r\na=rtpmap:96 L16/16000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n",
    "m=audio 4000/2 RTP/AVP 111 0\r\na=rtpmap:111 opus/48000/2\r\na=rtcp:4005 IN IP4 192.0.2.7\r\n"
    "a=rtcp-mux\r\na=maxptime:40\r\na=recvonly\r\n",
    "m=video 5000 RTP/AVP 31\r\na=inactive\r\nm=audio 0 RTP/AVP 0\r\nm=audio 6 RTP/AVP 8\r\n"
    "c=IN IP4 0.0.0.0\r\nb=AS:64\r\n",
    "m=audio 4000 RTP/AVP 0 97 98\r\nc=IN IP6 2001:db8::2\r\na=rtpmap:97 telephone-event/16000\r\n"
    "a=rtpmap:98 L16/16000/1\r\n",
    "m=audio 4000 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\n",
)
SEEDS = [OFFER, *((_HEAD + body).encode() for body in _BODIES)]
TOKENS = [
    *b"v=0 o= s= c= t=0 m=audio m=video a=rtpmap: a=fmtp: a=ptime: a=rtcp: a=sendonly".split(),
    *b"a=inactive RTP/AVP RTP/SAVP UDP/TLS/RTP/SAVPF IN IP4 IP6 192.0.2.2/127 0.0.0.0 ::".split(),
    *b"::ffff:1.2.3.4 fe80::1%eth0 host.example 0 1 8 9 96 101 127 128 255 65535 65536 -1".split(),
    *b"PCMU/8000 PCMA/8000/1 L16/16000 G722/8000 telephone-event/8000 /2 0/0 1e3 99999999".split(),
    *(b"\r\n", b"\n", b"\r", b"\0", b"\xff", b" ", b"=", b":", b"/", "٣".encode()),
    b"\r\nm=audio 4000 RTP/AVP 0",
]


def fuzz(data: bytes) -> None:
    local = LOCAL_V6 if b"IP6" in data else LOCAL
    if thorough(data):
        _peer_offers_in_mid_session(data, local)
        _peer_answers(data, local)
    else:
        _peer_offers(data, local)
    try:
        description = parse_sdp(data)
    except RemoteProtocolError as error:
        assert error.status in {400, 488}
        return
    _survives_writing(description)


def _survives_writing(description: SessionDescription) -> None:
    assert parse_sdp(description.format()) == description


def _peer_offers(data: bytes, local: LocalMedia, session: OfferAnswer | None = None) -> None:
    session = session or OfferAnswer(SeededIds(1))
    try:
        answer, agreed = session.receive_offer(data, local)
    except (RemoteProtocolError, NegotiationError):
        pass
    else:
        _check_answer(data, answer, agreed)


def _peer_offers_in_mid_session(data: bytes, local: LocalMedia) -> None:
    """What came before stays usable, whatever becomes of the offer."""
    session = OfferAnswer(SeededIds(1))
    session.receive_offer(OFFER, LOCAL)
    _peer_offers(data, local, session)
    _, agreed = session.receive_offer(OFFER, LOCAL)
    assert agreed is not None
    _check_agreed(agreed)
    session.make_offer(local)


def _peer_answers(data: bytes, local: LocalMedia) -> None:
    session = OfferAnswer(SeededIds(1))
    session.make_offer(local)
    with suppress(RemoteProtocolError, NegotiationError):
        if (agreed := session.receive_answer(data)) is not None:
            _check_agreed(agreed)
    assert not session.awaiting_answer
    parse_sdp(session.make_offer(local))


def _check_answer(data: bytes, answer: bytes, agreed: NegotiatedAudio | None) -> None:
    offered, answered = parse_sdp(data), parse_sdp(answer)
    assert len(offered.media) == len(answered.media)
    assert [line.kind for line in offered.media] == [line.kind for line in answered.media]
    assert answered.times == offered.times
    if agreed is None:
        assert not any(line.port for line in (*offered.media, *answered.media))
    else:
        assert sum(line.port > 0 for line in answered.media) == 1
        _check_agreed(agreed)


def _check_agreed(agreed: NegotiatedAudio) -> None:
    ip_address(agreed.remote_address)
    assert 1 <= agreed.remote_port <= 65535
    assert agreed.ptime_ms > 0
    stream = MediaStream(ssrc=1, sequence_number=1, timestamp=1)
    try:
        stream.configure(
            receive={codec.payload_type: codec.name for codec in agreed.receive},
            send_payload_type=agreed.send.payload_type,
            send_encoding=agreed.send.name,
            receive_events=agreed.receive_events,
            send_event=agreed.send_event,
            receive_noise=agreed.receive_noise,
            send_noise=agreed.send_noise,
            remote=(agreed.remote_address, agreed.remote_port) if agreed.sending else None,
            sending=agreed.sending,
            receiving=agreed.receiving,
            rtcp_mux=agreed.rtcp_mux,
        )
    except LocalProtocolError as error:
        raise AssertionError(f"agreed on what the stream refuses: {agreed}") from error
