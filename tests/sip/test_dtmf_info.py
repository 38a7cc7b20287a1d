"""Key presses in INFO bodies, as gateways write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError
from rapida_media.sip.dtmf_info import (
    KEYS,
    LONGEST_MS,
    PLAIN,
    RELAY,
    KeyPress,
    format_key_press,
    parse_key_press,
)


@pytest.mark.parametrize(
    ("content_type", "body", "press"),
    [
        (RELAY, b"Signal=5\r\nDuration=160\r\n", KeyPress("5", 160)),
        (RELAY, b"Signal= 5\r\nDuration= 160\r\n", KeyPress("5", 160)),
        (RELAY, b"signal=#\nduration=250", KeyPress("#", 250)),
        (RELAY, b"Duration=70\r\nSignal=*", KeyPress("*", 70)),
        (RELAY, b"Signal=d", KeyPress("D", 100)),
        (RELAY, b"Signal=10\r\nDuration=x", KeyPress("*", 100)),
        (RELAY, b"Signal=11\r\n", KeyPress("#", 100)),
        (RELAY, b"Signal=16\r\n", KeyPress("flash", 100)),
        (RELAY, b"Signal=!\r\n", KeyPress("flash", 100)),
        (RELAY, b"Signal=1\r\nDuration=999999999\r\n", KeyPress("1", LONGEST_MS)),
        (PLAIN, b"7", KeyPress("7", 100)),
        (PLAIN, b" 7\r\n", KeyPress("7", 100)),
        (PLAIN, b"10", KeyPress("*", 100)),
        (PLAIN, b"Signal=7\r\nDuration=80", KeyPress("7", 80)),
        (RELAY, b"7", None),
        (RELAY, b"Signal=17", None),
        (RELAY, b"Signal=", None),
        (PLAIN, b"12345", None),
        (PLAIN, b"", None),
        ("", b"", None),
    ],
)
def test_a_body_names_a_key(content_type: str, body: bytes, press: KeyPress | None) -> None:
    assert parse_key_press(content_type, body) == press


@given(st.sampled_from(sorted(KEYS)), st.integers(0, LONGEST_MS))
def test_what_is_written_reads_back(key: str, duration_ms: int) -> None:
    assert parse_key_press(RELAY, format_key_press(key, duration_ms)) == (key, duration_ms)


@given(st.sampled_from([RELAY, PLAIN]), st.binary(max_size=100))
def test_no_body_is_an_error(content_type: str, body: bytes) -> None:
    press = parse_key_press(content_type, body)
    assert press is None or press.duration_ms <= LONGEST_MS


def test_what_is_no_key_is_not_written() -> None:
    with pytest.raises(LocalProtocolError):
        format_key_press("E")
