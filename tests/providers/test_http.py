"""Requests as data: what a provider said is found wherever it stood."""

from __future__ import annotations

import pytest

from rapida_media.providers.http import HttpReply, Reply, WebhookRequest

URL = "https://voice.example.com/v1/talk/x/call/support"


def form(content_type: str, body: bytes, url: str = URL) -> WebhookRequest:
    return WebhookRequest("POST", url, {"content-type": content_type}, body)


def test_a_query_is_read_in_order_and_decoded() -> None:
    request = WebhookRequest("GET", URL + "?To=%2B15550100&a=1&a=2&empty=")
    assert request.query == (("To", "+15550100"), ("a", "1"), ("a", "2"), ("empty", ""))
    assert request.fields() == {"To": "+15550100", "a": "1", "empty": ""}


def test_a_form_goes_before_the_query() -> None:
    request = form("application/x-www-form-urlencoded; charset=utf-8", b"To=b&x=1", URL + "?To=q")
    assert request.form == (("To", "b"), ("x", "1"))
    assert request.fields() == {"To": "b", "x": "1"}


def test_a_multipart_form_is_read() -> None:
    body = (
        b'--b1\r\nContent-Disposition: form-data; name="CallSid"\r\n\r\ncall-1\r\n'
        b'--b1\r\nContent-Disposition: form-data; name="Status"\r\n\r\nbusy\r\n--b1--\r\n'
    )
    request = form('multipart/form-data; boundary="b1"', body)
    assert request.fields() == {"CallSid": "call-1", "Status": "busy"}


def test_a_json_object_gives_its_scalars() -> None:
    request = form("application/json", b'{"uuid":"u","n":7,"yes":true,"deep":{"a":1},"no":null}')
    assert request.fields() == {"uuid": "u", "n": "7", "yes": "true"}


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/json", b"{"),
        ("application/json", b"[" * 100_000),
        ("application/json", b"\xff\xfe"),
        ("application/json", b"[1,2]"),
        ("multipart/form-data", b"--b1\r\n"),
        ("multipart/form-data; boundary=b", b"\x00\xff" * 50),
        ("multipart/form-data; boundary=b", b"--b\r\ncontent-disposition: form-data\r\n\r\nx"),
        ("text/plain", b"To=b"),
        ("", b"To=b"),
    ],
)
def test_a_body_that_cannot_be_read_says_nothing(content_type: str, body: bytes) -> None:
    assert form(content_type, body).fields() == {}


def test_a_form_that_is_no_utf_8_is_read_as_far_as_it_goes() -> None:
    assert form("application/x-www-form-urlencoded", b"a=\xff").fields() == {"a": "\ufffd"}


def test_replies_have_their_media_type() -> None:
    assert Reply.json([1]).body == b"[1]"
    assert Reply.xml("<Response/>").content_type == "text/xml"
    assert HttpReply(200, body=b"{}").json == {}
    assert HttpReply(200, body=b"<html>").json is None
