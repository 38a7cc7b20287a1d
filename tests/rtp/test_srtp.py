"""libsrtp as we use it: against the vectors of the RFCs, and against SRTP written out by hand."""

from __future__ import annotations

import pytest
from srtp_by_hand import RTP_LABELS, CounterMode, Gcm, derive, seal_rtp

from rapida_media.errors import LocalProtocolError, RemoteProtocolError
from rapida_media.kernels import MediaStream, format_rtp
from rapida_media.rtp.srtp import AVAILABLE_SUITES, RTCP_SOURCES, SrtpReceiver, SrtpSender

# RFC 3711 appendix B.3.
MASTER_128 = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")
# RFC 6188 section 7.2.
MASTER_256 = bytes.fromhex(
    "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b63b04803de51ee7c96423ab5b78d2"
)
KEYS = {
    "AES_CM_128_HMAC_SHA1_80": MASTER_128,
    "AES_CM_128_HMAC_SHA1_32": MASTER_128,
    "AES_256_CM_HMAC_SHA1_80": MASTER_256,
    "AES_256_CM_HMAC_SHA1_32": MASTER_256,
    "AEAD_AES_128_GCM": MASTER_128[:28],
    "AEAD_AES_256_GCM": MASTER_256[:44],
}
REMOTE = ("192.0.2.1", 4000)
SSRC = 0xCAFEBABE
RTCP = bytes.fromhex("81c8000bcafebabe") + b"\xab" * 16


def by_hand(suite: str) -> CounterMode | Gcm:
    if "GCM" in suite:
        return Gcm(KEYS[suite])
    return CounterMode(KEYS[suite], 4 if suite.endswith("_32") else 10)


def stream(sequence_number: int = 0, ssrc: int = SSRC) -> MediaStream:
    made = MediaStream(ssrc=ssrc, sequence_number=sequence_number, timestamp=0xDECAFBAD)
    made.configure(receive={0: "PCMU"}, send_payload_type=0, send_encoding="PCMU", remote=REMOTE)
    return made


def rtp(sequence_number: int, ssrc: int = SSRC, *, options: bool = False) -> bytes:
    return format_rtp(
        marker=False,
        payload_type=0,
        sequence_number=sequence_number,
        timestamp=160 * sequence_number,
        ssrc=ssrc,
        payload=bytes(range(160)),
        csrcs=(1, 2) if options else (),
        extension_profile=0xBEDE if options else None,
        extension=b"abcd" if options else b"",
    )


def received(receiver: SrtpReceiver, *packets: bytes) -> MediaStream:
    """Give a stream that was sent these packets."""
    target = stream()
    target.secure(sender=None, receiver=receiver)
    for number, packet in enumerate(packets):
        target.receive_datagram(packet, REMOTE, number / 50)
    return target


def outcome(target: MediaStream) -> tuple[int, int, int]:
    """Give how many packets were taken, not authentic (or no RTP at all), and replays."""
    figures = target.statistics()
    return (
        int(figures["packets_received"] + figures["on_probation"]),
        int(figures["srtp_failures"] + figures["bad_header"]),
        int(figures["srtp_replays"]),
    )


def test_the_session_keys_of_rfc_3711_and_rfc_6188_come_from_their_master_keys() -> None:
    key, salt = MASTER_128[:16], MASTER_128[16:]
    assert derive(key, salt, 0, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert derive(key, salt, 2, 14).hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert derive(key, salt, 1, 20).hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"
    key, salt = MASTER_256[:32], MASTER_256[32:]
    assert [
        derive(key, salt, label, size).hex()
        for label, size in zip(RTP_LABELS, (32, 20, 14), strict=True)
    ] == [
        "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
        "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        "fa31791685ca444a9e07c6c64e93",
    ]


@pytest.mark.parametrize(
    ("key", "sealed"),
    [
        (
            bytes(range(16)),  # RFC 7714 section 16.1.1
            "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
            "899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            bytes(range(32)),  # section 16.2.1
            "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
            "7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ],
)
def test_the_packets_of_rfc_7714_are_sealed_as_it_says(key: bytes, sealed: str) -> None:
    header = bytes.fromhex("8040f17b8041f8d35501a0b2")
    plain = header + b"Gallia est omnis divisa in partes tres"
    assert seal_rtp(key, b"Quid pro quo", plain, 0) == header + bytes.fromhex(sealed)


def test_every_suite_is_there() -> None:
    assert set(AVAILABLE_SUITES) == set(KEYS)


@pytest.mark.parametrize("suite", KEYS)
def test_what_a_stream_sends_is_what_the_rfcs_say_also_behind_a_wrap(suite: str) -> None:
    secure, plain = stream(65_534), stream(65_534)
    secure.secure(sender=SrtpSender(suite, KEYS[suite]), receiver=None)
    for each in (secure, plain):
        each.start(0.0)
        each.write(bytes(range(256)) * 20)
    for number in range(5):
        (packet, remote), (bare, _) = (
            each.datagrams_to_send(number / 50)[0] for each in (secure, plain)
        )
        assert remote == REMOTE
        assert packet == by_hand(suite).protect(bare, roc=0 if number < 2 else 1)


@pytest.mark.parametrize("suite", KEYS)
@pytest.mark.parametrize("mki", [b"", b"\1", b"\0\0\0\1"])
def test_a_stream_takes_what_the_rfcs_say_with_an_mki_or_without(suite: str, mki: bytes) -> None:
    receiver = SrtpReceiver(suite, KEYS[suite], mki)
    hand = by_hand(suite)
    packets = [
        hand.protect(rtp(65_535), 0, mki),
        hand.protect(rtp(0), 1, mki),
        hand.protect(rtp(1, options=True), 1, mki),
    ]
    target = received(receiver, *packets)
    assert outcome(target) == (3, 0, 0)
    heard = target.statistics()["octets_received"]
    assert heard == 160 * target.packets_received


@pytest.mark.parametrize("suite", KEYS)
def test_one_wrong_bit_anywhere_is_a_failure_and_nothing_is_heard(suite: str) -> None:
    packet = by_hand(suite).protect(rtp(7))
    wrong = [
        packet[:place] + bytes([packet[place] ^ 1 << bit]) + packet[place + 1 :]
        for place in range(len(packet))
        for bit in (0, 7)
    ]
    target = received(SrtpReceiver(suite, KEYS[suite]), *wrong)
    assert outcome(target) == (0, len(wrong), 0)
    assert not target.has_news


@pytest.mark.parametrize("suite", KEYS)
def test_cut_packets_and_plain_ones_are_failures(suite: str) -> None:
    packet = by_hand(suite).protect(rtp(7), mki=b"\1")
    cut = [packet[:size] for size in range(len(packet))]
    target = received(SrtpReceiver(suite, KEYS[suite], b"\1"), *cut, rtp(7), bytes(4000))
    assert outcome(target) == (0, len(cut) + 2, 0)


def test_stun_to_a_secure_stream_is_no_forgery() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    stun = bytes.fromhex("000100002112a442") + bytes(12)
    figures = received(SrtpReceiver(suite, KEYS[suite]), stun).statistics()
    assert (figures["bad_header"], figures["srtp_failures"]) == (1, 0)


def test_a_wrong_mki_is_a_failure() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    target = received(
        SrtpReceiver(suite, KEYS[suite], b"\1"), by_hand(suite).protect(rtp(7), mki=b"\2")
    )
    assert outcome(target) == (0, 1, 0)


def test_a_packet_that_comes_again_is_a_replay() -> None:
    suite = "AEAD_AES_128_GCM"
    packets = [by_hand(suite).protect(rtp(number)) for number in range(300)]
    target = received(SrtpReceiver(suite, KEYS[suite]), *packets, packets[299], packets[1])
    assert outcome(target) == (300, 0, 2)


def test_a_peer_with_ever_new_ssrcs_is_still_heard_and_known_by_the_last_ones() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    hand = by_hand(suite)
    packets = [hand.protect(rtp(1, ssrc)) for ssrc in range(1000)]
    target = received(SrtpReceiver(suite, KEYS[suite]), *packets, *packets[-8:])
    assert outcome(target) == (1000, 0, 8)


def test_a_direction_whose_object_stays_goes_on_where_it_was() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    receiver = SrtpReceiver(suite, KEYS[suite])
    packet = by_hand(suite).protect(rtp(1))
    target = received(receiver, packet)
    target.secure(sender=SrtpSender(suite, KEYS[suite]), receiver=receiver)
    target.receive_datagram(packet, REMOTE, 1.0)
    assert outcome(target) == (1, 0, 1)
    target.secure(sender=None, receiver=SrtpReceiver(suite, KEYS[suite]))
    target.receive_datagram(packet, REMOTE, 1.0)
    assert outcome(target) == (2, 0, 1)


@pytest.mark.parametrize("suite", KEYS)
@pytest.mark.parametrize("mki", [b"", b"\0\0\0\1"])
def test_rtcp_is_protected_and_taken_as_the_rfcs_say(suite: str, mki: bytes) -> None:
    hand = by_hand(suite)
    sender = SrtpSender(suite, KEYS[suite])
    assert [sender.protect_rtcp(RTCP), sender.protect_rtcp(RTCP)] == [
        hand.protect_rtcp(RTCP, 1),
        hand.protect_rtcp(RTCP, 2),
    ]
    receiver = SrtpReceiver(suite, KEYS[suite], mki)
    packet = hand.protect_rtcp(RTCP, 1, mki)
    assert receiver.unprotect_rtcp(packet) == RTCP
    with pytest.raises(RemoteProtocolError, match="replay"):
        receiver.unprotect_rtcp(packet)
    for size in range(len(packet)):
        with pytest.raises(RemoteProtocolError):
            receiver.unprotect_rtcp(packet[:size])


def test_rtcp_of_ever_new_ssrcs_keeps_only_the_last() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    receiver = SrtpReceiver(suite, KEYS[suite])
    packets = [
        by_hand(suite).protect_rtcp(RTCP[:4] + ssrc.to_bytes(4, "big") + RTCP[8:], 1)
        for ssrc in range(100)
    ]
    for packet in packets:
        receiver.unprotect_rtcp(packet)
    for packet in packets[-RTCP_SOURCES:]:
        with pytest.raises(RemoteProtocolError, match="replay"):
            receiver.unprotect_rtcp(packet)
    receiver.unprotect_rtcp(packets[0])


@pytest.mark.parametrize(
    ("suite", "key"), [("NULL", bytes(30)), ("AEAD_AES_128_GCM", bytes(30)), ("F8", b"")]
)
def test_a_suite_we_do_not_have_and_a_key_of_the_wrong_length_are_refused(
    suite: str, key: bytes
) -> None:
    with pytest.raises(LocalProtocolError):
        SrtpSender(suite, key)
    with pytest.raises(LocalProtocolError):
        SrtpReceiver(suite, key)


def test_no_key_is_in_a_text() -> None:
    suite = "AES_CM_128_HMAC_SHA1_80"
    shown = repr(SrtpSender(suite, KEYS[suite])) + repr(SrtpReceiver(suite, KEYS[suite]))
    assert KEYS[suite].hex() not in shown
    assert repr(KEYS[suite]) not in shown
