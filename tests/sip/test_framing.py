"""Messages out of a stream: cut anywhere, kept alive, lost for good."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.errors import RemoteProtocolError
from rapida_media.sip.framing import StreamFramer
from rapida_media.sip.message import Limits, Request, parse_message

OPTIONS = b"OPTIONS sip:a@b SIP/2.0\r\nCall-ID: 1\r\nContent-Length: 0\r\n\r\n"
MESSAGE = b"MESSAGE sip:a@b SIP/2.0\r\nl :\r\n 0012 \r\nCall-ID: 2\r\n\r\nhello\r\n\r\nyou"


def drain(framer: StreamFramer) -> list[bytes]:
    messages = []
    while (message := framer.next_message()) is not None:
        messages.append(message)
    return messages


def test_a_stream_split_at_every_byte_gives_the_same_messages() -> None:
    stream = OPTIONS + b"\r\n\r\n" + MESSAGE + OPTIONS + b"\r\n" + MESSAGE
    expected = [OPTIONS, MESSAGE, OPTIONS, MESSAGE]
    for cut in range(len(stream) + 1):
        framer = StreamFramer()
        framer.feed(stream[:cut])
        messages = drain(framer)
        framer.feed(stream[cut:])
        assert messages + drain(framer) == expected
        assert framer.pings == 1
        assert framer.pending_bytes == 0


def test_a_stream_fed_byte_by_byte_gives_the_same_messages() -> None:
    framer = StreamFramer()
    messages = []
    for octet in OPTIONS + MESSAGE + b"\r\n\r\n\r\n\r\n" + OPTIONS:
        framer.feed(bytes([octet]))
        messages += drain(framer)
    assert messages == [OPTIONS, MESSAGE, OPTIONS]
    assert framer.pings == 2


@given(st.lists(st.sampled_from([OPTIONS, MESSAGE]), max_size=6), st.data())
def test_any_cuts_give_the_same_messages(sent: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    framer = StreamFramer()
    messages = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        framer.feed(stream[start:end])
        messages += drain(framer)
    assert messages == sent


def test_a_single_crlf_is_a_pong_and_no_ping() -> None:
    framer = StreamFramer()
    framer.feed(b"\r\n" + OPTIONS + b"\r\n" + OPTIONS)
    assert drain(framer) == [OPTIONS, OPTIONS]
    assert framer.pings == 0


def test_an_unfinished_message_is_pending() -> None:
    framer = StreamFramer()
    framer.feed(MESSAGE[:-1])
    assert framer.next_message() is None
    assert framer.pending_bytes == len(MESSAGE) - 1


@pytest.mark.parametrize(
    "line",
    [
        b"Content-Length: -999\r\n",
        b"Content-Length: five\r\n",
        b"Content-Length:\r\n",
        b"Content-Length: 1\r\nl: 1\r\n",
        b"Content-Length: 99999\r\n",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
    ],
)
def test_a_message_of_unknown_length_can_be_answered_and_ends_the_stream(line: bytes) -> None:
    framer = StreamFramer()
    framer.feed(b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP h\r\n" + line + b"\r\n" + OPTIONS)
    head = framer.next_message()
    assert head is not None
    message = parse_message(head)
    assert isinstance(message, Request)
    with pytest.raises(RemoteProtocolError):
        message.validate()
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            framer.next_message()
    framer.feed(OPTIONS)
    assert framer.pending_bytes == 0


def test_a_stream_without_content_length_is_lost() -> None:
    framer = StreamFramer()
    framer.feed(b"OPTIONS sip:a@b SIP/2.0\r\nX-Content-Length: 0\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match="missing Content-Length") as fault:
        framer.next_message()
    assert fault.value.status == 400


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_an_endless_header_section_is_refused(end: bytes) -> None:
    framer = StreamFramer(Limits(header_bytes=1000))
    framer.feed(b"A: " + b"x" * 1000 + end)
    with pytest.raises(RemoteProtocolError) as fault:
        framer.next_message()
    assert fault.value.status == 513


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([OPTIONS, b"\r\n"])), max_size=6))
def test_random_bytes_raise_nothing_but_remote_protocol_errors(chunks: list[bytes]) -> None:
    framer = StreamFramer(Limits(header_bytes=100, message_bytes=200))
    with contextlib.suppress(RemoteProtocolError):
        for chunk in chunks:
            framer.feed(chunk)
            drain(framer)
