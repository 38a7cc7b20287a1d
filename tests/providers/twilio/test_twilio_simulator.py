"""The simulated Twilio behaves as the real one; Twilio's own library judges where it can."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from providers.webhook_server import webhook_at
from recorded_twilio import ACCOUNT, CALL, RINGING, STREAM, TOKEN, signed
from twilio.base.exceptions import TwilioRestException
from twilio.request_validator import RequestValidator
from twilio.rest import Client
from twilio.twiml.voice_response import Connect, VoiceResponse

from rapida_media.testing.twilio import Callee, Cleared, StreamLine, TwilioPlatform
from rapida_media.testing.twilio.documents import TwimlError, Verb, read_twiml


@pytest.fixture
async def platform() -> AsyncIterator[TwilioPlatform]:
    async with TwilioPlatform(ACCOUNT, TOKEN) as made:
        yield made


def client_of(platform: TwilioPlatform, token: str = TOKEN) -> Client:
    client = Client(ACCOUNT, token)
    client.api.base_url = platform.api_base
    return client


# -- signatures ------------------------------------------------------------------------------------


async def test_twilios_library_accepts_what_it_signs(platform: TwilioPlatform) -> None:
    validator = RequestValidator(TOKEN)
    seen: list[bool] = []

    async def webhook(request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        seen.append(
            validator.validate(str(request.url), form, request.headers["X-Twilio-Signature"])
        )
        return web.Response(text="<Response><Reject/></Response>", content_type="text/xml")

    async with webhook_at(webhook) as url:
        escaped, got = f"{url}?a=b%20c", platform.call(url, method="GET")
        for call in (platform.call(url), platform.call(escaped), got):
            assert (await call.over()).state == "failed"
    assert seen == [True, True, True]
    upgrade = platform.signature("wss://a.example/m/42", {})
    assert validator.validate("wss://a.example/m/42", {}, upgrade)
    request = signed("https://a.example/x", RINGING)
    assert platform.signature(request.url, RINGING) == request.headers["x-twilio-signature"]


# -- REST ------------------------------------------------------------------------------------------


async def test_twilios_library_drives_its_rest_api(platform: TwilioPlatform) -> None:
    platform.callee = Callee(ring_s=60.0)
    calls = client_of(platform).calls
    document = "<Response><Hangup/></Response>"
    made = await asyncio.to_thread(
        calls.create, to="+14155550100", from_="+15005550006", twiml=document
    )
    assert (made.status, made.direction, made.to) == ("queued", "outbound-api", "+14155550100")
    sid = made.sid or ""
    assert (await asyncio.to_thread(calls(sid).fetch)).sid == sid
    await asyncio.to_thread(calls(sid).update, status="canceled")
    assert (await platform.calls[sid].over()).state == "canceled"
    assert (await asyncio.to_thread(calls(sid).fetch)).status == "canceled"


@pytest.mark.parametrize(
    ("order", "status", "code"),
    [
        ({"to": "nonsense", "from_": "+15005550006", "twiml": "<Response/>"}, 400, 21211),
        ({"to": "", "from_": "+15005550006", "twiml": "<Response/>"}, 400, 21201),
        ({"to": "+14155550100", "from_": "", "twiml": "<Response/>"}, 400, 21213),
        ({"to": "+14155550100", "from_": "+15005550006"}, 400, 21205),
        ({"to": "+14155550100", "from_": "+15005550006", "twiml": "<R/>"}, 400, 12100),
    ],
)
async def test_twilios_library_understands_its_refusals(
    platform: TwilioPlatform, order: dict[str, str], status: int, code: int
) -> None:
    with pytest.raises(TwilioRestException) as refused:
        await asyncio.to_thread(client_of(platform).calls.create, **order)
    assert (refused.value.status, refused.value.code) == (status, code)


async def test_strangers_and_unknown_calls_are_refused(platform: TwilioPlatform) -> None:
    for client, code in ((client_of(platform, "wrong"), 20003), (client_of(platform), 20404)):
        with pytest.raises(TwilioRestException) as refused:
            await asyncio.to_thread(client.calls(CALL).update, status="completed")
        assert refused.value.code == code


# -- TwiML -----------------------------------------------------------------------------------------


def test_what_twilios_library_writes_is_read() -> None:
    response, connect = VoiceResponse(), Connect()
    stream = connect.stream(url="wss://a.example/m/42?dropped=1", name="n")
    stream.parameter(name="contextId", value='4 & "2"')
    response.append(connect)
    response.dial("+15550123")
    first, second = read_twiml(str(response))
    assert first.stream is not None
    assert (first.stream.url, first.stream.name) == ("wss://a.example/m/42", "n")
    assert first.stream.parameters == {"contextId": '4 & "2"'}
    assert second == Verb("Dial", {}, "+15550123")


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("<Response>", 12100), ("<Answer/>", 12100), ("<Response><Sing/></Response>", 12100),
        ("<Response><Connect/></Response>", 12100),
        ('<Response><Connect><Stream url="wss://a" statusCallbackEvent="x"/></Connect></Response>',
         12100),
        ('<Response><Connect><Stream url="https://a.example"/></Connect></Response>', 31922),
        ('<Response><Connect><Stream url="ws://a.example"/></Connect></Response>', 31922),
    ],
)  # fmt: skip
def test_what_is_no_twiml_has_twilios_code(document: str, code: int) -> None:
    with pytest.raises(TwimlError) as wrong:
        read_twiml(document)
    assert wrong.value.code == code


# -- the stream ------------------------------------------------------------------------------------


def line(ppm: float = 0.0) -> StreamLine:
    made = StreamLine(ACCOUNT, CALL, STREAM, {"contextId": "42"}, ppm=ppm)
    made.begin(100.0)
    return made


def said(event: str, **members: object) -> str:
    return json.dumps({"event": event, "streamSid": STREAM, **members})


def audio(octets: int, value: bytes = b"\x10") -> str:
    return said("media", media={"payload": base64.b64encode(value * octets).decode()})


def names(messages: list[str]) -> list[str]:
    return [each["mark"]["name"] for each in map(json.loads, messages) if each["event"] == "mark"]


def test_marks_come_back_when_what_is_before_them_was_played() -> None:
    stream = line()
    assert names(stream.receive(said("mark", mark={"name": "at once"}), 100.0)) == ["at once"]
    stream.receive(audio(800), 100.0)
    stream.receive(said("mark", mark={"name": "a"}), 100.0)
    stream.receive(audio(80), 100.0)
    stream.receive(said("mark", mark={"name": "b"}), 100.0)
    assert names(stream.tick(100.099)) == []
    assert names(stream.tick(100.101)) == ["a"]
    assert names(stream.tick(100.111)) == ["b"]
    assert bytes(stream.heard[:880]) == b"\x10" * 880


def test_a_clear_empties_the_queue_and_gives_all_marks_back() -> None:
    stream = line()
    stream.receive(audio(8000), 100.0)
    for name in "ab":
        stream.receive(said("mark", mark={"name": name}), 100.0)
    assert names(stream.receive(said("clear"), 100.25)) == ["a", "b"]
    assert stream.cleared == [Cleared(0.25, 250.0, 750.0, ("a", "b"))]
    stream.tick(100.5)
    assert stream.heard == b"\x10" * 2000 + b"\xff" * 2000


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "[]", said("dance"), said("clear", more=1), said("media"),
        said("media", media={"payload": "!"}), said("media", media={"payload": 7}),
        said("media", media={"payload": "", "track": "inbound"}), said("mark", mark={}),
        '{"event":"clear","stream_sid":"x"}', '{"event":"clear","streamSid":"MZ2"}',
    ],
)  # fmt: skip
def test_what_twilio_does_not_take_is_a_warning(message: str) -> None:
    stream = line()
    assert stream.receive(message, 100.0) == []
    assert stream.warnings == {31951: 1}
    assert stream.receive(message.encode(), 100.0) == []
    assert stream.warnings == {31951: 1, 31950: 1}


def test_a_caller_is_sent_in_real_time_and_in_order() -> None:
    stream = line()
    stream.microphone += bytes(range(200))
    messages = [json.loads(each) for each in stream.tick(100.07)]
    assert [each["sequenceNumber"] for each in messages] == ["2", "3", "4"]
    assert [each["media"]["chunk"] for each in messages] == ["1", "2", "3"]
    assert [each["media"]["timestamp"] for each in messages] == ["5", "25", "45"]
    assert stream.said == bytes(range(200)) + b"\xff" * 280
    assert stream.next_tick() == pytest.approx(100.08)
