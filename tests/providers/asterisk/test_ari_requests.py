"""ARI as data: the requests letter for letter, and what each event means and asks for."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from recorded_asterisk import CREDENTIAL

from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.providers.asterisk.ari import Ari, context_of, media_of, phone_of
from rapida_media.providers.asterisk.feed import AriFeed, ari_feed
from rapida_media.providers.asterisk.telephony import AsteriskTelephony
from rapida_media.providers.base import CallInfo, CallOrder, FeedNews, MediaToOpen, StatusInfo
from rapida_media.providers.http import HttpReply, HttpRequest

CONTEXT = "0123456789abcdef0123456789abcdef"
PHONE, MEDIA = f"rapida-{CONTEXT}", f"rapida-{CONTEXT}-media"
ARI = "http://pbx.example:8088/ari"
ORDER = CallOrder(
    to="+14155550100",
    from_="+15005550006",
    context_id=CONTEXT,
    media_url="wss://voice.example.com/media",
    event_url="https://voice.example.com/event",
    answer_url="https://voice.example.com/answer",
    ring_seconds=45,
)


class Pbx:
    """Answers what it is asked by what the case says, and 200 else."""

    def __init__(self, **answers: int) -> None:
        self.answers = answers
        self.asked: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request)
        words = (word for word in self.answers if word in request.url)
        status = self.answers.get(next(words, ""), 200)
        return HttpReply(status, {}, b'{"message":"Because"}')


def lines(requests: tuple[HttpRequest, ...] | list[HttpRequest]) -> list[str]:
    return [f"{each.method} {each.url.removeprefix(ARI)}" for each in requests]


def feed() -> AriFeed:
    return AriFeed(Ari(CREDENTIAL))


def said(kind: str, channel_id: str, state: str = "Up", **more: Any) -> str:
    where = "peer" if kind == "Dial" else "channel"
    return json.dumps({"type": kind, where: {"id": channel_id, "state": state}, **more})


async def test_an_order_asks_for_the_app_and_then_for_the_call() -> None:
    pbx = Pbx()
    info = await AsteriskTelephony(CREDENTIAL, pbx).outbound_call(ORDER)
    assert info == CallInfo(PHONE, "+15005550006", "+14155550100", "initiated", "Down")
    assert lines(pbx.asked) == [
        "GET /applications/rapida-media",
        "POST /channels?endpoint=PJSIP%2F%2B14155550100%40trunk&app=rapida-media"
        f"&appArgs={CONTEXT}&callerId=%2B15005550006&timeout=45&channelId={PHONE}",
    ]
    basic = f"Basic {b64encode(b'engine:rapida-test-ari-0001').decode()}"
    assert {each.headers["authorization"] for each in pbx.asked} == {basic}
    assert [each.repeatable for each in pbx.asked] == [True, False], "no call is placed twice"


async def test_no_call_is_placed_that_nobody_would_hear_of() -> None:
    pbx = Pbx(applications=404)
    with pytest.raises(ProviderError, match="nobody listens") as refused:
        await AsteriskTelephony(CREDENTIAL, pbx).outbound_call(ORDER)
    assert (refused.value.code, refused.value.retryable) == (503, True)
    assert len(pbx.asked) == 1


@pytest.mark.parametrize("status", [400, 409, 500])
async def test_a_refusal_carries_asterisks_words(status: int) -> None:
    with pytest.raises(ProviderError, match=f"Asterisk answered {status}: Because") as refused:
        await AsteriskTelephony(CREDENTIAL, Pbx(endpoint=status)).outbound_call(ORDER)
    assert refused.value.code == status


@pytest.mark.parametrize("to", ["1&SIP/2", "1@evil", "1/2", "", "1 2", "1,2", "x" * 65, "${X}"])
async def test_what_asterisk_would_split_is_not_dialled(to: str) -> None:
    pbx = Pbx()
    with pytest.raises(ProviderError, match="cannot dial that"):
        await AsteriskTelephony(CREDENTIAL, pbx).outbound_call(replace(ORDER, to=to))
    assert lines(pbx.asked) == ["GET /applications/rapida-media"]


@pytest.mark.parametrize(
    ("credential", "why"),
    [
        (None, "no api_base"),
        (replace(CREDENTIAL, api_base=None), "no api_base"),
        (Credential("x", "asterisk", {}, "http://pbx.example"), "no api_base"),
        (
            Credential("x", "asterisk", {"ari_password": "secret"}, "http://pbx.example"),
            "no endpoint",
        ),
    ],
)
async def test_an_account_that_cannot_call_out_says_what_is_missing(
    credential: Credential | None, why: str
) -> None:
    with pytest.raises(ProviderError, match=why):
        await AsteriskTelephony(credential, Pbx()).outbound_call(ORDER)


async def test_hanging_up_ends_phone_and_bridge_of_our_calls_only() -> None:
    pbx = Pbx(channels=404)
    telephony = AsteriskTelephony(CREDENTIAL, pbx)
    await telephony.hang_up(CallInfo(PHONE))
    assert lines(pbx.asked) == [
        f"DELETE /channels/{PHONE}?reason=normal",
        f"DELETE /bridges/{PHONE}",
    ]
    pbx.asked.clear()
    await telephony.hang_up(CallInfo("1700000000.42"))
    assert pbx.asked == [], "the dialplan goes on"
    with pytest.raises(ProviderError):
        await AsteriskTelephony(CREDENTIAL, Pbx(channels=500)).hang_up(CallInfo(PHONE))


def test_the_events_are_those_of_our_app() -> None:
    assert feed().upgrade.url == (
        "ws://pbx.example:8088/ari/events?app=rapida-media&subscribeAll=false"
    )
    tls = AriFeed(Ari(replace(CREDENTIAL, api_base="https://pbx.example")))
    assert tls.upgrade.url.startswith("wss://pbx.example/ari/events?")
    assert ari_feed(Credential("x", "asterisk", {})) is None


def test_ids_are_made_of_the_context() -> None:
    assert (phone_of(CONTEXT), media_of(CONTEXT)) == (PHONE, MEDIA)
    assert context_of(PHONE) == (CONTEXT, False)
    assert context_of(MEDIA) == (CONTEXT, True)
    assert context_of("1700000000.42") == ("", False)


def test_an_answer_brings_bridge_and_media() -> None:
    heard = feed().receive(said("StasisStart", PHONE, args=[CONTEXT]))
    assert heard.news == (
        StatusInfo(PHONE, "StasisStart", "in-progress", context_id=CONTEXT),
    )  # fmt: skip
    assert lines(heard.requests) == [
        f"POST /bridges/{PHONE}?type=mixing",
        f"POST /bridges/{PHONE}/addChannel?channel={PHONE}",
        f"POST /channels/externalMedia?app=rapida-media&channelId={MEDIA}&external_host=rapida"
        "&transport=websocket&encapsulation=none&format=slin16"
        f"&transport_data=f%28json%29v%28context%3D{CONTEXT}%29",
    ]
    assert lines(heard.on_failure) == [f"DELETE /channels/{PHONE}?reason=failure"]
    heard = feed().receive(said("StasisStart", MEDIA, args=[]))
    assert heard.news == ()
    assert lines(heard.requests) == [f"POST /bridges/{PHONE}/addChannel?channel={MEDIA}"]


WAITING = replace(CREDENTIAL, values={**CREDENTIAL.values, "connection": "INCOMING"})


def media_channel(**channelvars: object) -> HttpReply:
    return HttpReply(200, {}, json.dumps({"id": MEDIA, "channelvars": channelvars}).encode())


def test_a_media_channel_may_wait_for_us() -> None:
    waiting = AriFeed(Ari(WAITING))
    heard = waiting.receive(said("StasisStart", PHONE, args=[CONTEXT]))
    assert lines(heard.requests)[-1] == (
        f"POST /channels/externalMedia?app=rapida-media&channelId={MEDIA}&external_host=INCOMING"
        "&transport=websocket&encapsulation=none&format=slin16"
        "&transport_data=f%28json%29&connection_type=server"
    )
    reply = media_channel(MEDIA_WEBSOCKET_CONNECTION_ID="d0b11b39-a84c")
    url = "ws://pbx.example:8088/media/d0b11b39-a84c"
    assert waiting.answered(reply) == MediaToOpen(CONTEXT, HttpRequest("GET", url))
    assert feed().answered(reply) is None, "there Asterisk opens it"


@pytest.mark.parametrize(
    "reply",
    [
        HttpReply(204),
        HttpReply(200, {}, b"[]"),
        HttpReply(200, {}, b'{"id":7,"channelvars":{"MEDIA_WEBSOCKET_CONNECTION_ID":"x"}}'),
        HttpReply(200, {}, b'{"id":"1.2","channelvars":{"MEDIA_WEBSOCKET_CONNECTION_ID":"x"}}'),
        media_channel(),
        media_channel(MEDIA_WEBSOCKET_CONNECTION_ID=7),
        media_channel(MEDIA_WEBSOCKET_CONNECTION_ID=""),
    ],
)
def test_other_answers_open_nothing(reply: HttpReply) -> None:
    assert AriFeed(Ari(WAITING)).answered(reply) is None


@pytest.mark.parametrize(
    ("message", "raw", "state"),
    [
        (said("Dial", PHONE, dialstatus=""), "Dial", "initiated"),
        (said("Dial", PHONE, dialstatus="RINGING"), "Dial RINGING", "ringing"),
        (said("Dial", PHONE, dialstatus="PROGRESS"), "Dial PROGRESS", "ringing"),
        (said("Dial", PHONE, dialstatus="ANSWER"), "Dial ANSWER", "in-progress"),
        (said("Dial", PHONE, dialstatus="BUSY"), "Dial BUSY", None),
        (said("ChannelStateChange", PHONE, "Ring"), "Ring", "initiated"),
        (said("ChannelStateChange", PHONE, "Ringing"), "Ringing", "ringing"),
        (said("ChannelStateChange", PHONE, "Up"), "Up", "in-progress"),
    ],
)
def test_progress_is_told(message: str, raw: str, state: Any) -> None:
    assert feed().receive(message) == FeedNews((StatusInfo(PHONE, raw, state, context_id=CONTEXT),))


@pytest.mark.parametrize(
    ("channel_state", "cause", "state"),
    [
        ("Up", 16, "completed"), ("Up", 127, "completed"), ("Up", 0, "completed"),
        ("Ringing", 17, "busy"), ("Ringing", 18, "no-answer"), ("Down", 19, "no-answer"),
        ("Ringing", 26, "canceled"), ("Ringing", 16, "canceled"), ("Down", 127, "canceled"),
        ("Down", 1, "failed"), ("Down", 3, "failed"), ("Ringing", 21, "failed"),
        ("Down", 20, "failed"), ("Down", 27, "failed"), ("Down", 28, "failed"),
        ("Down", 34, "failed"), ("Down", 38, "failed"), ("Down", 41, "failed"),
        ("Down", 42, "failed"), ("Down", 0, "failed"),
    ],
)  # fmt: skip
def test_an_end_is_told_by_its_cause(channel_state: str, cause: int, state: Any) -> None:
    message = said("ChannelDestroyed", PHONE, channel_state, cause=cause, cause_txt="Some words")
    heard = feed().receive(message)
    assert heard.news == (
        StatusInfo(PHONE, f"cause {cause}", state, cause, "Some words", CONTEXT),
    )  # fmt: skip
    cleaned = [f"DELETE /channels/{MEDIA}?reason=normal", f"DELETE /bridges/{PHONE}"]
    assert lines(heard.requests) == (cleaned if state == "completed" else [])


def test_the_end_of_the_media_ends_the_bridge_and_leaves_the_phone_to_the_engine() -> None:
    heard = feed().receive(said("ChannelDestroyed", MEDIA, cause=16))
    assert heard.news == ()
    assert lines(heard.requests) == [f"DELETE /bridges/{PHONE}"]


async def test_a_call_of_ours_goes_on_at_an_extension() -> None:
    pbx = Pbx()
    await AsteriskTelephony(CREDENTIAL, pbx).transfer(CallInfo(PHONE), "+15550123")
    assert lines(pbx.asked) == [
        f"POST /channels/{PHONE}/continue?context=rapida-transfers&extension=%2B15550123&priority=1"
    ]
    for call, target, code in (
        (CallInfo("1700000000.42"), "200", 409),
        (CallInfo(PHONE), "2,evil", 400),
    ):
        with pytest.raises(ProviderError) as refused:
            await AsteriskTelephony(CREDENTIAL, pbx).transfer(call, target)
        assert refused.value.code == code
    with pytest.raises(ProviderError) as refused:
        await AsteriskTelephony(CREDENTIAL, Pbx(channels=409)).transfer(CallInfo(PHONE), "200")
    assert refused.value.code == 409


@pytest.mark.parametrize(
    "message",
    [
        "", "{", "[]", "null", "7", "[" * 10_000, "{}", '{"type":7}', '{"type":"StasisStart"}',
        '{"type":"StasisStart","channel":7}', '{"type":"StasisStart","channel":{"id":7}}',
        said("StasisStart", "1700000000.42"), said("ChannelDestroyed", "other", cause=16),
        said("ChannelStateChange", PHONE, "OffHook"), said("Dial", PHONE),
        said("ChannelStateChange", MEDIA), said("StasisEnd", PHONE), said("ChannelVarset", PHONE),
        '{"type":"ChannelStateChange","channel":{"id":"' + PHONE + '","state":7}}',
    ],
)  # fmt: skip
def test_what_is_not_about_our_calls_gives_nothing(message: str) -> None:
    assert feed().receive(message) == FeedNews()
