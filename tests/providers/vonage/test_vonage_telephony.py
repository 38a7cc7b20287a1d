"""Webhooks, NCCOs and the calls resource, without a network; and the shared conformance kit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.answers import Answers
from recorded_vonage import (
    APPLICATION,
    BASE,
    CALL,
    CONNECTED,
    CONVERSATION,
    CREDENTIAL,
    DTMF,
    EVENTS,
    ISSUED_AT,
    PUBLIC_KEY,
    RINGING,
    SECRET,
    STREAM_LEG,
    event,
    gotten,
    posted,
    text,
)
from vonage_voice.models import Connect, CreateCallRequest, Talk
from vonage_voice.models.common import WebsocketAuthorization
from vonage_voice.models.connect_endpoints import PhoneEndpoint, WebsocketEndpoint
from vonage_voice.models.responses import CreateCallResponse

from rapida_media.call.endings import order_refused
from rapida_media.errors import ProviderError
from rapida_media.providers.base import CallInfo, CallOrder, StatusInfo
from rapida_media.providers.http import WebhookRequest
from rapida_media.providers.vonage import SPEC
from rapida_media.providers.vonage.ncco import HEADERS_LIMIT_BYTES, connect_stream
from rapida_media.providers.vonage.signature import Verifier, stream_authorization
from rapida_media.providers.vonage.telephony import VonageTelephony
from rapida_media.testing.providers import CHECKS, ProviderCase

CREATED = {
    "uuid": CALL, "status": "started", "direction": "outbound", "conversation_uuid": CONVERSATION,
}  # fmt: skip
MEDIA_URL = "wss://media.example.com/telephony/vonage/media/42"
EVENT_URL = "https://media.example.com/telephony/vonage/event/42"
ORDER = CallOrder(
    to="+14155550100",
    from_="+15005550006",
    context_id="42",
    media_url=MEDIA_URL,
    event_url=EVENT_URL,
    answer_url="https://media.example.com/telephony/vonage/answer/42",
    parameters={"plan": "gold"},
)
SHOWN = stream_authorization(MEDIA_URL, CREDENTIAL)
REGION = "https://api-us-3.vonage.com"
INBOUND = CallInfo(CALL, "+14155550100", "+15005550006")


def telephony(*answers: tuple[int, object], **account: Any) -> tuple[VonageTelephony, Answers]:
    http = Answers(*answers)
    credential = replace(CREDENTIAL, **account)
    return VonageTelephony(credential, http, now=lambda: ISSUED_AT + 0.5), http


def case() -> ProviderCase:
    """The kit shows the same requests again: each check has a memory of its own."""
    return ProviderCase(
        spec=replace(SPEC, verify=Verifier()),
        credential=CREDENTIAL,
        call_webhook=posted(f"{BASE}/call/support?plan=gold", RINGING),
        call_id=CALL,
        statuses=[(posted(f"{BASE}/ctx/42/event", said), state) for said, state in EVENTS],
        start=[text(CONNECTED)],
        audio=bytes(640),
        digit=(text(DTMF), "5"),
        stop=None,
        mark_echo=lambda message: text(
            {"event": "websocket:notify", "payload": json.loads(message)["payload"]}
        ),
        loop_back=lambda message: message if isinstance(message, bytes) else None,
        created=(201, json.dumps(CREATED).encode(), CALL),
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_vonage_conforms(check: Any) -> None:
    check(case())


# -- webhooks --------------------------------------------------------------------------------------


def test_a_call_is_read_from_json_and_from_a_query() -> None:
    vonage, _ = telephony()
    told = {**RINGING, "SipHeader_X-Account": "7", "custom_data": "", "from_user": "zoë"}
    expected = CallInfo(
        CALL, "+14155550100", "+15005550006",
        parameters={"plan": "gold", "SipHeader_X-Account": "7", "from_user": "zoë"},
        facts={"region_url": REGION},
    )  # fmt: skip
    url = f"{BASE}/call/support?plan=gold"
    assert vonage.receive_call(posted(url, told)) == expected
    assert vonage.receive_call(gotten(url, told)) == expected


def test_custom_data_are_a_text_however_they_come() -> None:
    vonage, _ = telephony()
    data = {"ticket": 7, "of": ["zoë"]}
    text = '{"ticket":7,"of":["zo\\u00eb"]}'
    for request in (
        posted(f"{BASE}/call/support", {**RINGING, "custom_data": data}),
        gotten(f"{BASE}/call/support", {**RINGING, "custom_data": text}),
    ):
        assert vonage.receive_call(request).parameters == {"custom_data": text}


def test_a_caller_who_is_no_number_stays_as_he_is() -> None:
    vonage, _ = telephony()
    for caller in ("anonymous", "sip:zoe@example.com", "+14155550100", "123"):
        said = {"uuid": CALL, "from": caller, "to": "15005550006"}
        assert vonage.receive_call(posted(BASE, said)).caller == caller
    with pytest.raises(ProviderError, match="uuid"):
        vonage.receive_call(WebhookRequest("GET", f"{BASE}/call/support"))


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (REGION, REGION),
        ("https://api-eu-1.nexmo.com/", "https://api-eu-1.nexmo.com"),
        ("https://api.nexmo.com", "https://api.nexmo.com"),
        ("http://127.0.0.1:9411/", "http://127.0.0.1:9411"),
        ("http://api-us-3.vonage.com", None),
        ("https://api.evil.example/.vonage.com", None),
        ("https://api.vonage.com.evil.example", None),
        ("https://api-us-3.vonage.com:8443", None),
        ("https://api-us-3.vonage.com/x?y", None),
        ("https://evil@api.vonage.com", None),
        ("", None),
    ],
)
def test_our_token_goes_to_vonages_hosts_only(said: str, kept: str | None) -> None:
    vonage, _ = telephony(api_base="http://127.0.0.1:9411")
    call = vonage.receive_call(posted(BASE, {**RINGING, "region_url": said}))
    assert call.facts.get("region_url") == kept


def test_the_answer_is_this_ncco_and_vonages_library_writes_the_same() -> None:
    vonage, _ = telephony()
    call = replace(INBOUND, context_id="42", parameters={"who": 'Zoë & "x"'})
    reply = vonage.inbound_call(call, MEDIA_URL, EVENT_URL)
    assert (reply.status, reply.content_type) == (200, "application/json")
    headers = {"contextId": "42", "who": 'Zoë & "x"'}
    written = json.loads(reply.body)
    assert written == [
        {
            "action": "connect", "from": "15005550006", "eventUrl": [EVENT_URL],
            "eventMethod": "POST",
            "endpoint": [
                {
                    "type": "websocket", "uri": MEDIA_URL,
                    "content-type": "audio/l16;rate=16000", "headers": headers,
                    "authorization": {"type": "custom", "value": SHOWN},
                }
            ],
        }
    ]  # fmt: skip
    theirs = Connect(
        from_="15005550006",
        eventUrl=[EVENT_URL],
        eventMethod="POST",
        endpoint=[
            WebsocketEndpoint(
                uri=MEDIA_URL,
                contentType="audio/l16;rate=16000",
                headers=headers,
                authorization=WebsocketAuthorization(type="custom", value=SHOWN),
            )
        ],
    )
    assert [theirs.model_dump(mode="json", by_alias=True, exclude_none=True)] == written


def test_vonages_library_parses_our_answers() -> None:
    vonage, _ = telephony()
    call = replace(INBOUND, context_id="42")
    (connect,) = json.loads(vonage.inbound_call(call, MEDIA_URL, EVENT_URL).body)
    parsed = Connect.model_validate({**connect, "from_": connect["from"]})
    assert isinstance(parsed.endpoint[0], WebsocketEndpoint)
    assert (parsed.endpoint[0].uri, parsed.eventUrl) == (MEDIA_URL, [EVENT_URL])
    for reason in ("busy", "rejected"):
        (talk,) = json.loads(vonage.refuse_call(reason).body)
        assert Talk.model_validate(talk).text == talk["text"]
    busy, rejected = (vonage.refuse_call(each).body for each in ("busy", "rejected"))
    assert busy != rejected


def test_a_number_that_is_none_leaves_the_choice_to_vonage() -> None:
    vonage, _ = telephony()
    call = replace(INBOUND, called="sip:support@example.com")
    (connect,) = json.loads(vonage.inbound_call(call, MEDIA_URL, EVENT_URL).body)
    assert connect["randomFromNumber"] is True
    assert "from" not in connect


@given(handed=st.dictionaries(st.text(max_size=60), st.text(max_size=300), max_size=8))
def test_headers_never_grow_too_long(handed: dict[str, str]) -> None:
    document = connect_stream(MEDIA_URL, EVENT_URL, "x", "", {"contextId": "42", **handed})
    headers = document[0]["endpoint"][0]["headers"]
    assert len(json.dumps(headers).encode()) <= HEADERS_LIMIT_BYTES
    assert headers.items() <= {"contextId": "42", **handed}.items()


def test_parameters_vonage_has_no_room_for_are_left_out(caplog: pytest.LogCaptureFixture) -> None:
    handed = {"contextId": "42", "a": "b" * 500, "event": "x", "c": "d"}
    document = connect_stream(MEDIA_URL, EVENT_URL, "x", "", handed)
    assert document[0]["endpoint"][0]["headers"] == {"contextId": "42", "c": "d"}
    assert "no room for the parameter 'a'" in caplog.text
    assert "'event' is a word of Vonage's" in caplog.text


# -- news ------------------------------------------------------------------------------------------


def news(said: dict[str, Any], call: CallInfo = INBOUND) -> StatusInfo | None:
    return telephony()[0].status_callback(posted(f"{BASE}/ctx/42/event", said), call)


def test_news_say_why_in_vonages_words_and_as_a_sip_status() -> None:
    assert news(event("rejected", detail="declined")) == StatusInfo(
        CALL, "rejected", "failed", 603, "declined"
    )
    assert news(event("failed", detail="cannot_route", sip_code=480)) == StatusInfo(
        CALL, "failed", "failed", 480, "cannot_route"
    )
    assert news(event("failed", detail="new", sip_code="x")) == StatusInfo(
        CALL, "failed", "failed", None, "new"
    )


def test_the_legs_of_the_stream_do_not_end_the_call() -> None:
    leg = {"uuid": STREAM_LEG, "to": MEDIA_URL}
    for status in ("started", "answered", "completed", "disconnected"):
        assert news({**event(status), **leg}) is None
    assert news({**event("failed", reason="no socket"), **leg}) == StatusInfo(
        CALL, "stream failed", cause="no socket"
    )
    assert news(event("completed")) == StatusInfo(CALL, "completed", "completed")


def test_the_legs_of_the_stream_do_not_end_a_call_that_vonage_has_not_named() -> None:
    vonage, _ = telephony()
    leg = {"uuid": STREAM_LEG, "to": MEDIA_URL}
    for status in ("started", "answered", "completed", "disconnected"):
        asked = posted(f"{BASE}/ctx/42/event", {**event(status), **leg})
        assert vonage.status_callback(asked, CallInfo()) is None
    asked = posted(f"{BASE}/ctx/42/event", event("answered"))
    assert vonage.status_callback(asked, CallInfo()) == StatusInfo(CALL, "answered", "in-progress")


def test_errors_without_a_status_are_kept_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    said = {"reason": "Syntax error in NCCO. Bad.", "conversation_uuid": CONVERSATION}
    assert news(said) == StatusInfo("", f"error: {said['reason']}", cause=said["reason"])
    assert "Syntax error in NCCO" in caplog.text
    assert news({"conversation_uuid": CONVERSATION}) is None


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_says_all_vonage_needs_and_no_secret_in_its_url() -> None:
    vonage, http = telephony((201, CREATED))
    call = await vonage.outbound_call(ORDER)
    assert call == CallInfo(
        CALL, "+15005550006", "+14155550100", "initiated", "started",
        facts={"placed_from": "15005550006"},
    )  # fmt: skip
    (asked,), (said,) = http.asked, http.documents
    assert (asked.method, asked.url, asked.repeatable) == (
        "POST", "https://api.nexmo.com/v1/calls", False,
    )  # fmt: skip
    document = connect_stream(
        MEDIA_URL, EVENT_URL, SHOWN, "15005550006", {"contextId": "42", "plan": "gold"}
    )
    assert said == {
        "to": [{"type": "phone", "number": "14155550100"}],
        "from": {"type": "phone", "number": "15005550006"},
        "ncco": document, "event_url": [EVENT_URL], "event_method": "POST", "ringing_timer": 60,
    }  # fmt: skip
    assert CreateCallResponse(**CREATED).uuid == call.provider_call_id
    asked_for = {**said, "from_": said["from"], "ncco": [{**document[0], "from_": "15005550006"}]}
    assert CreateCallRequest.model_validate(asked_for).ringing_timer == 60


async def test_every_request_shows_a_token_of_its_own() -> None:
    vonage, http = telephony((201, CREATED), (204, {}))
    await vonage.outbound_call(ORDER)
    await vonage.hang_up(INBOUND)
    shown = []
    for asked in http.asked:
        scheme, token = asked.headers["authorization"].split()
        options: Any = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, PUBLIC_KEY, algorithms=["RS256"], options=options)
        shown.append(claims.pop("jti"))
        assert (scheme, claims) == ("Bearer", {
            "iat": ISSUED_AT, "exp": ISSUED_AT + 900, "application_id": APPLICATION,
        })  # fmt: skip
        assert SECRET not in asked.url + asked.body.decode() + str(asked.headers)
    assert len(set(shown)) == 2


@pytest.mark.parametrize(
    ("seconds", "asked"), [(0, 1), (45, 45), (120, 120), (600, 120)]
)  # fmt: skip
async def test_it_rings_no_longer_than_vonage_lets_it(seconds: int, asked: int) -> None:
    vonage, http = telephony((201, CREATED))
    await vonage.outbound_call(replace(ORDER, ring_seconds=seconds))
    assert http.documents[0]["ringing_timer"] == asked


async def test_a_sip_callee_and_no_number_of_ours() -> None:
    vonage, http = telephony((201, CREATED))
    await vonage.outbound_call(replace(ORDER, to="sip:zoe@example.com", from_=""))
    assert http.documents[0]["to"] == [{"type": "sip", "uri": "sip:zoe@example.com"}]
    assert http.documents[0]["random_from_number"] is True
    with pytest.raises(ProviderError, match="expected a number") as wrong:
        await vonage.outbound_call(replace(ORDER, to="client:zoe"))
    assert (wrong.value.code, len(http.asked)) == (400, 1)


PROBLEM = {"title": "Bad Request", "detail": "no such number", "type": "https://a.example"}


@pytest.mark.parametrize(
    ("answer", "failure_class", "retryable"),
    [
        ((400, PROBLEM), "configuration", False),
        ((401, {"error_title": "Unauthorized"}), "authentication", False),
        ((403, []), "authentication", False),
        ((429, {"title": "Too Many Requests"}), "capacity", True),
        ((503, "oops"), "network", True),
        ((200, {"no": "uuid"}), "configuration", False),
        ((302, []), "configuration", False),
    ],
)
async def test_a_refused_order_says_what_vonage_said(
    answer: tuple[int, object], failure_class: str, retryable: bool
) -> None:
    vonage, _ = telephony(answer)
    with pytest.raises(ProviderError) as refused:
        await vonage.outbound_call(ORDER)
    error = refused.value
    assert (error.code, error.status, error.retryable) == (answer[0], answer[0], retryable)
    if answer[1] is PROBLEM:
        assert str(error) == "Vonage answered 400: Bad Request: no such number"
    ending = order_refused(error.code, status=error.status, retryable=error.retryable)
    assert (ending.failure_class, ending.retryable) == (failure_class, retryable)


@pytest.mark.parametrize("status", [204, 200, 404, 400])
async def test_hanging_up_works_in_every_state_and_where_the_call_lives(status: int) -> None:
    vonage, http = telephony((status, {}))
    await vonage.hang_up(replace(INBOUND, facts={"region_url": REGION}))
    (asked,) = http.asked
    assert (asked.method, asked.url, asked.repeatable) == (
        "PUT", f"{REGION}/v1/calls/{CALL}", True,
    )  # fmt: skip
    assert http.documents == [{"action": "hangup"}]


async def test_a_hang_up_that_fails_says_so_and_an_unknown_call_needs_none() -> None:
    vonage, http = telephony((401, {"title": "Unauthorized"}))
    await vonage.hang_up(CallInfo())
    assert http.asked == []
    with pytest.raises(ProviderError) as failed:
        await vonage.hang_up(INBOUND)
    assert failed.value.code == 401


@pytest.mark.parametrize(
    ("target", "endpoint"),
    [
        ("+15550123", {"type": "phone", "number": "15550123"}),
        ("tel:+15550123", {"type": "phone", "number": "15550123"}),
        ("sip:a@b.example?x=1&y=2", {"type": "sip", "uri": "sip:a@b.example?x=1&y=2"}),
    ],
)
async def test_a_transfer_is_an_ncco(target: str, endpoint: dict[str, str]) -> None:
    vonage, http = telephony((204, {}))
    await vonage.transfer(INBOUND, target)
    document = [{"action": "connect", "from": "15005550006", "endpoint": [endpoint]}]
    assert http.documents == [
        {"action": "transfer", "destination": {"type": "ncco", "ncco": document}}
    ]
    if endpoint["type"] == "phone":
        theirs = Connect(from_="15005550006", endpoint=[PhoneEndpoint(number="15550123")])
        assert [theirs.model_dump(mode="json", by_alias=True, exclude_none=True)] == document


async def test_a_call_of_ours_is_sent_on_from_our_number() -> None:
    vonage, http = telephony((204, {}))
    placed = CallInfo(CALL, "+15005550006", "+14155550100", facts={"placed_from": "15005550006"})
    await vonage.transfer(placed, "+15550123")
    assert http.documents[0]["destination"]["ncco"][0]["from"] == "15005550006"


@pytest.mark.parametrize("target", ["", "mailto:a@b.example", "sip:", "sip:a b", "one", "client:a"])
async def test_a_target_that_vonage_cannot_call_is_not_sent(target: str) -> None:
    vonage, http = telephony()
    with pytest.raises(ProviderError):
        await vonage.transfer(INBOUND, target)
    assert http.asked == []


@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_transfer_that_is_refused_says_so(status: int) -> None:
    vonage, _ = telephony((status, {}))
    with pytest.raises(ProviderError) as refused:
        await vonage.transfer(INBOUND, "+15550123")
    assert refused.value.code == status
    with pytest.raises(ProviderError):
        await vonage.transfer(CallInfo(), "+15550123")


async def test_another_endpoint_is_asked_where_the_account_says() -> None:
    vonage, http = telephony((201, CREATED), api_base="https://api-ap-3.vonage.com")
    await vonage.outbound_call(ORDER)
    assert http.asked[0].url == "https://api-ap-3.vonage.com/v1/calls"
