from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError, NegotiationError, RemoteProtocolError
from rapida_media.sdp.codec import SUPPORTED, Codec
from rapida_media.sdp.description import parse_sdp
from rapida_media.sdp.offer_answer import LocalMedia, NegotiatedAudio, OfferAnswer
from rapida_media.sdp.peer_audio import DIRECTIONS


class FixedIds:
    """An id source that always draws the same."""

    def token(self) -> str:
        return "0" * 32

    def number(self, bits: int) -> int:
        return 7


OURS = LocalMedia("192.0.2.2", 5000)
PCMU = Codec("PCMU", 8000, 1, 0)
PCMA = Codec("PCMA", 8000, 1, 8)
G722 = Codec("G722", 8000, 1, 9)


def session() -> OfferAnswer:
    return OfferAnswer(FixedIds())


def body(*media: str, connection: str = "c=IN IP4 192.0.2.1", times: str = "t=0 0") -> bytes:
    lines = ["v=0", "o=alice 2890844526 2890844526 IN IP4 192.0.2.1", "s=", connection, times]
    return "".join(f"{line}\r\n" for line in [*lines, *media] if line).encode()


def media_lines(description: bytes) -> list[str]:
    return [line for line in description.decode().split("\r\n") if line.startswith("m=")]


# RFC 3264 section 10.1, with addresses where the RFC has host names.
BASIC_EXCHANGE = body(
    "m=audio 49170 RTP/AVP 0",
    "a=rtpmap:0 PCMU/8000",
    "m=video 51372 RTP/AVP 31",
    "a=rtpmap:31 H261/90000",
    "m=video 53000 RTP/AVP 32",
    "a=rtpmap:32 MPV/90000",
)


def test_the_basic_exchange_of_rfc_3264_is_answered_line_by_line() -> None:
    answer, audio = session().receive_offer(BASIC_EXCHANGE, OURS)
    assert answer == (
        b"v=0\r\n"
        b"o=- 7 1 IN IP4 192.0.2.2\r\n"
        b"s=-\r\n"
        b"c=IN IP4 192.0.2.2\r\n"
        b"t=0 0\r\n"
        b"m=audio 5000 RTP/AVP 0\r\n"
        b"a=rtpmap:0 PCMU/8000\r\n"
        b"a=ptime:20\r\n"
        b"a=sendrecv\r\n"
        b"m=video 0 RTP/AVP 31\r\n"
        b"m=video 0 RTP/AVP 32\r\n"
    )
    assert audio == NegotiatedAudio(
        remote_address="192.0.2.1",
        remote_port=49170,
        remote_rtcp=("192.0.2.1", 49171),
        send=PCMU,
        receive=(PCMU,),
        send_event=None,
        receive_events={},
        direction="sendrecv",
        ptime_ms=20,
    )


def test_an_event_line_added_later_as_in_rfc_3264_is_refused_and_the_audio_moves() -> None:
    ours = session()
    ours.receive_offer(BASIC_EXCHANGE, OURS)
    answer, audio = ours.receive_offer(
        body(
            "m=audio 65422 RTP/AVP 0",
            "a=rtpmap:0 PCMU/8000",
            "m=video 0 RTP/AVP 31",
            "m=video 53000 RTP/AVP 32",
            "a=rtpmap:32 MPV/90000",
            "m=audio 51434 RTP/AVP 110",
            "a=rtpmap:110 telephone-events/8000",
            "a=recvonly",
        ),
        OURS,
    )
    assert media_lines(answer) == [
        "m=audio 5000 RTP/AVP 0",
        "m=video 0 RTP/AVP 31",
        "m=video 0 RTP/AVP 32",
        "m=audio 0 RTP/AVP 110",
    ]
    assert audio.remote_port == 65422


def test_one_of_n_codecs_of_rfc_3264_keeps_only_what_we_know() -> None:
    answer, audio = session().receive_offer(
        body(
            "m=audio 62986 RTP/AVP 0 4 18",
            "a=rtpmap:0 PCMU/8000",
            "a=rtpmap:4 G723/8000",
            "a=rtpmap:18 G729/8000",
            "a=inactive",
        ),
        OURS,
    )
    assert media_lines(answer) == ["m=audio 5000 RTP/AVP 0"]
    assert audio.direction == "inactive"
    assert not audio.sending
    assert not audio.receiving


# RFC 4585 section 4.4, example 1, with an address where the RFC has a host name.
WITH_FEEDBACK = body(
    "m=audio 49170 RTP/AVPF 0 96",
    "a=rtpmap:0 PCMU/8000",
    "a=rtpmap:96 telephone-event/8000",
    "a=fmtp:96 0-16",
    "a=rtcp-fb:96 nack",
)


def test_the_offer_of_rfc_4585_is_answered_in_its_profile_and_without_feedback() -> None:
    """Section 4.2: "The answerer MUST remove all attributes it does not understand as well as those
    it does not support"."""
    answer, audio = session().receive_offer(WITH_FEEDBACK, OURS)
    assert answer.partition(b"m=")[2] == (
        b"audio 5000 RTP/AVPF 0 96\r\n"
        b"a=rtpmap:0 PCMU/8000\r\n"
        b"a=rtpmap:96 telephone-event/8000\r\n"
        b"a=fmtp:96 0-16\r\n"
        b"a=ptime:20\r\n"
        b"a=sendrecv\r\n"
    )
    plain = WITH_FEEDBACK.replace(b"RTP/AVPF", b"RTP/AVP").replace(b"a=rtcp-fb:96 nack\r\n", b"")
    assert audio == session().receive_offer(plain, OURS)[1]


def test_what_we_offer_in_a_session_keeps_the_profile_the_far_end_chose() -> None:
    ours = session()
    ours.receive_offer(WITH_FEEDBACK, OURS)
    for _ in range(2):
        offer = ours.make_offer(replace(OURS, direction="sendonly"))
        (line,) = media_lines(offer)
        assert line.startswith("m=audio 5000 RTP/AVPF ")
        assert b"rtcp-fb" not in offer
        ours.receive_answer(WITH_FEEDBACK)


@pytest.mark.parametrize("taken", [0, 1])
def test_of_the_same_stream_with_and_without_feedback_the_first_is_taken(taken: int) -> None:
    """As two lines, as in example 3 of RFC 4585 section 4.4."""
    lines = ["m=audio 49170 RTP/AVP 0", "m=audio 49170 RTP/AVPF 0"]
    answer, _ = session().receive_offer(body(*(lines if taken == 0 else reversed(lines))), OURS)
    chosen, other = media_lines(answer)
    assert chosen == lines[taken].replace("49170", "5000")
    assert other == lines[1 - taken].replace("49170", "0")


def test_an_answer_in_the_profile_with_feedback_to_our_plain_offer_is_taken() -> None:
    ours = session()
    ours.make_offer(OURS)
    assert ours.receive_answer(WITH_FEEDBACK).remote_port == 49170
    assert media_lines(ours.make_offer(OURS))[0].startswith("m=audio 5000 RTP/AVP ")


def test_our_first_offer_reads_as_written() -> None:
    assert session().make_offer(OURS) == (
        b"v=0\r\n"
        b"o=- 7 1 IN IP4 192.0.2.2\r\n"
        b"s=-\r\n"
        b"c=IN IP4 192.0.2.2\r\n"
        b"t=0 0\r\n"
        b"m=audio 5000 RTP/AVP 0 8 9 96 101 97\r\n"
        b"a=rtpmap:0 PCMU/8000\r\n"
        b"a=rtpmap:8 PCMA/8000\r\n"
        b"a=rtpmap:9 G722/8000\r\n"
        b"a=rtpmap:96 L16/16000\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\n"
        b"a=fmtp:101 0-16\r\n"
        b"a=rtpmap:97 telephone-event/16000\r\n"
        b"a=fmtp:97 0-16\r\n"
        b"a=ptime:20\r\n"
        b"a=sendrecv\r\n"
    )


def test_an_answer_sends_by_the_peers_numbers_and_receives_by_ours() -> None:
    ours = session()
    ours.make_offer(OURS)
    audio = ours.receive_answer(
        body(
            "m=audio 4000 RTP/AVP 110 111",
            "a=rtpmap:110 L16/16000",
            "a=rtpmap:111 telephone-event/16000",
            "a=ptime:30",
        )
    )
    assert audio.send == Codec("L16", 16000, 1, 110)
    assert audio.receive == (Codec("L16", 16000, 1, 96),)
    assert (audio.send_event, audio.receive_events) == (111, {97: 16000})
    assert audio.ptime_ms == 30


def test_a_static_number_without_rtpmap_means_what_rfc_3551_says() -> None:
    _, audio = session().receive_offer(body("m=audio 4000 RTP/AVP 9 8 0"), OURS)
    assert audio.receive == (G722, PCMA, PCMU)


def test_a_static_number_means_what_its_rtpmap_says() -> None:
    answer, audio = session().receive_offer(
        body("m=audio 4000 RTP/AVP 0 9", "a=rtpmap:0 G729/8000", "a=rtpmap:9 pcma/8000/1"), OURS
    )
    assert audio.send == Codec("PCMA", 8000, 1, 9)
    assert b"m=audio 5000 RTP/AVP 9\r\na=rtpmap:9 PCMA/8000\r\n" in answer


@pytest.mark.parametrize(
    "media",
    [
        ["m=audio 4000 RTP/AVP 96"],
        ["m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMU"],
        ["m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMU/8000/2"],
        ["m=audio 4000 RTP/AVP 96", "a=rtpmap:97 PCMU/8000"],
        ["m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMU/fast"],
        ["m=audio 4000 RTP/AVP 96", "a=rtpmap:x PCMU/8000"],
        ["m=audio 4000 RTP/AVP" + " 18" * 128 + " 0"],
        ["m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"],
        ["m=audio 4000 RTP/AVP 18"],
        ["m=audio 4000 RTP/AVP pcmu 128"],
        ["m=audio 4000 RTP/SAVP 0"],
        ["m=audio 4000 RTP/SAVPF 0"],
        ["m=audio 4000 UDP/TLS/RTP/SAVPF 0"],
        ["m=audio 0 RTP/AVP 0", "m=video 4000 RTP/AVP 0"],
        ["m=video 4000 RTP/AVP 0"],
        ["m=audio 4000 RTP/AVP 0", "c=IN IP4 239.1.2.3/127"],
        ["m=audio 4000 RTP/AVP 0", "c=IN IP4 239.1.2.3"],
        ["m=audio 4000 RTP/AVP 0", "c=IN IP6 fe80::1%eth0"],
        ["m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1"],
    ],
)
def test_an_offer_without_anything_usable_is_refused_and_changes_nothing(media: list[str]) -> None:
    ours = session()
    with pytest.raises(NegotiationError):
        ours.receive_offer(body(*media), OURS)
    assert ours.make_offer(OURS) == session().make_offer(OURS)


@pytest.mark.parametrize(
    ("media", "srtp", "code", "text"),
    [
        (["m=video 4000 RTP/AVP 31"], "off", 304, "no audio line"),
        (["m=audio 4000 UDP/TLS/RTP/SAVPF 0"], "off", 302, "RTP/AVP, RTP/SAVP"),
        (["m=audio 4000 RTP/AVP 0", "c=IN IP4 phone.example"], "off", 301, "no address"),
        (["m=audio 4000 RTP/AVP 0", "c=IN IP4 239.1.2.3"], "off", 330, "unicast"),
        (["m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:db8::1"], "off", 301, "IPv4"),
        (["m=audio 4000 RTP/AVP 18"], "off", 305, "no codec of PCMU, PCMA"),
        (["m=audio 4000 RTP/SAVP 0"], "off", 302, "not taken"),
        (["m=audio 4000 RTP/AVP 0"], "required", 302, "must be encrypted"),
        (["m=audio 4000 RTP/SAVP 0"], "optional", 302, "has no keys"),
        (["m=audio 4000 RTP/SAVP 0"], "required", 302, "has no keys"),
        (["m=audio 4000 RTP/SAVP 0"], "off", 302, "is not taken here"),
        (["m=audio 4000 RTP/SAVP 0", "a=crypto:1 F8_128_HMAC_SHA1_80 inline:x"], "optional", 306,
         "crypto suites"),
        # Of several lines the one that came furthest says most.
        (["m=audio 4000 RTP/AVP 18", "m=audio 0 RTP/AVP 0", "m=video 4000 RTP/AVP 31"], "off", 305,
         "no codec"),
    ],
)  # fmt: skip
def test_a_refusal_says_why_in_the_words_of_a_warning(
    media: list[str], srtp: str, code: int, text: str
) -> None:
    """The warn-codes of RFC 3261 section 20.43."""
    with pytest.raises(NegotiationError, match=text) as refused:
        session().receive_offer(body(*media), replace(OURS, srtp=srtp))
    assert refused.value.warning == code


def test_an_offer_without_a_connection_address_is_refused() -> None:
    with pytest.raises(NegotiationError):
        session().receive_offer(body("m=audio 4000 RTP/AVP 0", connection=""), OURS)


def test_the_first_usable_audio_line_is_taken_wherever_it_stands() -> None:
    answer, audio = session().receive_offer(
        body(
            "m=image 4000 udptl t38",
            "m=audio 4002 RTP/SAVP 0",
            "m=audio 4004 RTP/AVP 18",
            "m=audio 4006 RTP/AVP 8",
            "c=IN IP4 192.0.2.77",
            "m=audio 4008 RTP/AVP 0",
        ),
        OURS,
    )
    assert media_lines(answer) == [
        "m=image 0 udptl t38",
        "m=audio 0 RTP/SAVP 0",
        "m=audio 0 RTP/AVP 18",
        "m=audio 5000 RTP/AVP 8",
        "m=audio 0 RTP/AVP 0",
    ]
    assert (audio.remote_address, audio.remote_port) == ("192.0.2.77", 4006)


# RFC 3264 section 6.1, and section 8.4 for the old way to hold; (peer, we allow) → ours.
@pytest.mark.parametrize(
    ("attributes", "local", "expected"),
    [
        ([], "sendrecv", "sendrecv"),
        (["a=sendrecv"], "sendrecv", "sendrecv"),
        (["a=sendonly"], "sendrecv", "recvonly"),
        (["a=recvonly"], "sendrecv", "sendonly"),
        (["a=inactive"], "sendrecv", "inactive"),
        (["a=sendrecv"], "sendonly", "sendonly"),
        (["a=sendrecv"], "inactive", "inactive"),
        (["a=sendonly"], "sendonly", "inactive"),
        (["c=IN IP4 0.0.0.0"], "sendrecv", "recvonly"),
        (["c=IN IP4 0.0.0.0", "a=sendonly"], "sendrecv", "recvonly"),
        (["c=IN IP4 0.0.0.0", "a=recvonly"], "sendrecv", "inactive"),
        (["c=IN IP4 0.0.0.0", "a=inactive"], "sendrecv", "inactive"),
    ],
)
def test_the_direction_is_mirrored_within_what_we_allow(
    attributes: list[str], local: str, expected: str
) -> None:
    offer = body("m=audio 4000 RTP/AVP 0", *attributes)
    answer, audio = session().receive_offer(offer, replace(OURS, direction=local))
    assert audio.direction == expected
    assert answer.decode().endswith(f"a={expected}\r\n")


def test_a_direction_of_the_session_counts_unless_the_line_has_its_own() -> None:
    inherited = body("m=audio 4000 RTP/AVP 0", times="t=0 0\r\na=sendonly")
    own = body("m=audio 4000 RTP/AVP 0", "a=sendrecv", times="t=0 0\r\na=sendonly")
    assert session().receive_offer(inherited, OURS)[1].direction == "recvonly"
    assert session().receive_offer(own, OURS)[1].direction == "sendrecv"


@pytest.mark.parametrize(
    ("line", "attribute", "expected"),
    [
        ("m=audio 4000 RTP/AVP 0", "a=rtcp:4010", ("192.0.2.1", 4010)),
        ("m=audio 4000 RTP/AVP 0", "a=rtcp:4010 IN IP4 192.0.2.9", ("192.0.2.9", 4010)),
        ("m=audio 4000 RTP/AVP 0", "a=rtcp:4010 IN IP4 somewhere", ("192.0.2.1", 4010)),
        ("m=audio 4000 RTP/AVP 0", "a=rtcp:0", None),
        ("m=audio 4000 RTP/AVP 0", "a=rtcp:nonsense", ("192.0.2.1", 4001)),
        ("m=audio 65535 RTP/AVP 0", "a=x", None),
    ],
)
def test_the_rtcp_port_is_the_next_one_unless_stated(
    line: str, attribute: str, expected: tuple[str, int] | None
) -> None:
    assert session().receive_offer(body(line, attribute), OURS)[1].remote_rtcp == expected


def test_rtcp_on_the_rtp_port_is_agreed_when_the_peer_offers_it_and_kept() -> None:
    ours = session()
    offer = body("m=audio 4000 RTP/AVP 0", "a=rtcp:4010", "a=rtcp-mux")
    answer, audio = ours.receive_offer(offer, OURS)
    assert b"a=rtcp-mux\r\n" in answer
    assert (audio.rtcp_mux, audio.remote_rtcp) == (True, ("192.0.2.1", 4000))
    assert b"a=rtcp-mux\r\n" in ours.make_offer(OURS)
    audio = ours.receive_answer(body("m=audio 4000 RTP/AVP 0"))
    assert (audio.rtcp_mux, audio.remote_rtcp) == (False, ("192.0.2.1", 4001))


def test_rtcp_on_the_rtp_port_is_offered_when_told_and_used_when_answered() -> None:
    muxing = replace(OURS, rtcp_mux=True)
    for attributes, agreed in ((["a=rtcp-mux"], True), ([], False)):
        ours = session()
        assert b"a=rtcp-mux\r\n" in ours.make_offer(muxing)
        audio = ours.receive_answer(body("m=audio 4000 RTP/AVP 0", *attributes))
        assert audio.rtcp_mux is agreed
    plain = session()
    assert b"rtcp-mux" not in plain.make_offer(OURS)
    assert not plain.receive_answer(body("m=audio 4000 RTP/AVP 0", "a=rtcp-mux")).rtcp_mux


QUIET = replace(OURS, comfort_noise=True)


def test_comfort_noise_is_offered_when_told_at_each_clock_of_a_codec() -> None:
    offer = session().make_offer(QUIET).decode()
    assert media_lines(offer.encode())[0].endswith(" 13 98")
    assert "a=rtpmap:13 CN/8000\r\n" in offer
    assert "a=rtpmap:98 CN/16000\r\n" in offer
    assert "CN/" not in session().make_offer(OURS).decode()


@pytest.mark.parametrize(
    ("formats", "attributes", "send_noise"),
    [("0 13", [], 13), ("0 105", ["a=rtpmap:105 cn/8000"], 105), ("0", [], None)],
)
def test_comfort_noise_of_an_offer_is_taken_by_its_number(
    formats: str, attributes: list[str], send_noise: int | None
) -> None:
    offer = body(f"m=audio 4000 RTP/AVP {formats}", *attributes)
    answer, audio = session().receive_offer(offer, QUIET)
    assert audio.send_noise == send_noise
    assert audio.receive_noise == (() if send_noise is None else (send_noise,))
    assert (f"a=rtpmap:{send_noise} CN/8000\r\n" in answer.decode()) is (send_noise is not None)
    answer, audio = session().receive_offer(offer, OURS)
    assert (audio.send_noise, audio.receive_noise) == (None, ())
    assert "CN" not in answer.decode()


def test_comfort_noise_goes_at_the_clock_of_what_is_sent() -> None:
    offer = body("m=audio 4000 RTP/AVP 96 0 13 97", "a=rtpmap:96 L16/16000", "a=rtpmap:97 CN/16000")
    _, audio = session().receive_offer(offer, QUIET)
    assert (audio.send.name, audio.send_noise) == ("L16/16000", 97)
    assert set(audio.receive_noise) == {13, 97}


def test_comfort_noise_is_ours_only_when_the_answer_has_it() -> None:
    ours = session()
    ours.make_offer(QUIET)
    audio = ours.receive_answer(body("m=audio 4000 RTP/AVP 0 13"))
    assert (audio.send_noise, audio.receive_noise) == (13, (13,))
    ours.make_offer(QUIET)
    audio = ours.receive_answer(body("m=audio 4000 RTP/AVP 0"))
    assert (audio.send_noise, audio.receive_noise) == (None, ())


def test_comfort_noise_alone_carries_no_call() -> None:
    with pytest.raises(NegotiationError):
        session().receive_offer(body("m=audio 4000 RTP/AVP 13"), QUIET)


@pytest.mark.parametrize(
    ("attribute", "expected"),
    [("a=ptime:30", 30), ("a=ptime:20.0", 20), ("a=ptime:0", 20), ("a=ptime:x", 20), ("a=y", 20)],
)
def test_a_readable_ptime_is_the_peers_wish(attribute: str, expected: int) -> None:
    offer = body("m=audio 4000 RTP/AVP 0", attribute)
    assert session().receive_offer(offer, OURS)[1].ptime_ms == expected


def test_events_are_taken_at_the_clock_rate_of_an_agreed_codec_only() -> None:
    offer = body(
        "m=audio 4000 RTP/AVP 98 0 100 102",
        "a=rtpmap:98 telephone-event/16000",
        "a=rtpmap:100 telephone-event/8000",
        "a=rtpmap:102 telephone-event/48000",
    )
    answer, audio = session().receive_offer(offer, OURS)
    assert (audio.send_event, audio.receive_events) == (100, {100: 8000})
    assert media_lines(answer) == ["m=audio 5000 RTP/AVP 0 100"]


def test_the_answer_repeats_the_times_of_the_offer() -> None:
    offer = body("m=audio 4000 RTP/AVP 0", times="t=2873397496 2873404696")
    answer, _ = session().receive_offer(offer, OURS)
    assert b"\r\nt=2873397496 2873404696\r\n" in answer


def test_the_version_moves_only_when_the_content_does() -> None:
    ours = session()
    offer = body("m=audio 4000 RTP/AVP 0")
    first, _ = ours.receive_offer(offer, OURS)
    again, _ = ours.receive_offer(offer, OURS)
    held, _ = ours.receive_offer(body("m=audio 4000 RTP/AVP 0", "a=sendonly"), OURS)
    moved, _ = ours.receive_offer(offer, replace(OURS, address="192.0.2.3"))
    assert again == first
    origins = [str(parse_sdp(answer).origin) for answer in (first, held, moved)]
    assert origins == [f"- 7 {version} IN IP4 192.0.2.2" for version in (1, 2, 3)]


def test_our_next_offer_keeps_the_lines_and_the_numbers_of_the_session() -> None:
    ours = session()
    ours.receive_offer(
        body(
            "m=video 3000 RTP/AVP 31",
            "m=audio 4000 RTP/AVP 96 0 101",
            "a=rtpmap:96 opus/48000/2",
            "a=rtpmap:101 telephone-event/8000",
        ),
        OURS,
    )
    offer = ours.make_offer(OURS)
    assert media_lines(offer) == ["m=video 0 RTP/AVP 31", "m=audio 5000 RTP/AVP 0 8 9 97 101 98"]
    assert b"a=rtpmap:97 L16/16000\r\n" in offer
    assert parse_sdp(offer).origin.version == "2"
    ours.withdraw_offer()
    assert ours.make_offer(OURS) == offer


@pytest.mark.parametrize("caller", [True, False])
def test_a_refresh_does_not_repeat_an_offer_that_was_rejected(caller: bool) -> None:
    ours, line = session(), body("m=audio 4000 RTP/AVP 0")
    if caller:
        agreed = ours.make_offer(OURS)
        ours.receive_answer(line)
    else:
        agreed, _ = ours.receive_offer(line, OURS)
    hold = ours.make_offer(replace(OURS, direction="sendonly"))
    ours.withdraw_offer()
    for _ in range(2):
        assert ours.repeat_offer() == agreed
        assert ours.receive_answer(line).direction == "sendrecv"
    # "If the version in the origin line does not increment, the SDP MUST be identical to the SDP
    # with that version number" (RFC 3264 section 8).
    other = ours.make_offer(replace(OURS, direction="inactive"))
    versions = [int(parse_sdp(each).origin.version) for each in (agreed, hold, other)]
    assert versions == [1, 2, 3]


def test_a_peer_that_uses_every_dynamic_number_leaves_us_able_to_offer() -> None:
    ours = session()
    numbers = range(96, 128)
    maps = [f"a=rtpmap:{number} X{number}/8000" for number in numbers]
    line = "m=audio 4000 RTP/AVP 0 " + " ".join(map(str, numbers))
    ours.receive_offer(body(line, *maps), OURS)
    assert media_lines(ours.make_offer(OURS)) == ["m=audio 5000 RTP/AVP 0 8 9 96 101 97"]


def test_a_static_number_the_peer_gave_away_is_not_offered_twice() -> None:
    ours = session()
    offer = body("m=audio 4000 RTP/AVP 8 0", "a=rtpmap:0 telephone-event/8000")
    ours.receive_offer(offer, OURS)
    assert media_lines(ours.make_offer(OURS)) == ["m=audio 5000 RTP/AVP 0 8 9 96 101 97"]


@pytest.mark.parametrize(
    "answer",
    [
        body(),
        body("m=audio 4000 RTP/AVP 18"),
        body("m=audio 4000 RTP/SAVP 0"),
        body("m=audio 4000 RTP/AVP 101", "a=rtpmap:101 telephone-event/8000"),
    ],
)
def test_an_unusable_answer_settles_the_offer(answer: bytes) -> None:
    ours = session()
    ours.make_offer(OURS)
    with pytest.raises(NegotiationError):
        ours.receive_answer(answer)
    assert not ours.awaiting_answer


@pytest.mark.parametrize(
    ("media", "answered"),
    [
        ([], []),
        (["m=audio 0 RTP/AVP 0"], ["m=audio 0 RTP/AVP 0"]),
        (["m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 8"],
         ["m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 8"]),
    ],
)  # fmt: skip
def test_an_offer_without_a_stream_is_answered_without_one(
    media: list[str], answered: list[str]
) -> None:
    """RFC 3264 sections 5, 5.1 and 8.2; at the beginning or later, and ours follows in its slot."""
    for ours in (session(), session()):
        answer, audio = ours.receive_offer(body(*media), OURS)
        assert (audio, media_lines(answer)) == (None, answered)
        assert b"t=0 0\r\n" in answer
        assert ours.repeat_offer() == answer
        assert ours.receive_answer(body(*media)) is None
        offered = media_lines(ours.make_offer(OURS))
        assert offered[: len(answered) - 1] == answered[:-1]
        assert offered[-1].startswith("m=audio 5000 ")
        assert len(offered) == max(1, len(answered))
        answer = body(*answered[:-1], "m=audio 4000 RTP/AVP 0")
        assert ours.receive_answer(answer) == agreed_on_pcmu()


def agreed_on_pcmu() -> NegotiatedAudio:
    ours = session()
    ours.make_offer(OURS)
    audio = ours.receive_answer(body("m=audio 4000 RTP/AVP 0"))
    assert audio is not None
    return audio


def test_a_stream_that_was_closed_is_offered_again_where_it_was() -> None:
    ours = session()
    video = "m=video 5000 RTP/AVP 31"
    ours.receive_offer(body(video, "m=audio 4000 RTP/AVP 0"), OURS)
    closed = body("m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 0")
    answer, audio = ours.receive_offer(closed, OURS)
    assert audio is None
    assert media_lines(answer) == ["m=video 0 RTP/AVP 31", "m=audio 0 RTP/AVP 0"]
    answer, audio = ours.receive_offer(body(video, "m=audio 4002 RTP/AVP 0"), OURS)
    assert audio is not None
    assert media_lines(answer) == ["m=video 0 RTP/AVP 31", "m=audio 5000 RTP/AVP 0"]


def test_an_answer_that_refuses_the_stream_leaves_none() -> None:
    ours = session()
    ours.make_offer(OURS)
    assert ours.preview_answer(body("m=audio 0 RTP/AVP 0")) is None
    assert ours.receive_answer(body("m=audio 0 RTP/AVP 0")) is None
    assert not ours.awaiting_answer


def test_misuse_is_refused_before_anything_changes() -> None:
    ours = session()
    with pytest.raises(LocalProtocolError):
        ours.receive_answer(body("m=audio 4000 RTP/AVP 0"))
    with pytest.raises(LocalProtocolError):
        ours.withdraw_offer()
    ours.make_offer(OURS)
    with pytest.raises(LocalProtocolError):
        ours.make_offer(OURS)
    with pytest.raises(LocalProtocolError):
        ours.receive_offer(body("m=audio 4000 RTP/AVP 0"), OURS)
    assert ours.awaiting_answer
    assert ours.receive_answer(body("m=audio 4000 RTP/AVP 0")).send == PCMU


@pytest.mark.parametrize(
    "wrong",
    [
        {"address": "host.example"},
        {"port": 0},
        {"port": 65536},
        {"codecs": ()},
        {"codecs": ("G729",)},
        {"ptime_ms": 0},
        {"direction": "both"},
    ],
)
def test_local_media_refuses_what_cannot_be_offered(wrong: dict[str, object]) -> None:
    with pytest.raises(LocalProtocolError):
        LocalMedia(**({"address": "192.0.2.2", "port": 5000} | wrong))  # type: ignore[arg-type]


def test_ipv6_is_negotiated() -> None:
    offerer, answerer = session(), session()
    answer, _ = answerer.receive_offer(
        offerer.make_offer(LocalMedia("2001:db8::1", 4000)), LocalMedia("2001:db8::2", 5000)
    )
    assert offerer.receive_answer(answer).remote_address == "2001:db8::2"
    assert b"c=IN IP6 2001:db8::2\r\n" in answer


NAMES = st.lists(st.sampled_from(list(SUPPORTED)), min_size=1, unique=True).map(tuple)
PORTS = st.integers(1, 65535)
SIDES = st.builds(
    LocalMedia,
    address=st.just("192.0.2.2"),
    port=PORTS,
    codecs=NAMES,
    ptime_ms=st.sampled_from([10, 20, 30, 60]),
    direction=st.sampled_from(list(DIRECTIONS)),
)


def assert_both_agree(ours: NegotiatedAudio, theirs: NegotiatedAudio) -> None:
    assert ours.send in theirs.receive
    assert theirs.send in ours.receive
    assert ours.receive == theirs.receive
    assert ours.receive_events == theirs.receive_events
    assert ours.send_event == theirs.send_event
    assert (ours.sending, ours.receiving) == (theirs.receiving, theirs.sending)


@given(st.lists(st.tuples(st.booleans(), SIDES, SIDES), min_size=1, max_size=6))
def test_both_sides_agree_round_after_round(
    rounds: list[tuple[bool, LocalMedia, LocalMedia]],
) -> None:
    alice, bob = session(), session()
    for alice_offers, a, b in rounds:
        offerer, offered, answerer, answered = (
            (alice, a, bob, b) if alice_offers else (bob, b, alice, a)
        )
        offer = offerer.make_offer(offered)
        if not set(a.codecs) & set(b.codecs):
            with pytest.raises(NegotiationError):
                answerer.receive_offer(offer, answered)
            offerer.withdraw_offer()
            continue
        answer, theirs = answerer.receive_offer(offer, answered)
        ours = offerer.receive_answer(answer)
        assert_both_agree(ours, theirs)
        assert (ours.remote_port, theirs.remote_port) == (answered.port, offered.port)


MEDIA = st.builds(
    "m={} {} {} {}\r\n{}".format,
    st.sampled_from(["audio", "video", "image", "application"]),
    st.sampled_from([0, 4000, 65535]),
    st.sampled_from(["RTP/AVP", "RTP/SAVP", "udptl"]),
    st.sampled_from(["0", "8 101", "96 0", "t38", "18 9"]),
    st.sampled_from(["", "a=rtpmap:96 L16/16000\r\n", "a=sendonly\r\n", "c=IN IP4 0.0.0.0\r\n"]),
)


@given(st.lists(MEDIA, max_size=6))
def test_an_answer_has_the_lines_of_the_offer_in_their_order(media: list[str]) -> None:
    offer = body() + "".join(media).encode()
    try:
        answer, audio = session().receive_offer(offer, OURS)
    except NegotiationError:
        return
    offered, answered = parse_sdp(offer).media, parse_sdp(answer).media
    assert [(m.kind, m.protocol) for m in answered] == [(m.kind, m.protocol) for m in offered]
    if audio is None:
        assert not any(m.port for m in (*offered, *answered))
        return
    assert [m.port for m in answered if m.port] == [OURS.port]
    taken = next(index for index, m in enumerate(answered) if m.port)
    assert offered[taken].port == audio.remote_port
    assert set(answered[taken].formats) <= set(offered[taken].formats)


@given(st.binary(max_size=300))
def test_random_bytes_as_offer_or_answer_raise_only_what_is_promised(data: bytes) -> None:
    ours = session()
    with pytest.raises((RemoteProtocolError, NegotiationError)):
        ours.receive_offer(data, OURS)
    ours.make_offer(OURS)
    with pytest.raises((RemoteProtocolError, NegotiationError)):
        ours.receive_answer(data)


def test_an_early_answer_can_be_read_any_number_of_times_before_the_answer() -> None:
    negotiation = session()
    negotiation.make_offer(OURS)
    answer = body("m=audio 6000 RTP/AVP 0")
    elsewhere = body("m=audio 7000 RTP/AVP 0")
    assert negotiation.preview_answer(elsewhere).remote_port == 7000
    assert negotiation.preview_answer(answer).remote_port == 6000
    assert negotiation.awaiting_answer
    assert negotiation.receive_answer(answer).remote_port == 6000
    with pytest.raises(LocalProtocolError):
        negotiation.preview_answer(answer)


@pytest.mark.parametrize(
    ("attributes", "packet_ms"),
    [
        ([], 20),
        (["a=ptime:20"], 20),
        (["a=ptime:10"], 10),
        (["a=ptime:30"], 20),
        (["a=ptime:40"], 40),
        (["a=ptime:200"], 60),
        (["a=ptime:5"], 10),
        (["a=maxptime:150"], 20),
        (["a=maxptime:10"], 10),
        (["a=ptime:60", "a=maxptime:40"], 40),
        (["a=ptime:60", "a=maxptime:59"], 40),
        (["a=ptime:x", "a=maxptime:x"], 20),
        (["a=ptime:0", "a=maxptime:0"], 20),
    ],
)
def test_packets_are_as_long_as_the_peer_wishes_and_never_longer_than_it_takes(
    attributes: list[str], packet_ms: int
) -> None:
    _, audio = session().receive_offer(body("m=audio 4000 RTP/AVP 0", *attributes), OURS)
    assert audio.packet_ms == packet_ms


def test_telephone_event_goes_by_the_peers_number_at_the_clock_of_the_codec() -> None:
    lines = [
        "m=audio 4000 RTP/AVP 110 9 111 112 0",
        "a=rtpmap:110 L16/16000",
        "a=rtpmap:111 telephone-event/16000",
        "a=rtpmap:112 telephone-event/8000",
    ]
    answer, audio = session().receive_offer(body(*lines), OURS)
    assert audio.send.name == "L16/16000"
    assert audio.send_event == 111
    assert set(audio.receive_events) == {111, 112}
    assert media_lines(answer) == ["m=audio 5000 RTP/AVP 110 9 111 112 0"]
    _, audio = session().receive_offer(body(*lines), replace(OURS, codecs=("PCMU",)))
    assert (audio.send.name, audio.send_event, audio.receive_events) == ("PCMU", 112, {112: 8000})


def test_dynamic_numbers_mean_what_each_side_says_they_mean() -> None:
    ours = session()
    offer = ours.make_offer(replace(OURS, codecs=("L16/16000", "PCMA")))
    mine = media_lines(offer)[0].split()[3]
    answer = body(
        "m=audio 4000 RTP/AVP 99 8 97",
        "a=rtpmap:99 L16/16000",
        "a=rtpmap:97 telephone-event/16000",
    )
    audio = ours.receive_answer(answer)
    assert audio.send.payload_type == 99
    assert str(audio.receive[0].payload_type) == mine
    assert audio.send_event == 97
    ours_16k = re.search(rb"a=rtpmap:(\d+) telephone-event/16000", offer)
    assert ours_16k is not None
    assert int(ours_16k[1]) in audio.receive_events
