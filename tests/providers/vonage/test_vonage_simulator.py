"""The simulated Vonage behaves as the real one; Vonage's own library judges where it can."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from engine.waiting import eventually
from providers.webhook_server import webhook_at
from recorded_vonage import APPLICATION, CALL, PRIVATE_KEY, PUBLIC_KEY, SECRET
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from vonage import Auth, Vonage
from vonage_http_client.errors import AuthenticationError, HttpRequestError, NotFoundError
from vonage_voice.models import Connect, CreateCallRequest, Talk, ToPhone
from vonage_voice.models.common import Phone
from vonage_voice.models.connect_endpoints import PhoneEndpoint, WebsocketEndpoint

from rapida_media.testing.line import Cleared
from rapida_media.testing.platform import Callee
from rapida_media.testing.vonage import VonageLine, VonagePlatform
from rapida_media.testing.vonage.documents import NccoError, read_ncco
from rapida_media.testing.vonage.line import FRAME_SIZE, QUEUE_FULL, UNKNOWN_TEXT


@pytest.fixture
async def platform() -> AsyncIterator[VonagePlatform]:
    async with VonagePlatform(APPLICATION, PUBLIC_KEY, SECRET) as made:
        yield made


class Here(HTTPAdapter):
    """The library knows https only; the simulator is on this machine, without."""

    def send(self, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
        assert request.url is not None
        request.url = request.url.replace("https://", "http://")
        return super().send(request, *arguments, **options)


def client_of(platform: VonagePlatform, application: str = APPLICATION) -> Any:
    """The voice part of Vonage's library."""
    made = Vonage(Auth(application_id=application, private_key=PRIVATE_KEY))
    client = made.voice.http_client
    client._api_host = platform.api_base.removeprefix("http://")
    client._session.mount("https://", Here())
    return made.voice


def order(**other: Any) -> CreateCallRequest:
    said = {
        "to": [ToPhone(number="14155550100")], "from_": Phone(number="15005550006"),
        "ncco": [Talk(text="Hello.")], **other,
    }  # fmt: skip
    return CreateCallRequest(**said)


# -- tokens ----------------------------------------------------------------------------------------


async def test_vonages_library_verifies_what_it_signs(platform: VonagePlatform) -> None:
    voice, seen = client_of(platform), []

    async def webhook(request: web.Request) -> web.Response:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        seen.append((request.method, voice.verify_signature(token, SECRET)))
        assert not voice.verify_signature(token, f"{SECRET}x")
        return web.json_response([])

    async with webhook_at(webhook) as url:
        for call in (platform.call(url), platform.call(f"{url}?a=b%20c", method="POST")):
            assert (await call.over()).errors == []
    assert seen == [("GET", True), ("POST", True)]


# -- REST ------------------------------------------------------------------------------------------


async def test_vonages_library_drives_its_rest_api(platform: VonagePlatform) -> None:
    platform.callee = Callee(ring_s=60.0)
    voice = client_of(platform)
    made = await asyncio.to_thread(voice.create_call, order())
    assert (made.status, made.direction) == ("started", "outbound")
    call = platform.calls[made.uuid]
    assert made.conversation_uuid == call.conversation
    fetched = await asyncio.to_thread(voice.get_call, made.uuid)
    assert (fetched.uuid, fetched.to.number, fetched.status) == (
        made.uuid, "14155550100", "ringing",
    )  # fmt: skip
    await asyncio.to_thread(voice.hangup, made.uuid)
    assert (await call.over()).state == "cancelled"
    with pytest.raises(HttpRequestError) as gone:
        await asyncio.to_thread(voice.hangup, made.uuid)
    assert gone.value.response.status_code == 400


async def test_vonages_library_transfers_a_call(platform: VonagePlatform) -> None:
    voice = client_of(platform)
    first = Connect(from_="15005550006", endpoint=[PhoneEndpoint(number="15550111")])
    made = await asyncio.to_thread(voice.create_call, order(ncco=[first]))
    call = platform.calls[made.uuid]
    await eventually(lambda: call.connected_to == "15550111")
    then = Connect(from_="15005550006", endpoint=[PhoneEndpoint(number="15550122")])
    await asyncio.to_thread(voice.transfer_call_ncco, made.uuid, [then])
    await eventually(lambda: call.connected_to == "15550122")
    await asyncio.to_thread(voice.hangup, made.uuid)
    assert (await call.over()).state == "completed"


async def test_vonages_library_understands_its_refusals(platform: VonagePlatform) -> None:
    stranger = client_of(platform, "another-application")
    with pytest.raises(AuthenticationError):
        await asyncio.to_thread(stranger.create_call, order())
    voice = client_of(platform)
    with pytest.raises(NotFoundError):
        await asyncio.to_thread(voice.hangup, CALL)
    bad = WebsocketEndpoint(uri="https://a.example", contentType="audio/l16;rate=16000")
    document = [Connect(from_="15005550006", endpoint=[bad])]
    with pytest.raises(HttpRequestError) as refused:
        await asyncio.to_thread(voice.create_call, order(ncco=document))
    assert refused.value.response.status_code == 400
    assert refused.value.response.json()["invalid_parameters"][0]["name"] == "ncco"
    assert platform.calls == {}


async def test_a_token_of_the_application_is_good_once(platform: VonagePlatform) -> None:
    voice = client_of(platform)
    shown = {"Authorization": voice.http_client.auth.create_jwt_auth_string().decode()}
    url = f"{platform.api_base}/v1/calls/{CALL}"
    answers = []
    for headers in (shown, shown, {}, {"Authorization": "Bearer x"}):
        async with platform.client.get(url, headers=headers) as reply:
            answers.append(reply.status)
    assert answers == [404, 401, 401, 401]


ORDER: dict[str, Any] = {
    "to": [{"type": "phone", "number": "14155550100"}],
    "from": {"type": "phone", "number": "15005550006"}, "ncco": [{"action": "talk", "text": "Hi."}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"colour": "red"}, "colour"), ({"to": []}, "to"), ({"to": "14155550100"}, "to"),
        ({"to": [{"type": "phone", "number": "+14155550100"}]}, "to"),
        ({"from": {"type": "phone", "number": "+15005550006"}}, "from"),
        ({"random_from_number": True}, "from"), ({"answer_url": ["https://a.example"]}, "ncco"),
        ({"event_url": "https://a.example"}, "event_url"), ({"ncco": [{"action": "sing"}]}, "ncco"),
        ({"ringing_timer": 121}, "ringing_timer"),
    ],
)  # fmt: skip
async def test_a_bad_order_names_the_member(
    platform: VonagePlatform, change: dict[str, Any], name: str
) -> None:
    shown = Auth(application_id=APPLICATION, private_key=PRIVATE_KEY).create_jwt_auth_string()
    url, headers = f"{platform.api_base}/v1/calls", {"Authorization": shown.decode()}
    async with platform.client.post(url, json={**ORDER, **change}, headers=headers) as reply:
        assert reply.status == 400
        assert [each["name"] for each in (await reply.json())["invalid_parameters"]] == [name]
    assert platform.calls == {}


# -- NCCO ------------------------------------------------------------------------------------------


def websocket(**other: Any) -> dict[str, Any]:
    return {
        "type": "websocket", "uri": "wss://a.example/m", "content-type": "audio/l16;rate=16000",
        **other,
    }  # fmt: skip


def connect(endpoint: dict[str, Any], **other: Any) -> str:
    return json.dumps([{"action": "connect", "endpoint": [endpoint], **other}])


def test_what_vonages_library_writes_is_read() -> None:
    endpoint = WebsocketEndpoint(
        uri="wss://a.example/m", contentType="audio/l16;rate=8000", headers={"contextId": "42"}
    )
    action = Connect(from_="15005550006", endpoint=[endpoint], eventUrl=["https://a.example/e"])
    written = [
        each.model_dump(mode="json", by_alias=True, exclude_none=True)
        for each in (Talk(text="Hello."), action)
    ]
    assert read_ncco(json.dumps(written)) == written


@pytest.mark.parametrize(
    "document",
    [
        "", "{}", '{"action":"talk"}', "[1]", '[{"action":"sing"}]', '[{"action":"talk"}]',
        '[{"action":["talk"]}]', '[{"action":"connect"}]', '[{"action":"connect","endpoint":[]}]',
        connect({"type": "pigeon"}), connect(websocket(uri="https://a.example")),
        connect(websocket(uri="ws://a.example")), connect(websocket(**{"content-type": "opus"})),
        connect(websocket(**{"content-type": "audio/l16;rate=44100"})),
        connect(websocket(headers={"a": "b" * 510})), connect(websocket(headers=["a"])),
        connect(websocket(authorization={"type": "custom"})),
        connect(websocket(authorization={"type": "basic"})),
        connect(websocket(), eventUrl="https://a.example"), connect(websocket(), **{"from": "+1"}),
        connect({"type": "phone", "number": "+15550123"}), connect({"type": "sip", "uri": "a@b"}),
    ],
)  # fmt: skip
def test_what_is_no_ncco_is_a_syntax_error(document: str) -> None:
    with pytest.raises(NccoError) as wrong:
        read_ncco(document)
    assert str(wrong.value.code).startswith("Syntax error in NCCO. ")


async def test_a_syntax_error_is_told_as_an_event(platform: VonagePlatform) -> None:
    told: list[dict[str, Any]] = []

    async def webhook(request: web.Request) -> web.Response:
        if request.method == "POST":
            told.append(await request.json())
        return web.json_response([{"action": "sing"}])

    async with webhook_at(webhook) as url:
        call = await platform.call(url, status_callback=url).over()
    assert call.errors == ["Syntax error in NCCO. Unknown action 'sing'."]
    errors = [each for each in told if "status" not in each]
    assert [each["reason"] for each in errors] == call.errors
    assert set(errors[0]) == {"reason", "conversation_uuid", "timestamp"}


# -- the WebSocket ---------------------------------------------------------------------------------

FRAME = b"\x10\x00" * 320


def line(rate_hz: int = 16_000) -> VonageLine:
    made = VonageLine(rate_hz, {"contextId": "42"})
    opening = made.begin(100.0)
    assert [json.loads(each) for each in opening] == [
        {
            "event": "websocket:connected", "content-type": f"audio/l16;rate={rate_hz}",
            "contextId": "42",
        }
    ]  # fmt: skip
    return made


def texts(messages: list[Any]) -> list[Any]:
    return [json.loads(each) for each in messages if isinstance(each, str)]


def notify(name: str) -> str:
    return json.dumps({"action": "notify", "payload": {"mark": name}})


def came_back(name: str) -> dict[str, Any]:
    return {"event": "websocket:notify", "payload": {"mark": name}}


def test_notifies_come_back_when_what_is_before_them_was_played() -> None:
    stream = line()
    assert texts(stream.receive(notify("at once"), 100.0)) == [came_back("at once")]
    for _ in range(5):
        stream.receive(FRAME, 100.0)
    stream.receive(notify("a"), 100.0)
    assert texts(stream.tick(100.099)) == []
    assert texts(stream.tick(100.101)) == [came_back("a")]
    assert bytes(stream.heard[: 5 * 640]) == FRAME * 5


def test_a_clear_empties_the_queue_and_says_so() -> None:
    stream = line()
    for _ in range(50):
        stream.receive(FRAME, 100.0)
    stream.receive(notify("a"), 100.0)
    answers = texts(stream.receive('{"action":"clear"}', 100.25))
    assert answers == [came_back("a"), {"event": "websocket:cleared"}]
    (mark,) = stream.cleared[0].marks
    assert stream.cleared == [Cleared(0.25, 250.0, 750.0, (mark,))]
    stream.tick(100.5)
    assert stream.heard == b"\x10\x00" * 4000 + bytes(8000)


@pytest.mark.parametrize(("rate_hz", "size"), [(8000, 320), (16_000, 640), (24_000, 960)])
def test_a_frame_of_another_size_leaves_it_deaf(rate_hz: int, size: int) -> None:
    stream = line(rate_hz)
    stream.receive(b"\x10\x00" * (size // 2), 100.0)
    assert (stream.queued_ms, stream.warnings) == (20.0, {})
    for wrong in (size - 2, size + 2, 2 * size, 1):
        stream.receive(bytes(wrong), 100.0)
    assert stream.warnings == {FRAME_SIZE: 4}
    stream.receive(bytes(size), 100.0)
    assert stream.queued_ms == 20.0


def test_more_than_twenty_seconds_find_no_room() -> None:
    stream = line()
    for _ in range(1030):
        stream.receive(FRAME, 100.0)
    assert (stream.queued_ms, stream.warnings) == (20_480.0, {QUEUE_FULL: 6})


@pytest.mark.parametrize(
    "message", ["", "{", "[]", "{}", '{"action":"dance"}', '{"action":"notify"}', '"clear"']
)
def test_what_vonage_does_not_know_is_ignored_and_shown(message: str) -> None:
    stream = line()
    assert stream.receive(message, 100.0) == []
    assert stream.warnings == {UNKNOWN_TEXT: 1}


def test_a_caller_is_sent_in_real_time() -> None:
    stream = line()
    stream.speak(FRAME + FRAME[:100])
    assert stream.tick(100.07) == [FRAME, FRAME[:100].ljust(640, b"\0"), bytes(640)]
    assert stream.next_tick() == pytest.approx(100.08)
    assert json.loads(stream.press("5")) == {
        "event": "websocket:dtmf", "digit": "5", "duration": 260,
    }  # fmt: skip
    assert stream.stop() is None
