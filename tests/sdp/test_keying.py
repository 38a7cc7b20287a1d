"""SRTP in offer and answer: who gets which keys, and what is refused."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

import pytest

from rapida_media.errors import NegotiationError
from rapida_media.sdp.crypto import SUITES, cryptos_of
from rapida_media.sdp.description import MediaDescription, parse_sdp
from rapida_media.sdp.offer_answer import LocalMedia, NegotiatedAudio, OfferAnswer
from rapida_media.testing.clock import SeededIds

OFF = LocalMedia("192.0.2.2", 6000)
OPTIONAL = replace(OFF, srtp="optional")
REQUIRED = replace(OFF, srtp="required")
PEER_KEY = bytes(range(30))
INLINE = f"inline:{b64encode(PEER_KEY).decode()}"
CRYPTO = f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 {INLINE}"
UNKNOWN = f"a=crypto:1 F8_128_HMAC_SHA1_80 {INLINE}"


def session(seed: int = 1) -> OfferAnswer:
    return OfferAnswer(SeededIds(seed))


def body(*media: str) -> bytes:
    lines = ["v=0", "o=- 1 1 IN IP4 192.0.2.9", "s=-", "c=IN IP4 192.0.2.9", "t=0 0", *media]
    return "".join(f"{line}\r\n" for line in lines).encode()


PLAIN_OFFER = body("m=audio 4000 RTP/AVP 0")
SAVP_OFFER = body("m=audio 4000 RTP/SAVP 0", CRYPTO)
AVP_OFFER_WITH_KEYS = body("m=audio 4000 RTP/AVP 0", CRYPTO)


def media(description: bytes) -> list[MediaDescription]:
    return list(parse_sdp(description).media)


def exchange(offerer: LocalMedia, answerer: LocalMedia) -> tuple[NegotiatedAudio, NegotiatedAudio]:
    """Let two of us negotiate."""
    ours, theirs = session(1), session(2)
    answer, right = theirs.receive_offer(ours.make_offer(offerer), answerer)
    return ours.receive_answer(answer), right


@pytest.mark.parametrize(
    ("offerer", "answerer"),
    [(OPTIONAL, OPTIONAL), (OPTIONAL, REQUIRED), (REQUIRED, OPTIONAL), (REQUIRED, REQUIRED)],
)
def test_two_that_want_srtp_agree_on_it_crosswise(
    offerer: LocalMedia, answerer: LocalMedia
) -> None:
    left, right = exchange(offerer, answerer)
    assert left.srtp is not None
    assert right.srtp is not None
    assert left.srtp.suite == right.srtp.suite == "AEAD_AES_128_GCM"
    assert left.srtp.send_key == right.srtp.receive.key != right.srtp.send_key
    assert right.srtp.send_key == left.srtp.receive.key


@pytest.mark.parametrize(("offerer", "answerer"), [(OPTIONAL, OFF), (OFF, OPTIONAL), (OFF, OFF)])
def test_where_one_does_without_media_is_plain(offerer: LocalMedia, answerer: LocalMedia) -> None:
    assert [audio.srtp for audio in exchange(offerer, answerer)] == [None, None]


@pytest.mark.parametrize(("offerer", "answerer"), [(REQUIRED, OFF), (OFF, REQUIRED)])
def test_where_one_requires_it_and_one_has_none_there_is_no_call(
    offerer: LocalMedia, answerer: LocalMedia
) -> None:
    with pytest.raises(NegotiationError):
        exchange(offerer, answerer)


def test_optional_offers_one_plain_line_with_keys_and_required_a_secure_one() -> None:
    (optional,) = media(session().make_offer(OPTIONAL))
    (required,) = media(session().make_offer(REQUIRED))
    (off,) = media(session().make_offer(OFF))
    assert [line.protocol for line in (optional, required, off)] == [
        "RTP/AVP", "RTP/SAVP", "RTP/AVP",
    ]  # fmt: skip
    assert [crypto.suite for crypto in cryptos_of(optional)] == list(OPTIONAL.offered_suites)
    assert len({crypto.key for crypto in cryptos_of(required)}) == len(REQUIRED.offered_suites)
    assert off.attribute("crypto") is None


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_is_accepted_under_its_tag_and_answered_with_a_key_of_ours(suite: str) -> None:
    key = b64encode(bytes(range(SUITES[suite]))).decode()
    offer = body(
        "m=audio 4000 RTP/SAVP 0", UNKNOWN, f"a=crypto:12 {suite} inline:{key}|2^20|1:4", CRYPTO
    )
    answer, audio = session().receive_offer(offer, OPTIONAL)
    (line,) = media(answer)
    (crypto,) = cryptos_of(line)
    assert (line.protocol, crypto.tag, crypto.suite) == ("RTP/SAVP", 12, suite)
    assert audio.srtp is not None
    assert audio.srtp.send_key == crypto.key
    assert audio.srtp.receive.key == bytes(range(SUITES[suite]))
    assert audio.srtp.receive.mki == b"\0\0\0\1"
    assert crypto.mki == b""


def test_of_many_keys_the_first_that_can_be_followed_is_answered_under_its_tag() -> None:
    long, short = (b64encode(bytes(size)).decode() for size in (46, 30))
    offer = body(
        "m=audio 4000 RTP/SAVP 0",
        f"a=crypto:1 AES_192_CM_HMAC_SHA1_80 inline:{b64encode(bytes(38)).decode()}",
        f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{short}|2^20 UNENCRYPTED_SRTP",
        f"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:{short}|2^20|1:4;inline:{short}|2^20|2:4",
        f"a=crypto:4 AES_CM_128_HMAC_SHA1_80 inline:{short} FEC_ORDER=FEC_SRTP",
        f"a=crypto:5 AES_256_CM_HMAC_SHA1_32 inline:{long}|2^31",
        f"a=crypto:6 AES_CM_128_HMAC_SHA1_80 inline:{short}",
    )
    answer, audio = session().receive_offer(offer, REQUIRED)
    (line,) = media(answer)
    assert [(each.tag, each.suite) for each in cryptos_of(line)] == [(5, "AES_256_CM_HMAC_SHA1_32")]
    assert len(line.attribute_values("crypto")) == 1
    assert audio.srtp is not None
    assert audio.srtp.receive.key == bytes(46)


@pytest.mark.parametrize("local", [OPTIONAL, REQUIRED])
def test_a_plain_line_with_keys_is_answered_as_such(local: LocalMedia) -> None:
    answer, audio = session().receive_offer(AVP_OFFER_WITH_KEYS, local)
    assert media(answer)[0].protocol == "RTP/AVP"
    assert audio.srtp is not None


def test_without_our_consent_secure_lines_are_refused_and_keys_are_ignored() -> None:
    with pytest.raises(NegotiationError):
        session().receive_offer(SAVP_OFFER, OFF)
    answer, audio = session().receive_offer(AVP_OFFER_WITH_KEYS, OFF)
    assert audio.srtp is None
    assert b"crypto" not in answer


@pytest.mark.parametrize(
    ("offer", "local"),
    [
        (PLAIN_OFFER, REQUIRED),
        (body("m=audio 4000 RTP/SAVP 0"), OPTIONAL),
        (body("m=audio 4000 RTP/SAVP 0", UNKNOWN), OPTIONAL),
        (body("m=audio 4000 RTP/AVP 0", UNKNOWN), REQUIRED),
        (body("m=audio 4000 RTP/SAVP 0", f"{CRYPTO} UNENCRYPTED_SRTP"), OPTIONAL),
        (body("m=audio 4000 UDP/TLS/RTP/SAVP 0", CRYPTO), OPTIONAL),
        (body("m=audio 4000 UDP/TLS/RTP/SAVPF 0", CRYPTO), OPTIONAL),
        (body("m=audio 4000 RTP/SAVPF 0"), OPTIONAL),
        (body("m=audio 4000 RTP/SAVPF 0", UNKNOWN), OPTIONAL),
        (body("m=audio 4000 RTP/SAVPF 0", CRYPTO), OFF),
        (body("m=audio 4000 RTP/AVPF 0"), REQUIRED),
    ],
)
def test_offers_without_a_usable_key_where_one_is_needed_are_refused(
    offer: bytes, local: LocalMedia
) -> None:
    with pytest.raises(NegotiationError):
        session().receive_offer(offer, local)


@pytest.mark.parametrize("local", [OPTIONAL, REQUIRED])
@pytest.mark.parametrize("profile", ["RTP/SAVPF", "RTP/AVPF"])
def test_a_line_with_keys_and_feedback_is_answered_as_one_with_keys(
    profile: str, local: LocalMedia
) -> None:
    """RFC 5124; and RTP/AVPF with keys as RTP/AVP with keys."""
    negotiation = session()
    offer = body(f"m=audio 4000 {profile} 0", CRYPTO, "a=rtcp-fb:* nack")
    answer, audio = negotiation.receive_offer(offer, local)
    without = offer.replace(profile.encode(), profile[:-1].encode())
    assert audio == session().receive_offer(without, local)[1]
    assert audio.srtp is not None
    assert media(answer)[0].protocol == profile
    held = negotiation.make_offer(replace(local, direction="sendonly"))
    assert media(held)[0].protocol == profile
    assert negotiation.receive_answer(answer_to(held, profile, CRYPTO)).srtp == audio.srtp


@pytest.mark.parametrize("first", ["plain", "secure"])
def test_of_two_lines_optional_takes_the_secure_one_and_off_the_plain_one(first: str) -> None:
    plain, secure = ["m=audio 4000 RTP/AVP 0"], ["m=audio 4002 RTP/SAVP 0", CRYPTO]
    offer = body(*(plain + secure if first == "plain" else secure + plain))
    answer, audio = session().receive_offer(offer, OPTIONAL)
    assert audio.srtp is not None
    assert audio.remote_port == 4002
    assert sorted(line.port for line in media(answer)) == [0, 6000]
    _, audio = session().receive_offer(offer, OFF)
    assert audio.srtp is None
    assert audio.remote_port == 4000


def answer_to(offer: bytes, protocol: str, *lines: str) -> bytes:
    return body(f"m=audio 4000 {protocol} {media(offer)[0].formats[0]}", *lines)


@pytest.mark.parametrize(
    ("local", "protocol", "lines"),
    [
        (REQUIRED, "RTP/SAVP", []),
        (REQUIRED, "RTP/AVP", []),
        (REQUIRED, "RTP/SAVP", [UNKNOWN]),
        (REQUIRED, "RTP/SAVPF", []),
        (REQUIRED, "RTP/AVPF", []),
        (OPTIONAL, "RTP/SAVPF", []),
        (OFF, "RTP/SAVPF", [CRYPTO]),
        (OPTIONAL, "RTP/SAVP", []),
        (OPTIONAL, "RTP/AVP", [f"a=crypto:9 AES_CM_128_HMAC_SHA1_80 {INLINE}"]),
        (OPTIONAL, "RTP/AVP", [CRYPTO]),  # its tag belongs to another suite
        (OFF, "RTP/SAVP", [CRYPTO]),
    ],
)
def test_answers_whose_key_does_not_fit_end_the_call(
    local: LocalMedia, protocol: str, lines: list[str]
) -> None:
    negotiation = session()
    offer = negotiation.make_offer(local)
    with pytest.raises(NegotiationError):
        negotiation.receive_answer(answer_to(offer, protocol, *lines))


def test_an_answer_with_our_own_key_ends_the_call() -> None:
    negotiation = session()
    offer = negotiation.make_offer(REQUIRED)
    line = media(offer)[0].attribute("crypto")
    with pytest.raises(NegotiationError):
        negotiation.receive_answer(answer_to(offer, "RTP/SAVP", f"a=crypto:{line}"))


def test_a_change_keeps_our_key_and_takes_the_new_one_of_the_peer() -> None:
    negotiation = session()
    _, before = negotiation.receive_offer(SAVP_OFFER, OPTIONAL)
    other = b64encode(bytes(30)).decode()
    changed = body("m=audio 4000 RTP/SAVP 0", f"a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:{other}")
    _, after = negotiation.receive_offer(changed, OPTIONAL)
    _, same = negotiation.receive_offer(SAVP_OFFER, OPTIONAL)
    assert before.srtp == same.srtp
    assert before.srtp is not None
    assert after.srtp is not None
    assert after.srtp.send_key == before.srtp.send_key
    assert after.srtp.receive.key == bytes(30)


@pytest.mark.parametrize(
    "first", [SAVP_OFFER, AVP_OFFER_WITH_KEYS, PLAIN_OFFER, body("m=audio 4000 RTP/AVPF 0")]
)
def test_our_next_offer_says_what_was_agreed(first: bytes) -> None:
    negotiation = session()
    answer, _ = negotiation.receive_offer(first, OPTIONAL)
    held = negotiation.make_offer(replace(OPTIONAL, direction="sendonly"))
    assert media(held)[0].protocol == media(answer)[0].protocol
    assert cryptos_of(media(held)[0]) == cryptos_of(media(answer)[0])


def test_our_repeated_offer_and_its_answer_change_no_key() -> None:
    negotiation, peer = session(1), session(2)
    answer, right = peer.receive_offer(negotiation.make_offer(REQUIRED), REQUIRED)
    left = negotiation.receive_answer(answer)
    again, right_again = peer.receive_offer(negotiation.repeat_offer(), REQUIRED)
    assert negotiation.receive_answer(again).srtp == left.srtp
    assert right_again.srtp == right.srtp
    held, right_held = peer.receive_offer(
        negotiation.make_offer(replace(REQUIRED, direction="sendonly")), REQUIRED
    )
    assert negotiation.receive_answer(held).srtp == left.srtp
    assert right_held.srtp == right.srtp


def test_early_answers_of_several_callees_leave_the_offer_as_it_was() -> None:
    negotiation = session()
    offer = negotiation.make_offer(OPTIONAL)
    first, _ = session(2).receive_offer(offer, REQUIRED)
    second, _ = session(3).receive_offer(offer, OFF)
    early = negotiation.preview_answer(first)
    assert early.srtp is not None
    final = negotiation.receive_answer(second)
    assert final.srtp is None


def test_two_sessions_have_no_key_in_common() -> None:
    keys = [
        crypto.key
        for seed in (1, 2)
        for crypto in cryptos_of(media(session(seed).make_offer(REQUIRED))[0])
    ]
    assert len(set(keys)) == len(keys)
