"""The simulator itself, held against what Exotel's pages say. Exotel has no library for it."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from recorded_exotel import ACCOUNT, API_KEY, API_TOKEN, CALL, STREAM

from rapida_media.providers.stream import PCMU, AudioFormat
from rapida_media.testing.exotel import Callee, ExotelPlatform, VoicebotLine
from rapida_media.testing.line import Cleared

LINEAR = AudioFormat("s16le", 8000)
IDS = {"call_sid": CALL, "account_sid": ACCOUNT, "from": "09876543210", "to": "08047000000"}


@pytest.fixture
async def platform() -> AsyncIterator[ExotelPlatform]:
    async with ExotelPlatform(ACCOUNT, API_KEY, API_TOKEN) as platform:
        platform.callee = Callee("busy")
        yield platform


def line(audio: AudioFormat = LINEAR, **more: Any) -> VoicebotLine:
    made = VoicebotLine(audio, STREAM, IDS, {"ctx": "42"}, **more)
    made.begin(100.0)
    return made


def said(event: str, **members: object) -> str:
    return json.dumps({"event": event, "stream_sid": STREAM, **members})


def audio(octets: int) -> str:
    return said("media", media={"payload": base64.b64encode(b"\x10" * octets).decode()})


# -- REST ------------------------------------------------------------------------------------------

DIRECT = {
    "From": "+919876543210", "CallerId": "08047000000", "StreamUrl": "wss://a.example/m",
    "StreamType": "bidirectional",
}  # fmt: skip


async def ordered(
    platform: ExotelPlatform, order: dict[str, str], key: str = API_KEY, account: str = ACCOUNT
) -> tuple[int, Any]:
    url = f"{platform.api_base}/v1/Accounts/{account}/Calls/connect.json"
    pair = base64.b64encode(f"{key}:{API_TOKEN}".encode()).decode()
    headers = {"Authorization": f"Basic {pair}"}
    async with platform.client.post(url, data=order, headers=headers) as reply:
        return reply.status, await reply.json()


async def test_an_order_is_answered_as_the_documentation_shows(platform: ExotelPlatform) -> None:
    status, made = await ordered(platform, DIRECT)
    assert status == 200
    assert set(made["Call"]) == {
        "Sid", "ParentCallSid", "DateCreated", "DateUpdated", "AccountSid", "To", "From",
        "PhoneNumberSid", "Status", "StartTime", "EndTime", "Duration", "Price", "Direction",
        "AnsweredBy", "Uri", "RecordingUrl",
    }  # fmt: skip
    assert (made["Call"]["Status"], made["Call"]["From"]) == ("in-progress", "+919876543210")
    call = platform.calls[made["Call"]["Sid"]]
    assert (await call.over()).state == "busy"
    url = platform.api_base + made["Call"]["Uri"]
    async with platform.client.get(url, auth=None) as reply:
        assert reply.status == 401
    pair = base64.b64encode(f"{API_KEY}:{API_TOKEN}".encode()).decode()
    async with platform.client.get(url, headers={"Authorization": f"Basic {pair}"}) as reply:
        assert (await reply.json())["Call"]["Status"] == "busy"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"From": "nonsense"}, "Invalid From"), ({"CallerId": ""}, "Invalid CallerId"),
        ({"StreamType": "both"}, "Invalid StreamType"),
        ({"StreamUrl": "wss://" + "x" * 600}, "StreamUrl is too long"),
        ({"CustomField": "x" * 129}, "CustomField is too long"),
        ({"TimeLimit": "14401"}, "Invalid TimeLimit"), ({"Url": "x"}, "expected StreamUrl or Url"),
    ],
)  # fmt: skip
async def test_a_wrong_order_is_a_rest_exception(
    platform: ExotelPlatform, change: dict[str, str], message: str
) -> None:
    status, refused = await ordered(platform, {**DIRECT, **change})
    assert (status, refused) == (
        400, {"RestException": {"Status": 400, "Message": message, "Code": None}},
    )  # fmt: skip


async def test_strangers_and_unknown_flows_are_refused(platform: ExotelPlatform) -> None:
    flow = {"From": "+919876543210", "CallerId": "08047000000"}
    answers = [
        await ordered(platform, DIRECT, key="wrong"),
        await ordered(platform, DIRECT, account="other"),
        await ordered(platform, {**flow, "Url": "http://a.example/exoml/start_voice/1"}),
        await ordered(
            platform, {**flow, "Url": f"http://my.exotel.com/{ACCOUNT}/exoml/start_voice/1"}
        ),
    ]
    assert [status for status, _ in answers] == [401, 401, 400, 404]


# -- the stream ------------------------------------------------------------------------------------


def test_the_first_messages_are_the_documented_ones() -> None:
    made = VoicebotLine(LINEAR, STREAM, IDS, {"ctx": "42"})
    connected, start = map(json.loads, made.begin(100.0))  # type: ignore[arg-type]
    assert connected == {"event": "connected"}
    assert start == {
        "event": "start", "sequence_number": "1", "stream_sid": STREAM,
        "start": {
            "stream_sid": STREAM, **IDS, "custom_parameters": {"ctx": "42"},
            "media_format": {"encoding": "base64", "sample_rate": "8000", "bit_rate": "128kbps"},
        },
    }  # fmt: skip


def test_a_caller_is_sent_in_real_time_in_chunks_of_100_ms() -> None:
    for each, octets in ((LINEAR, 1600), (AudioFormat("s16le", 24000), 4800), (PCMU, 800)):
        stream = line(each)
        messages = [json.loads(message) for message in stream.tick(100.21)]
        assert [(m["media"]["chunk"], m["media"]["timestamp"]) for m in messages] == [
            ("1", "100"), ("2", "200"),
        ]  # fmt: skip
        assert len(base64.b64decode(messages[0]["media"]["payload"])) == octets
        assert stream.next_tick() == pytest.approx(100.3)


def test_a_clear_empties_the_queue_and_marks_come_back_or_not() -> None:
    for come_back in (False, True):
        stream = line(marks_come_back=come_back)
        stream.receive(audio(16000), 100.0)
        stream.receive(said("mark", mark={"name": "a"}), 100.0)
        answers = stream.receive(said("clear"), 100.25)
        names = [json.loads(each)["mark"]["name"] for each in answers]
        assert names == (["a"] if come_back else [])
        assert stream.cleared == [Cleared(0.25, 250.0, 750.0, ("a",))]


@pytest.mark.parametrize(
    ("message", "warning"),
    [
        ("", "invalid message"), ("[]", "invalid message"), (said("dance"), "invalid message"),
        (said("clear", more=1), "invalid message"), (said("mark", mark={}), "invalid message"),
        (said("media", media={"payload": "!"}), "invalid message"),
        (said("media", media={"payload": "", "chunk": "1"}), "invalid message"),
        ('{"event":"clear","streamSid":"stream-0001"}', "invalid message"),
        (b"{}", "binary message"), (audio(3000), "misaligned chunk"),
        (audio(16640), "too far ahead"), (audio(320 * 313), "chunk above 100 kB"),
    ],
)  # fmt: skip
def test_what_exotels_pages_warn_of_is_a_warning(message: str | bytes, warning: str) -> None:
    stream = line()
    assert stream.receive(message, 100.0) == []
    assert warning in stream.warnings


async def test_a_url_that_is_none_is_an_error(platform: ExotelPlatform) -> None:
    call = platform.call("http://127.0.0.1:1/")
    assert ((await call.over()).state, call.errors) == ("failed", ["the webhook failed"])
    with pytest.raises(aiohttp.ClientError):
        await platform.open("ws://127.0.0.1:1/")
    assert await platform.connect("ws://127.0.0.1:1/") is None
