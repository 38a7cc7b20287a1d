"""Offers of browsers, and what they are answered. The offer is one that Chromium 156 made."""

from __future__ import annotations

import pytest

from rapida_media.errors import NegotiationError, RemoteProtocolError
from rapida_media.ids import SystemIds
from rapida_media.sdp.agreement import LocalMedia
from rapida_media.sdp.description import parse_sdp
from rapida_media.sdp.webrtc import WebRtcLocal, answer_offer, read_offer

DIGITS = (
    "88:E2:D4:88:54:DB:33:85:04:32:D2:FA:B1:74:CD:46:"
    "2C:70:E4:66:86:17:BE:7A:17:65:21:8C:02:C2:C9:3B"
)
CHROMIUM = f"""v=0
o=- 631075531226749933 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
a=extmap-allow-mixed
a=msid-semantic: WMS f20ea99f-4ac7-49b5-ab39-835e8c7351d0
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:4059228921 1 udp 2113937151 0dac878b-b2a5-4ca7-a256-b3210cb482e2.local 39417 typ host
a=ice-ufrag:qzj0
a=ice-pwd:aOxPJAZ5IqV+/cl54qD3wsyK
a=ice-options:trickle
a=fingerprint:sha-256 {DIGITS}
a=setup:actpass
a=mid:0
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=sendrecv
a=msid:f20ea99f-4ac7-49b5-ab39-835e8c7351d0 cbfae122-6dbb-4d5d-8061-1658a2e997a2
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
a=ssrc:2650075121 cname:dpKq9JzacgTaH2Io
"""
VIDEO = "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:1\na=rtpmap:96 VP8/90000\n"
MEDIA = LocalMedia("192.0.2.7", 30000)
OURS = WebRtcLocal(("192.0.2.7", "2001:db8::7"), 30000, "ours", "secret", ("sha-256", "AB:CD"))
ANSWER = """m=audio 30000 UDP/TLS/RTP/SAVPF 9 0 8 126
c=IN IP4 192.0.2.7
a=mid:0
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:126 telephone-event/8000
a=fmtp:126 0-16
a=ice-ufrag:ours
a=ice-pwd:secret
a=fingerprint:sha-256 AB:CD
a=setup:passive
a=rtcp-mux
a=candidate:1 1 udp 2130706431 192.0.2.7 30000 typ host
a=candidate:2 1 udp 2130706175 2001:db8::7 30000 typ host
a=end-of-candidates
a=ptime:20
a=sendrecv
"""


def answered(offer: str) -> str:
    body, _ = answer_offer(read_offer(offer.encode(), MEDIA), OURS, MEDIA, SystemIds())
    return body.decode().replace("\r\n", "\n")


def test_the_offer_of_chromium_is_read() -> None:
    offer = read_offer(CHROMIUM.encode(), MEDIA)
    assert (offer.mid, offer.ufrag, offer.fingerprints) == ("0", "qzj0", (("sha-256", DIGITS),))
    assert [peers.name for peers, _ in offer.pairs] == [
        "G722", "PCMU", "PCMA", "telephone-event/8000",
    ]  # fmt: skip


def test_it_is_answered_with_one_port_our_addresses_and_our_certificate() -> None:
    answer = answered(CHROMIUM)
    session, line = answer.split("m=audio")
    assert "m=audio" + line == ANSWER
    assert "a=ice-lite\na=group:BUNDLE 0\n" in session


def test_what_is_agreed_is_g722_with_the_offers_numbers_and_no_keys_yet() -> None:
    _, agreed = answer_offer(read_offer(CHROMIUM.encode(), MEDIA), OURS, MEDIA, SystemIds())
    assert (agreed.send.name, agreed.send.payload_type, agreed.send_event) == ("G722", 9, 126)
    assert agreed.receive_events == {126: 8000}
    assert (agreed.direction, agreed.rtcp_mux, agreed.srtp) == ("sendrecv", True, None)


def test_a_browser_that_only_listens_is_not_heard() -> None:
    offer = CHROMIUM.replace("a=sendrecv", "a=recvonly")
    assert "a=sendonly" in answered(offer)


def test_all_but_the_first_audio_line_is_refused_in_its_place() -> None:
    answer = parse_sdp(answered(CHROMIUM.replace("m=audio", VIDEO + "m=audio", 1)).encode())
    assert [(each.kind, each.port, each.attribute("mid")) for each in answer.media] == [
        ("video", 0, "1"),
        ("audio", 30000, "0"),
    ]
    assert answer.attribute("group") == "BUNDLE 0"


def test_what_stands_for_the_whole_session_counts_for_its_audio() -> None:
    names = ("ice-ufrag", "ice-pwd", "fingerprint", "setup")
    lines = CHROMIUM.splitlines()
    moved = [line for line in lines if line[2:].partition(":")[0] in names]
    kept = [line for line in lines if line not in moved]
    assert answered("\n".join([*kept[:4], *moved, *kept[4:]])).endswith(ANSWER)


@pytest.mark.parametrize(
    ("there", "instead", "named"),
    [
        ("m=audio 9", "m=audio 0", "m=audio"),
        ("m=audio", "m=video", "m=audio"),
        ("UDP/TLS/RTP/SAVPF", "RTP/AVP", "m=audio"),
        ("SAVPF 111 63 9 0 8 13", "SAVPF 111 63 13", "codec"),
        ("a=rtcp-mux\n", "", "a=rtcp-mux"),
        ("a=setup:actpass", "a=setup:passive", "a=setup"),
        ("a=setup:actpass\n", "", "a=setup"),
        ("a=ice-ufrag:qzj0\n", "", "ICE credentials"),
        ("a=ice-pwd:", "a=ice-pwd:!", "ICE credentials"),
        ("a=group", "a=ice-lite\na=group", "a=ice-lite"),
        ("a=fingerprint:sha-256 ", "a=fingerprint:sha-1 ", "fingerprint"),
        (f"a=fingerprint:sha-256 {DIGITS}\n", "", "fingerprint"),
        (DIGITS, "none", "fingerprint"),
    ],
)
def test_an_offer_that_cannot_be_used_is_told_what_it_lacks(
    there: str, instead: str, named: str
) -> None:
    assert there in CHROMIUM
    with pytest.raises(NegotiationError, match=named):
        read_offer(CHROMIUM.replace(there, instead).encode(), MEDIA)


def test_what_is_no_description_at_all_is_a_fault_of_the_peer() -> None:
    with pytest.raises(RemoteProtocolError, match="SDP"):
        read_offer(b"hello", MEDIA)
