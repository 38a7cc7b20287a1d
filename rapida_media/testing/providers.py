"""The conformance kit: what every provider has to stand, the engine's own and everybody else's.

A provider's tests describe it by a ``ProviderCase`` of recorded requests and messages, and run each
of ``CHECKS`` on it, for example with pytest's parametrize. A check raises AssertionError with a
sentence. No network, no clock: requests go to a recorded answer, media through a virtual line.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import urlsplit
from xml.etree import ElementTree

from rapida_media.errors import ProviderError
from rapida_media.legs.stream_audio import from_bus, to_bus
from rapida_media.providers.base import CallInfo, CallOrder, Telephony
from rapida_media.providers.http import HttpReply, HttpRequest, Reply
from rapida_media.testing.provider_case import MEDIA_URL, ProviderCase, started_stream
from rapida_media.testing.provider_media import MEDIA_CHECKS

__all__ = ["CHECKS", "ProviderCase", "RecordedHttp"]

EVENT_URL = f"{MEDIA_URL.replace('wss', 'https')}/event?a=1&b=2"


@dataclass
class RecordedHttp:
    """``HttpClient`` that gives one answer and keeps what was asked."""

    reply: HttpReply
    asked: list[HttpRequest] = field(default_factory=list)

    async def send(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request)
        return self.reply


# -- what the spec says --------------------------------------------------------------------------


def check_the_spec_is_complete(case: ProviderCase) -> None:
    spec = case.spec
    assert spec.name == spec.name.lower(), "a name is lower case: it stands in URLs"
    assert urlsplit(f"/{spec.name}").path == f"/{spec.name}", "a name stands in URLs"
    assert spec.telephony is not None, "there is no telephony"
    assert spec.stream is not None, "there is no stream"
    assert spec.formats, "formats says nothing"
    for audio in spec.formats:
        to_bus(audio)
        from_bus(audio)
    chunk_ms = started_stream(case).chunk_ms
    assert chunk_ms > 0, "chunk_ms is not positive"
    assert chunk_ms % 20 == 0, "chunk_ms is no multiple of 20"
    assert spec.lead_ms >= chunk_ms, "lead_ms has to hold at least a chunk"
    if case.credential is not None:
        known = {key.name for key in spec.credential_keys}
        assert set(case.credential.values) <= known, "the case uses keys the spec does not name"


# -- who asks ------------------------------------------------------------------------------------


def check_genuine_requests_are_verified(case: ProviderCase) -> None:
    for request in (case.call_webhook, *(request for request, _ in case.statuses)):
        why = case.spec.verify(request, case.credential)
        assert why is None, f"a genuine request was refused: {why}"


def check_forged_requests_are_refused(case: ProviderCase) -> None:
    genuine = case.call_webhook
    forged = {
        "without header fields": replace(genuine, headers={}),
        "with another body": replace(genuine, body=genuine.body + b" "),
        "for another URL": replace(genuine, url=_elsewhere(genuine.url)),
        "with header fields of nonsense": replace(
            genuine, headers=dict.fromkeys(genuine.headers, "\xff nonsense,;=\"'")
        ),
    }
    if not case.spec.verification:
        return  # the platform signs nothing, and the spec says so
    refused = {
        name: case.spec.verify(request, case.credential) is not None
        for name, request in forged.items()
    }
    assert refused["without header fields"], "a request without header fields was verified"
    assert refused["with header fields of nonsense"], "nonsense was verified"
    assert refused["with another body"] or not genuine.body, "another body was verified"
    assert refused["for another URL"] or refused["with another body"], "nothing is signed"


# -- webhooks ------------------------------------------------------------------------------------


def check_a_call_is_understood(case: ProviderCase) -> None:
    call = _telephony(case).receive_call(case.call_webhook)
    assert call.provider_call_id == case.call_id, f"expected {case.call_id}, got {call}"
    assert call.caller, "who calls is missing"


def check_the_answer_brings_the_media_here(case: ProviderCase) -> None:
    telephony = _telephony(case)
    call = replace(telephony.receive_call(case.call_webhook), context_id="c" * 32)
    reply = telephony.inbound_call(call, MEDIA_URL, EVENT_URL)
    assert reply.status == 200, f"expected 200, got {reply.status}"
    named = [text.partition("?")[0] for text in _texts(reply)]
    assert case.answer_names in named, f"{case.answer_names} is not in the answer, as written"


def check_a_call_can_be_refused(case: ProviderCase) -> None:
    for reason in ("busy", "rejected"):
        reply = _telephony(case).refuse_call(reason)
        assert 200 <= reply.status < 600
        assert "wss://" not in " ".join(_texts(reply)), "a refusal brings no media"


def check_news_are_understood(case: ProviderCase) -> None:
    telephony = _telephony(case)
    call = CallInfo(case.call_id)
    for request, state in case.statuses:
        for news in (
            telephony.status_callback(request, call),
            telephony.catch_all_status_callback(request),
        ):
            assert news is not None, f"news were not understood: {request.fields()}"
            assert news.provider_call_id in (case.call_id, ""), "news of another call"
            assert news.state == state, f"expected {state}, got {news.state} for {news.raw!r}"
            assert news.raw, "the provider's own word is missing"


def check_nonsense_of_webhooks_is_harmless(case: ProviderCase) -> None:
    telephony, random = _telephony(case), Random(7)  # noqa: S311 — repeatable
    for _ in range(200):
        body = bytes(random.randrange(256) for _ in range(random.randrange(60)))
        kind = random.choice(
            ("application/json", "application/x-www-form-urlencoded", "text/xml", "")
        )
        request = replace(case.call_webhook, body=body, headers={"content-type": kind})
        request = replace(request, url=request.url.partition("?")[0])
        case.spec.verify(request, case.credential)
        for read in (telephony.receive_call, telephony.catch_all_status_callback):
            try:
                read(request)
            except ProviderError:
                continue


# -- orders --------------------------------------------------------------------------------------


def check_a_call_is_ordered(case: ProviderCase) -> None:
    if case.created is None:
        assert not case.spec.outbound, "the spec says outbound, and the case says nothing"
        return
    status, body, call_id = case.created
    http = RecordedHttp(HttpReply(status, {"content-type": "application/json"}, body))
    call = asyncio.run(_telephony(case, http).outbound_call(_order()))
    assert call.provider_call_id == call_id, f"expected {call_id}, got {call.provider_call_id}"
    said = b"".join(request.url.encode() + request.body for request in http.asked).decode()
    assert "15550100" in said, "who is called is missing in the order"


def check_a_refused_order_is_an_error(case: ProviderCase) -> None:
    if case.created is None:
        return
    for status in (400, 401, 429, 500, 503):
        http = RecordedHttp(HttpReply(status, {}, b'{"nothing":["known"]}'))
        code: int | None = None
        try:
            asyncio.run(_telephony(case, http).outbound_call(_order()))
        except ProviderError as error:
            code = error.code
        assert code is not None, f"{status} was taken for a call, or the error has no code"


def check_hanging_up_twice_is_no_error(case: ProviderCase) -> None:
    http = RecordedHttp(HttpReply(404, {}, b"{}"))
    asyncio.run(_telephony(case, http).hang_up(CallInfo(case.call_id)))


CHECKS: tuple[Callable[[ProviderCase], None], ...] = (
    check_the_spec_is_complete,
    check_genuine_requests_are_verified,
    check_forged_requests_are_refused,
    check_a_call_is_understood,
    check_the_answer_brings_the_media_here,
    check_a_call_can_be_refused,
    check_news_are_understood,
    check_nonsense_of_webhooks_is_harmless,
    check_a_call_is_ordered,
    check_a_refused_order_is_an_error,
    check_hanging_up_twice_is_no_error,
    *MEDIA_CHECKS,
)


# -- helpers -------------------------------------------------------------------------------------


def _telephony(case: ProviderCase, http: RecordedHttp | None = None) -> Telephony:
    assert case.spec.telephony is not None, "there is no telephony"
    return case.spec.telephony(case.credential, http or RecordedHttp(HttpReply(200)))


def _elsewhere(url: str) -> str:
    """Give the URL of something else, with the same query."""
    path, mark, query = url.partition("?")
    return f"{path}x{mark}{query}"


def _order() -> CallOrder:
    return CallOrder(
        to="+15550100",
        from_="+15550199",
        context_id="c" * 32,
        media_url=MEDIA_URL,
        event_url=EVENT_URL,
        answer_url=EVENT_URL.replace("event", "answer"),
        parameters={"plan": "gold"},
    )


def _texts(reply: Reply) -> list[str]:
    """Give every text of a document, as its reader sees it: an unescaped & breaks it here."""
    document = reply.body.decode()
    if "xml" in reply.content_type:
        elements = list(ElementTree.fromstring(document).iter())  # noqa: S314 — our own document
        values = [value for each in elements for value in each.attrib.values()]
        return values + [each.text or "" for each in elements]
    if "json" in reply.content_type:
        return _strings(json.loads(document))
    return [document]


def _strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _strings(each)]
    if isinstance(value, list):
        return [text for each in value for text in _strings(each)]
    return [value] if isinstance(value, str) else []
