"""Webhooks, TwiML and the Calls resource, without a network; and the shared conformance kit."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from providers.answers import Answers
from recorded_twilio import (
    ACCOUNT,
    BASE,
    CALL,
    CONNECTED,
    CREDENTIAL,
    DTMF,
    RINGING,
    START,
    STATUSES,
    STOP,
    TOKEN,
    media,
    signed,
    status,
    text,
)

from rapida_media.call.endings import order_refused
from rapida_media.errors import ProviderError
from rapida_media.providers.base import CallInfo, CallOrder, StatusInfo
from rapida_media.providers.http import WebhookRequest
from rapida_media.providers.twilio import SPEC
from rapida_media.providers.twilio.telephony import TwilioTelephony
from rapida_media.providers.twilio.twiml import connect_stream
from rapida_media.testing.providers import CHECKS, ProviderCase

CREATED = json.dumps({"sid": CALL, "status": "queued", "price": None, "queue_time": "0"}).encode()
ORDER = CallOrder(
    to="+14155550100",
    from_="+15005550006",
    context_id="42",
    media_url="wss://media.example.com/telephony/twilio/media/42",
    event_url="https://media.example.com/telephony/twilio/status/42",
    answer_url="https://media.example.com/telephony/twilio/answer/42",
)


def looped(message: str | bytes) -> str | None:
    """Give what a caller's line would say who hears what we say."""
    said = json.loads(message)
    return text({**media(), **said, "media": said["media"]}) if said["event"] == "media" else None


def echoed(message: str | bytes) -> str:
    return text({**json.loads(message), "sequenceNumber": "9"})


CASE = ProviderCase(
    spec=SPEC,
    credential=CREDENTIAL,
    call_webhook=signed(f"{BASE}/call/support?plan=gold", RINGING),
    call_id=CALL,
    statuses=STATUSES,
    start=[text(CONNECTED), text(START)],
    audio=text({**media(), "media": {"payload": media()["media"]["payload"]}}),
    digit=(text(DTMF), "1"),
    stop=text(STOP),
    mark_echo=echoed,
    loop_back=looped,
    created=(201, CREATED, CALL),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_twilio_conforms(check: Any) -> None:
    check(CASE)


# -- webhooks --------------------------------------------------------------------------------------


def test_a_call_is_read_from_a_form_and_from_a_query() -> None:
    telephony = TwilioTelephony(CREDENTIAL, Answers())
    told = {**RINGING, "CallerName": "ZOË", "ForwardedFrom": "", "StirVerstat": "TN-Validation"}
    posted = telephony.receive_call(signed(f"{BASE}/call/support?plan=gold", told))
    assert posted == CallInfo(
        CALL, "+14155550100", "+15005550006", "ringing", "ringing",
        parameters={"plan": "gold", "CallerName": "ZOË", "StirVerstat": "TN-Validation"},
    )  # fmt: skip
    got = telephony.receive_call(
        WebhookRequest("GET", f"{BASE}/call/support?CallSid={CALL}&From=anonymous&To=%2B1500")
    )
    assert got == CallInfo(CALL, "anonymous", "+1500")
    with pytest.raises(ProviderError, match="CallSid"):
        telephony.receive_call(WebhookRequest("GET", f"{BASE}/call/support"))


def test_the_answer_is_this_twiml() -> None:
    call = CallInfo(CALL, context_id="42", parameters={"who": 'A & B\'s "x" <y>\n'})
    reply = TwilioTelephony(CREDENTIAL, Answers()).inbound_call(
        call, "wss://media.example.com/m/42", "https://media.example.com/e?a=1&b=2"
    )
    assert (reply.status, reply.content_type) == (200, "text/xml")
    assert reply.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Connect>'
        '<Stream url="wss://media.example.com/m/42" name="42"'
        ' statusCallback="https://media.example.com/e?a=1&amp;b=2" statusCallbackMethod="POST">'
        '<Parameter name="contextId" value="42"/>'
        '<Parameter name="who" value="A &amp; B\'s &quot;x&quot; &lt;y&gt;&#10;"/>'
        "</Stream></Connect></Response>"
    )


def test_a_refusal_is_this_twiml() -> None:
    telephony = TwilioTelephony(CREDENTIAL, Answers())
    head = '<?xml version="1.0" encoding="UTF-8"?><Response><Reject reason='
    assert telephony.refuse_call("busy").body.decode() == f'{head}"busy"/></Response>'
    assert telephony.refuse_call("other").body.decode() == f'{head}"rejected"/></Response>'


@given(name=st.text(max_size=40), value=st.text(max_size=400))
def test_no_parameter_breaks_the_document(name: str, value: str) -> None:
    document = connect_stream("wss://a.example/m", "https://a.example/e", "42", {name: value})
    parameters = list(ElementTree.fromstring(document).iter("Parameter"))
    said = [(each.get("name"), each.get("value")) for each in parameters]

    def in_xml(words: str) -> str:
        """XML 1.0 has no way to write the others."""
        return "".join(c for c in words if c in "\t\n\r" or (c >= "\x20" and c not in "￾￿"))

    assert said[-1] == (in_xml(name), in_xml(value)) or name == "contextId"


def test_a_parameter_too_long_for_twilio_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    document = connect_stream("wss://a.example/m", "https://a.example/e", "42", {"a": "b" * 500})
    assert [each.get("name") for each in ElementTree.fromstring(document).iter("Parameter")] == [
        "contextId"
    ]
    assert "'a' is too long" in caplog.text


def test_the_end_of_a_call_has_its_sip_status() -> None:
    telephony = TwilioTelephony(CREDENTIAL, Answers())
    busy = telephony.status_callback(status("busy", 3, SipResponseCode="486"), CallInfo(CALL))
    assert busy == StatusInfo(CALL, "busy", "busy", 486)
    odd = telephony.status_callback(status("busy", 3, SipResponseCode="x" * 9), CallInfo(CALL))
    assert odd == StatusInfo(CALL, "busy", "busy")


def test_news_that_are_no_state_are_kept_in_twilios_words() -> None:
    telephony = TwilioTelephony(CREDENTIAL, Answers())
    for fields, expected in (
        ({"StreamEvent": "stream-started"}, None),
        (
            {"StreamEvent": "stream-error", "StreamError": "31902"},
            StatusInfo(CALL, "stream-error", cause="31902"),
        ),
        ({"AnsweredBy": "machine_start"}, StatusInfo(CALL, "machine_start")),
        ({"RecordingUrl": "https://a.example"}, None),
    ):
        request = signed(f"{BASE}/event/support", {"CallSid": CALL, **fields})
        assert telephony.catch_all_status_callback(request) == expected


# -- orders ----------------------------------------------------------------------------------------


async def test_an_order_says_all_twilio_needs_and_no_secret_in_its_url() -> None:
    http = Answers((201, {"sid": CALL, "status": "queued"}))
    call = await TwilioTelephony(CREDENTIAL, http).outbound_call(ORDER)
    assert call == CallInfo(CALL, "+15005550006", "+14155550100", "queued", "queued")
    (asked,), (form,) = http.asked, http.forms
    assert (asked.method, asked.url, asked.repeatable) == (
        "POST", f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls.json", False,
    )  # fmt: skip
    basic = b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
    assert asked.headers["authorization"] == f"Basic {basic}"
    document = ElementTree.fromstring(form.pop("Twiml")[0])
    stream = document.find("Connect/Stream")
    assert stream is not None
    assert (stream.get("url"), stream.get("name")) == (ORDER.media_url, "42")
    assert form == {
        "To": ["+14155550100"], "From": ["+15005550006"], "StatusCallback": [ORDER.event_url],
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
        "StatusCallbackMethod": ["POST"], "Timeout": ["60"],
    }  # fmt: skip


async def test_a_region_and_an_api_key_are_used() -> None:
    account = replace(
        CREDENTIAL,
        values={**CREDENTIAL.values, "api_key": "SK1", "api_secret": "s"},
        api_base="https://api.dublin.ie1.twilio.com",
    )
    http = Answers((201, {"sid": CALL}))
    await TwilioTelephony(account, http).outbound_call(ORDER)
    assert http.asked[0].url.startswith("https://api.dublin.ie1.twilio.com/2010-04-01/")
    assert http.asked[0].headers["authorization"] == f"Basic {b64encode(b'SK1:s').decode()}"


async def test_twiml_too_long_for_an_order_is_fetched() -> None:
    http = Answers((201, {"sid": CALL}))
    parameters = {f"p{n}": "x" * 450 for n in range(9)}
    await TwilioTelephony(CREDENTIAL, http).outbound_call(replace(ORDER, parameters=parameters))
    assert "Twiml" not in http.forms[0]
    assert http.forms[0]["Url"] == [ORDER.answer_url]


@pytest.mark.parametrize(
    ("answer", "code", "failure_class", "retryable"),
    [
        ((400, {"code": 21211, "message": "no"}), 21211, "configuration", False),
        ((401, {"code": 20003, "message": "no"}), 20003, "authentication", False),
        ((429, {"code": 20429, "message": "slow"}), 20429, "capacity", True),
        ((503, {"code": 20503, "message": "down"}), 20503, "network", True),
        ((500, "oops"), 500, "network", True),
        ((200, {"no": "sid"}), 200, "configuration", False),
        ((302, []), 302, "configuration", False),
    ],
)
async def test_a_refused_order_says_what_twilio_said(
    answer: tuple[int, object], code: int, failure_class: str, retryable: bool
) -> None:
    with pytest.raises(ProviderError) as refused:
        await TwilioTelephony(CREDENTIAL, Answers(answer)).outbound_call(ORDER)
    error = refused.value
    assert (error.code, error.status, error.retryable) == (code, answer[0], retryable)
    ending = order_refused(error.code, status=error.status, retryable=error.retryable)
    assert (ending.code, ending.failure_class, ending.retryable) == (code, failure_class, retryable)
    assert TOKEN not in str(error)


GONE = (404, {"code": 20404, "message": "not found"})
NOT_IN_PROGRESS = (400, {"code": 21220, "message": "not in progress"})


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([(200, {})], ["completed"]),
        ([GONE], ["completed"]),
        ([NOT_IN_PROGRESS, (200, {})], ["completed", "canceled"]),
        ([NOT_IN_PROGRESS, NOT_IN_PROGRESS], ["completed", "canceled"]),
        ([NOT_IN_PROGRESS, GONE], ["completed", "canceled"]),
    ],
)
async def test_hanging_up_works_in_every_state(
    answers: list[tuple[int, object]], said: list[str]
) -> None:
    http = Answers(*answers)
    await TwilioTelephony(CREDENTIAL, http).hang_up(CallInfo(CALL))
    assert [form["Status"] for form in http.forms] == [[each] for each in said]
    assert all(each.repeatable and each.url.endswith(f"/Calls/{CALL}.json") for each in http.asked)


async def test_a_hang_up_that_fails_says_so() -> None:
    with pytest.raises(ProviderError) as failed:
        await TwilioTelephony(CREDENTIAL, Answers((401, {"code": 20003}))).hang_up(CallInfo(CALL))
    assert failed.value.code == 20003


async def test_a_call_that_twilio_never_named_needs_no_hang_up() -> None:
    http = Answers()
    await TwilioTelephony(CREDENTIAL, http).hang_up(CallInfo())
    assert http.asked == []


@pytest.mark.parametrize(
    ("target", "noun", "written"),
    [
        ("+15550123", "Number", "+15550123"),
        ("tel:+15550123", "Number", "+15550123"),
        ("sip:a@b.example?x=1&y=2", "Sip", "sip:a@b.example?x=1&y=2"),
        ("client:zoe", "Client", "zoe"),
    ],
)
async def test_a_transfer_dials_its_target(target: str, noun: str, written: str) -> None:
    http = Answers((200, {}))
    await TwilioTelephony(CREDENTIAL, http).transfer(CallInfo(CALL), target)
    found = ElementTree.fromstring(http.forms[0]["Twiml"][0]).find(f"Dial/{noun}")
    assert found is not None
    assert found.text == written


@pytest.mark.parametrize("target", ["", "mailto:a@b.example", "sip:", "+1<Say/>", "one"])
async def test_a_target_that_twilio_cannot_dial_is_not_sent(target: str) -> None:
    http = Answers()
    with pytest.raises(ProviderError):
        await TwilioTelephony(CREDENTIAL, http).transfer(CallInfo(CALL), target)
    assert http.asked == []


@pytest.mark.parametrize("answer", [GONE, NOT_IN_PROGRESS, (500, {})])
async def test_a_transfer_that_is_refused_says_so(answer: tuple[int, object]) -> None:
    telephony = TwilioTelephony(CREDENTIAL, Answers(answer))
    with pytest.raises(ProviderError):
        await telephony.transfer(CallInfo(CALL), "+15550123")
