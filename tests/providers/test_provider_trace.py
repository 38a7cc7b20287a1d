"""Ladders of what providers and we said: complete, bounded, and fit to be shown."""

from __future__ import annotations

import json

import pytest

from rapida_media.providers import trace as module
from rapida_media.providers.http import HttpReply, HttpRequest, Reply, WebhookRequest
from rapida_media.providers.trace import ProviderTraces, redact

FORM = {"content-type": "application/x-www-form-urlencoded", "x-twilio-signature": "c2lnbmF0dXJl"}


def test_a_ladder_shows_who_said_what_when() -> None:
    traces = ProviderTraces()
    trace = traces.open("c1", "twilio")
    webhook = WebhookRequest(
        "POST", "https://voice.example.com/v1/talk/twilio/call/support?x=1&context=ab-12", FORM,
        b"CallStatus=ringing&From=%2B15550100&Digits=1234&AuthToken=abc",
    )  # fmt: skip
    trace.add(webhook, 10.0, sent=False)
    trace.add(Reply.xml("<Response/>"), 10.002, sent=True)
    start = {"event": "start", "start": {"callSid": "CA1", "customParameters": {"to": "+15550100"}}}
    trace.add(json.dumps(start), 10.5, sent=False)
    trace.add('{"event":"dtmf","dtmf":{"digit":"7"}}', 11.0, sent=False)
    order = HttpRequest(
        "POST", "https://user:pw@api.example.com/Calls.json", FORM,
        b"Url=https://voice.example.com/v1/talk/twilio/ctx/uNgUeSsAbLe/answer&To=%2B15550100",
    )  # fmt: skip
    trace.add(order, 12.0, sent=True)
    reply = HttpReply(201, {}, b'{"sid": "CA2", "status": "queued", "subresource": {"a": 1}}')
    trace.add(reply, 12.1, sent=False)
    assert traces.drawn("c1").split("\n") == [
        "             us                                                  twilio",
        "       0.0 ms |<-- POST /v1/talk/twilio/call/support ------------------|",
        "               CallStatus: ringing",
        "               From: +1…00",
        "               Digits: …",
        "               AuthToken: …",
        "               x: 1",
        "               context: …",
        "       2.0 ms |-- 200 text/xml (11 bytes) ---------------------------->|",
        "     500.0 ms |<-- stream: start --------------------------------------|",
        "               event: start",
        "               start.callSid: CA1",
        "               start.customParameters.to: +1…00",
        "    1000.0 ms |<-- stream: dtmf ---------------------------------------|",
        "               event: dtmf",
        "               dtmf.digit: …",
        "    2000.0 ms |-- POST /Calls.json ----------------------------------->|",
        "               Url: https://voice.example.com/v1/talk/twilio/ctx/…/answer",
        "               To: +1…00",
        "    2100.0 ms |<-- 201 ------------------------------------------------|",
        "               sid: CA2",
        "               status: queued",
        "               subresource.a: 1",
    ]
    assert traces.drawn("c2") == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("wss://a:b@host/v1/talk/x/ctx/abc-_9?k=1", "wss://…@host/v1/talk/x/ctx/…?k=1"),
        ("Bearer abc.def and Basic Zm9v", "… and …"),
        ("eyJhbGciOi.eyJpc3MiOi.c2ln and more", "… and more"),
        ("called +15550100", "called +1…00"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_and_numbers_are_hidden(said: str, shown: str) -> None:
    assert redact(said) == shown


@pytest.mark.parametrize("said", ["", "no JSON", "[1]", "{}", "[" * 100_000, '{"event": 3}'])
def test_whatever_a_stream_says_can_be_drawn(said: str) -> None:
    traces = ProviderTraces()
    traces.open("c1", "acme").add(said, 1.0, sent=False)
    assert "<-- stream: " in traces.drawn("c1")


def test_of_one_call_the_latest_messages_are_kept() -> None:
    traces = ProviderTraces()
    trace = traces.open("c1", "acme")
    for number in range(module.CALL_MESSAGES + 20):
        trace.add(json.dumps({"event": f"n{number}"}), float(number), sent=True)
    assert len(trace.messages) < module.CALL_MESSAGES + 1
    assert traces.drawn("c1").startswith(f"({trace.dropped} earlier messages were not kept)\n")
    assert "stream: n119 " in traces.drawn("c1")
    trace.add("x" * 200_000, 500.0, sent=True)
    assert len(trace.messages) == 1


def test_the_oldest_calls_make_room_and_are_closed() -> None:
    traces = ProviderTraces(limit_bytes=10_000)
    old = traces.open("old", "acme")
    old.add("x" * 1000, 1.0, sent=True)
    for number in range(4):
        traces.open(f"c{number}", "acme").add("x" * 1000, 2.0, sent=True)
        assert traces.bytes <= 10_000
    assert traces.drawn("old") == ""
    assert traces.drawn("c3")
    before = traces.bytes
    old.add("more", 3.0, sent=True)
    assert (traces.bytes, len(old.messages)) == (before, 0)
