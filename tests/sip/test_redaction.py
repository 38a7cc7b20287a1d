"""No secret and no phone number is left in what people may read of a message."""

import pytest

from rapida_media.sip.redaction import redact_line, redact_message


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            'Authorization: Digest username="bob", nonce="1", response="6629fae4"',
            "Authorization: Digest …",
        ),
        ('proxy-authorization :  Digest response="6629"', "proxy-authorization :  Digest …"),
        (
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3",
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 …",
        ),
        ("k=clear:secret", "k= …"),
        ("To: <sip:bob:hunter2@example.com>", "To: <sip:bob:…@example.com>"),
        ("From: +15550100123 <sip:+15550100123@a.example>", "From: +1…23 <sip:+1…23@a.example>"),
        ("Refer-To: <tel:+1-555-010-0123>", "Refer-To: <tel:+1…23>"),
        ("INVITE sip:00495550100@host SIP/2.0", "INVITE sip:00…00@host SIP/2.0"),
        ("Call-ID: 15550100123@host", "Call-ID: 15…23@host"),
        # What is no phone number stays, or nobody could read on.
        ("CSeq: 1234567890 INVITE", "CSeq: 1234567890 INVITE"),
        ("Via: SIP/2.0/UDP a;branch=z9hG4bK1234567", "Via: SIP/2.0/UDP a;branch=z9hG4bK1234567"),
        ("To: <sip:alice@example.com>", "To: <sip:alice@example.com>"),
    ],
)  # fmt: skip
def test_a_line_is_fit_to_be_read(line, shown):
    assert redact_line(line) == shown


def test_a_secret_cannot_hide_in_a_folded_line():
    text = redact_message(
        b"REGISTER sip:h SIP/2.0\r\nAuthorization: Digest\r\n username=bob,\r\n\tresponse=62a3\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    assert text.split("\n") == [
        "REGISTER sip:h SIP/2.0",
        "Authorization: Digest …",
        "Content-Length: 0",
    ]


@pytest.mark.parametrize(
    "kind", ["Content-Type: application/dtmf-relay\r\n", "c: text/plain\r\n", ""]
)
def test_keys_and_texts_are_shown_by_their_length_only(kind):
    text = redact_message(f"INFO sip:h SIP/2.0\r\n{kind}\r\nSignal=7\r\n".encode())
    assert "Signal" not in text
    assert text.endswith("(10 bytes)")


def test_sdp_is_shown_without_its_keys():
    text = redact_message(
        b"INVITE sip:h SIP/2.0\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
        b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0Rm\r\na=sendrecv\r\n"
    )
    assert text.split("\n")[2:] == [
        "",
        "v=0",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 …",
        "a=sendrecv",
    ]
