"""Webhooks, callbacks and the Connect API, without a network; and the shared conformance kit."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from providers.answers import Answers
from recorded_exotel import (
    ACCOUNT,
    API_KEY,
    API_TOKEN,
    CALL,
    CONNECTED,
    CREDENTIAL,
    DTMF,
    FORMS,
    INCOMING,
    START,
    STATUSES,
    STOP,
    TOKEN,
    VALUES,
    as_json,
    got,
    media,
    multipart,
    posted,
    status,
    text,
)

from rapida_media.call.endings import order_refused
from rapida_media.errors import ProviderError
from rapida_media.providers.base import CallInfo, CallOrder, StatusInfo
from rapida_media.providers.exotel import SPEC
from rapida_media.providers.exotel.telephony import ExotelTelephony
from rapida_media.testing.providers import CHECKS, ProviderCase

# The documented answer to an order.
CREATED: dict[str, Any] = {
    "Call": {
        "Sid": CALL, "ParentCallSid": None, "DateCreated": "2026-10-08 15:30:00",
        "DateUpdated": "2026-10-08 15:30:00", "AccountSid": ACCOUNT, "To": None,
        "From": "09876543210", "PhoneNumberSid": "08047000000", "Status": "in-progress",
        "StartTime": "2026-10-08 15:30:00", "EndTime": None, "Duration": None, "Price": None,
        "Direction": "outbound-api", "AnsweredBy": None,
        "Uri": f"/v1/Accounts/{ACCOUNT}/Calls/{CALL}.json", "RecordingUrl": None,
    }
}  # fmt: skip
ORDER = CallOrder(
    to="+919876543210",
    from_="08047000000",
    context_id="42",
    media_url="wss://media.example.com/telephony/exotel/media/42",
    event_url="https://media.example.com/telephony/exotel/status/42",
    answer_url="https://media.example.com/telephony/exotel/answer/42",
)


def telephony_of(*answers: tuple[int, object], **more: str) -> tuple[ExotelTelephony, Answers]:
    http = Answers(*answers)
    return ExotelTelephony(replace(CREDENTIAL, values={**VALUES, **more}), http), http


def looped(message: str | bytes) -> str | None:
    """Give what a caller's line would say who hears what we say."""
    said = json.loads(message)
    return text({**media(), "media": said["media"]}) if said["event"] == "media" else None


def echoed(message: str | bytes) -> str:
    return text({**json.loads(message), "sequence_number": "9"})


CASE = ProviderCase(
    spec=SPEC,
    credential=CREDENTIAL,
    call_webhook=got(INCOMING),
    call_id=CALL,
    statuses=[
        (replace(request, url=request.url.replace("/call/", "/event/")), state)
        for request, state in STATUSES
    ],
    start=[text(CONNECTED), text(START)],
    audio=text(media()),
    digit=(text(DTMF), "5"),
    stop=text(STOP),
    mark_echo=echoed,
    loop_back=looped,
    created=(200, json.dumps(CREATED).encode(), CALL),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_exotel_conforms(check: Any) -> None:
    check(CASE)


# -- webhooks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_call_is_read_however_it_is_told(form: Any) -> None:
    telephony, _ = telephony_of()
    assert telephony.receive_call(form(INCOMING)) == CallInfo(
        CALL, "+919876543210", "+918047000000", "ringing", "ringing",
        parameters={"CallType": "call-attempt", "flow_id": "1001", "tenant_id": "1",
                    "digits": "12"},
    )  # fmt: skip
    with pytest.raises(ProviderError, match="CallSid"):
        telephony.receive_call(form({"CallFrom": "09876543210"}))


def test_a_caller_that_only_from_names_is_found() -> None:
    telephony, _ = telephony_of()
    call = telephony.receive_call(posted({"CallSid": CALL, "From": "+6591234567", "To": "100"}))
    assert (call.caller, call.called, call.state) == ("+6591234567", "100", None)


@pytest.mark.parametrize(
    ("number", "country", "written"),
    [
        ("09876543210", "91", "+919876543210"), ("08047000000", "91", "+918047000000"),
        ("081234567890", "62", "+6281234567890"), ("+919876543210", "91", "+919876543210"),
        ("919876543210", "91", "919876543210"), ("anonymous", "91", "anonymous"),
        ("00919876543210", "91", "00919876543210"), ("0123", "91", "0123"), ("", "91", ""),
    ],
)  # fmt: skip
def test_domestic_numbers_get_their_country(number: str, country: str, written: str) -> None:
    telephony, _ = telephony_of(country_code=country)
    call = telephony.receive_call(got({"CallSid": CALL, "CallFrom": number}))
    assert call.caller == written


def test_the_answer_is_this_json_and_has_no_secret() -> None:
    for more, rate in (({}, "16000"), ({"sample_rate": "8000"}, "8000")):
        telephony, _ = telephony_of(**more, username="rapida", password="s3cret")
        reply = telephony.inbound_call(CallInfo(CALL), "wss://media.example.com/m/42", "https://e")
        assert (reply.status, reply.content_type) == (200, "application/json")
        assert reply.body.decode() == (
            f'{{"url": "wss://media.example.com/m/42?sample-rate={rate}"}}'
        )


def test_a_refusal_is_an_answer_without_a_url() -> None:
    telephony, _ = telephony_of()
    refusals = [telephony.refuse_call(reason) for reason in ("busy", "rejected")]
    assert [(each.status, each.body) for each in refusals] == [(503, b""), (403, b"")]


def test_a_flow_that_runs_for_an_order_names_it() -> None:
    telephony, _ = telephony_of()
    said = {**INCOMING, "Direction": "outbound-dial", "CustomField": "rapida:c0ntext-Id_9"}
    assert telephony.receive_call(got(said)).context_id == "c0ntext-Id_9"
    for other in ("order 42", "rapida:", "rapida:../x", "rapida: x", "xrapida:1"):
        call = telephony.receive_call(got({**said, "CustomField": other}))
        assert (call.context_id, call.parameters["CustomField"]) == ("", other)


# -- callbacks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (status("completed", "completed"), StatusInfo(CALL, "completed", "completed")),
        (status("failed", "canceled"), StatusInfo(CALL, "canceled", "canceled", cause="failed")),
        (status("completed", "canceled"), StatusInfo(CALL, "completed", "completed")),
        (status(None, None), StatusInfo(CALL, "terminal")),
        (status("in-progress", None, "answered"), StatusInfo(CALL, "answered", "in-progress")),
        ({"CallSid": CALL, "Legs": "odd", "Status": 7}, StatusInfo(CALL, "7")),
        ({"CallSid": CALL, "Legs": [None]}, None),
        ({"CallSid": CALL, "EventType": "stream-start"}, StatusInfo(CALL, "stream-start")),
        ({"EventType": "terminal", "Status": "busy"}, None),
        ({}, None),
    ],
)
def test_a_callback_is_read(said: dict[str, Any], expected: StatusInfo | None) -> None:
    telephony, _ = telephony_of()
    assert telephony.catch_all_status_callback(as_json(said)) == expected


PASSTHRU = {
    "CallSid": CALL, "Stream[StreamSID]": "stream-0001", "Stream[Status]": "completed",
    "Stream[Duration]": "12", "Stream[DisconnectedBy]": "bot",
}  # fmt: skip


def test_a_passthru_applet_is_read_in_all_its_forms() -> None:
    telephony, _ = telephony_of()
    stream = {"Status": "completed", "DisconnectedBy": "bot", "Duration": 12}
    for request in (
        got(PASSTHRU),
        multipart(PASSTHRU),
        got({"CallSid": CALL, "Stream": json.dumps(stream)}),
        as_json({"CallSid": CALL, "EventType": "stream-stop", "Stream": stream}),
    ):
        news = telephony.catch_all_status_callback(request)
        assert news == StatusInfo(CALL, "stream completed by bot")
    failed = {"CallSid": CALL, "Stream[Status]": "failed", "Stream[Error]": "3001"}
    assert telephony.catch_all_status_callback(got(failed)) == StatusInfo(
        CALL, "stream failed", cause="3001"
    )
    for odd in ("{", "[1]", '"x"', "[" * 9999):
        assert telephony.catch_all_status_callback(got({"CallSid": CALL, "Stream": odd})) is None


def test_exotel_is_told_200_as_passthru_goes_by_it() -> None:
    assert SPEC.news_status == 200


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_goes_straight_to_the_stream_and_has_no_secret_in_a_url() -> None:
    telephony, http = telephony_of((200, CREATED), username="rapida", password="s3cret")
    call = await telephony.outbound_call(ORDER)
    assert call == CallInfo(CALL, "08047000000", "+919876543210", "initiated", "in-progress")
    (asked,), (form,) = http.asked, http.forms
    assert (asked.method, asked.url, asked.repeatable) == (
        "POST", f"https://api.in.exotel.com/v1/Accounts/{ACCOUNT}/Calls/connect.json", False,
    )  # fmt: skip
    basic = b64encode(f"{API_KEY}:{API_TOKEN}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {basic}"
    assert form == {
        "From": ["+919876543210"], "CallerId": ["08047000000"],
        "StreamUrl": [f"{ORDER.media_url}?sample-rate=16000"], "StreamType": ["bidirectional"],
        "CustomField": ["rapida:42"], "TimeOut": ["60"], "StatusCallback": [ORDER.event_url],
        "StatusCallbackEvents[]": ["ringing", "answered", "terminal"],
        "StatusCallbackContentType": ["application/json"],
    }  # fmt: skip
    said = asked.url + asked.body.decode()
    assert not any(secret in said for secret in (API_TOKEN, API_KEY, TOKEN, "s3cret"))


async def test_an_order_goes_through_a_flow_where_the_account_names_one() -> None:
    telephony, http = telephony_of((200, CREATED), app_id="1001")
    await telephony.outbound_call(replace(ORDER, context_id="c" * 43))
    (form,) = http.forms
    assert form["Url"] == [f"http://my.exotel.com/{ACCOUNT}/exoml/start_voice/1001"]
    assert form["CustomField"] == ["rapida:" + "c" * 43]
    assert len(form["CustomField"][0]) <= 128
    assert not {"StreamUrl", "StreamType", "To"} & set(form)


async def test_another_region_is_asked() -> None:
    http = Answers((200, CREATED))
    account = replace(CREDENTIAL, values=VALUES, api_base="https://api.exotel.com")
    await ExotelTelephony(account, http).outbound_call(ORDER)
    assert http.asked[0].url.startswith("https://api.exotel.com/v1/Accounts/")


async def test_a_stream_url_too_long_for_exotel_is_not_sent() -> None:
    telephony, http = telephony_of((200, CREATED))
    with pytest.raises(ProviderError, match="takes 600") as refused:
        await telephony.outbound_call(replace(ORDER, media_url="wss://" + "x" * 600))
    assert (refused.value.retryable, http.asked) == (False, [])


def exception(code: int, message: str, own: int | None = None) -> dict[str, Any]:
    return {"RestException": {"Status": code, "Message": message, "Code": own}}


@pytest.mark.parametrize(
    ("answer", "code", "failure_class", "retryable"),
    [
        ((401, exception(401, "Authenticate")), 401, "authentication", False),
        ((400, exception(400, "Invalid From", 34010)), 34010, "configuration", False),
        ((403, exception(403, "Forbidden")), 403, "authentication", False),
        ((429, exception(429, "Too Many Requests")), 429, "capacity", True),
        ((500, "oops"), 500, "network", True),
        ((503, exception(503, "down")), 503, "network", True),
        ((200, exception(400, "Bad")), 400, "configuration", False),
        ((200, {"Call": {"Sid": None}}), 200, "configuration", False),
        ((200, []), 200, "configuration", False),
        ((302, {"RestException": "odd"}), 302, "configuration", False),
    ],
)
async def test_a_refused_order_says_what_exotel_said(
    answer: tuple[int, object], code: int, failure_class: str, retryable: bool
) -> None:
    telephony, _ = telephony_of(answer)
    with pytest.raises(ProviderError) as refused:
        await telephony.outbound_call(ORDER)
    error = refused.value
    assert (error.code, error.retryable) == (code, retryable)
    ending = order_refused(error.code, status=error.status, retryable=error.retryable)
    assert (ending.code, ending.failure_class, ending.retryable) == (code, failure_class, retryable)
    assert API_TOKEN not in str(error)


@pytest.mark.parametrize(
    ("raw", "state"),
    [("in-progress", "initiated"), ("queued", "queued"), ("", "initiated"), ("new", "initiated")],
)
async def test_in_progress_in_the_answer_to_an_order_is_no_answer_of_the_callee(
    raw: str, state: str
) -> None:
    telephony, _ = telephony_of((200, {"Call": {**CREATED["Call"], "Status": raw}}))
    assert (await telephony.outbound_call(ORDER)).state == state


async def test_hanging_up_asks_nothing() -> None:
    telephony, http = telephony_of()
    await telephony.hang_up(CallInfo(CALL))
    assert http.asked == []
    assert SPEC.socket_is_the_call
