"""``a=crypto`` lines: RFC 4568's own examples first, then what must not be followed."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.sdp.crypto import SUITES, Crypto, parse_crypto

KEY = b64encode(bytes(range(30))).decode()
LINE = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"


def test_the_example_of_rfc_4568_section_9_is_read_with_its_mki() -> None:
    crypto = parse_crypto(
        "1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:4"
    )
    assert crypto == Crypto(
        1, "AES_CM_128_HMAC_SHA1_80", b"=-n@%^x!Bjufr9)?,#5h\\`=&]{qiPQ", b"\0\0\0\1"
    )


@pytest.mark.parametrize("suite", SUITES)
def test_a_line_of_every_suite_is_written_and_read(suite: str) -> None:
    crypto = Crypto(7, suite, bytes(range(SUITES[suite])))
    name, value = crypto.attribute()
    assert name == "crypto"
    assert value is not None
    assert parse_crypto(value) == crypto


@pytest.mark.parametrize(
    "options",
    ["", "|2^31", "|2^48", "|1", "|281474976710656", "|1:1", "|2^20|255:1", "|1066:4"],
)
def test_lifetimes_and_mkis_are_understood(options: str) -> None:
    crypto = parse_crypto(LINE + options)
    assert crypto is not None
    mki = options.rpartition("|")[2]
    number, _, length = mki.partition(":")
    assert crypto.mki == (int(number).to_bytes(int(length), "big") if length else b"")


@pytest.mark.parametrize(
    "options",
    [
        "|0", "|2^49", "|2^", "|-1", "|x", "|", "|2^20|2^20", "|1:0", "|256:1", "|1:129",
        "|2^20|1:4|1", "|1:4|2^20", f";inline:{KEY}|1:4", "|+5",
    ],
)  # fmt: skip
def test_what_is_no_lifetime_and_no_mki_makes_the_line_invalid(options: str) -> None:
    assert parse_crypto(LINE + options) is None


@pytest.mark.parametrize(
    "parameter",
    [
        "UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "KDR=1",
        "FEC_ORDER=FEC_SRTP", "WSH=63", "WSH=", "WSH=x", "NEWS", "WSH=128 UNENCRYPTED_SRTP",
    ],
)  # fmt: skip
def test_session_parameters_that_change_the_wire_are_refused(parameter: str) -> None:
    assert parse_crypto(f"{LINE} {parameter}") is None


def test_a_window_size_and_what_may_be_ignored_are_taken() -> None:
    crypto = parse_crypto(f"{LINE} WSH=1024 -EXTRA=1")
    assert crypto is not None
    assert crypto.window == 1024


@pytest.mark.parametrize(
    "line",
    [
        "", "1", "1 AES_CM_128_HMAC_SHA1_80", f"0 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"01 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY}",
        f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY}", f"1 F8_128_HMAC_SHA1_80 inline:{KEY}",
        f"1 AES_CM_128_HMAC_SHA1_80 outline:{KEY}", "1 AES_CM_128_HMAC_SHA1_80 inline:",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY[:-4]}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}AAAA",
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + "*" * 40, f"1 AEAD_AES_256_GCM inline:{KEY}",
        "1 AES_CM_128_HMAC_SHA1_80 inline:" + "\u00e9" * 40,
    ],
)  # fmt: skip
def test_lines_that_name_no_usable_key_are_not_followed(line: str) -> None:
    assert parse_crypto(line) is None


@given(st.text(max_size=200))
def test_no_text_raises(text: str) -> None:
    assert parse_crypto(text) is None or text
    parse_crypto(f"1 AES_CM_128_HMAC_SHA1_80 inline:{text}")
    parse_crypto(f"{LINE}|{text}")
    parse_crypto(f"{LINE} {text}")


def test_keys_are_in_no_repr() -> None:
    crypto = parse_crypto(LINE)
    assert crypto is not None
    assert repr(crypto.key) not in repr(crypto)
