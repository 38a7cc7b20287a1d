"""The conformance kit: what every provider has to stand, the engine's own and everybody else's.

A provider's tests describe it by a ``ProviderCase`` of recorded requests and messages, and run each
of ``CHECKS`` on it, for example with pytest's parametrize. A check raises AssertionError with a
sentence. No network, no clock: requests go to a recorded answer, media through a virtual line.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import urlsplit
from xml.etree import ElementTree

from rapida_media.agents.events import Audio
from rapida_media.config import Credential
from rapida_media.errors import ProviderError
from rapida_media.kernels import Tone, level_dbov
from rapida_media.legs.stream_audio import from_bus, to_bus
from rapida_media.legs.stream_leg import StreamLeg
from rapida_media.providers.base import CallInfo, CallOrder, ProviderSpec, Telephony
from rapida_media.providers.http import HttpReply, HttpRequest, Reply, WebhookRequest
from rapida_media.providers.stream import (
    AudioReceived,
    DigitReceived,
    MarkReached,
    Started,
    Stopped,
    StreamMessage,
    StreamProtocol,
)

MEDIA_URL = "wss://voice.example.com/v1/talk/x/ctx/0123456789abcdef0123456789abcdef"
EVENT_URL = f"{MEDIA_URL.replace('wss', 'https')}/event?a=1&b=2"
TICK_S = 0.005
GARBAGE_MESSAGES = 2000


@dataclass(frozen=True)
class ProviderCase:
    """One provider, with what was recorded of it.

    call_webhook: announces the call ``call_id``, and is genuine under ``credential``.
    statuses: genuine callbacks of that call and the state each stands for; None for no state.
    start: the messages of a stream up to its Started.  audio, digit, stop: messages behind them.
    mark_echo: gives the platform's answer to our mark, loop_back to our media: what it would send
    if it heard that; None where it has none.
    created: status and body of the answer to an order, and the id in it; None: calls nobody.
    answer_names: what the answer to the webhook has to name; another than the media URL where the
    provider knows the way, and is told which call alone. The context is 32 times the letter c.
    """

    spec: ProviderSpec
    credential: Credential | None
    call_webhook: WebhookRequest
    call_id: str
    statuses: Sequence[tuple[WebhookRequest, str | None]]
    start: Sequence[StreamMessage]
    audio: StreamMessage
    stop: StreamMessage | None
    loop_back: Callable[[StreamMessage], StreamMessage | None]
    digit: tuple[StreamMessage, str] | None = None
    mark_echo: Callable[[StreamMessage], StreamMessage | None] | None = None
    created: tuple[int, bytes, str] | None = None
    answer_names: str = MEDIA_URL


@dataclass
class RecordedHttp:
    """``HttpClient`` that gives one answer and keeps what was asked."""

    reply: HttpReply
    asked: list[HttpRequest] = field(default_factory=list)

    async def send(self, request: HttpRequest) -> HttpReply:
        self.asked.append(request)
        return self.reply


class Line:
    """A stream leg in virtual time, with the provider's messages in a list."""

    def __init__(self, case: ProviderCase) -> None:
        self.case = case
        self.sent: list[StreamMessage] = []
        self.started: list[Started] = []
        self.stopped: list[Stopped] = []
        self.heard: list[Audio] = []
        self.digits: list[str] = []
        self.marks: list[tuple[int, bool]] = []
        self.now = 100.0
        self.protocol = _stream(case)
        self.leg = StreamLeg(case.spec, self.protocol, self, self)
        self.leg.connect(
            lambda digit, _: self.digits.append(digit),
            lambda mark_id, played: self.marks.append((mark_id, played)),
        )
        self.leg.received.subscribe(self.heard.append)
        for message in case.start:
            self.leg.receive(message, self.now)

    def send(self, message: StreamMessage, *, audio: bool = False) -> None:
        self.sent.append(message)

    def drop_audio(self) -> None:
        """Nothing waits here."""

    def stream_started(self, event: Started) -> None:
        self.started.append(event)

    def stream_stopped(self, event: Stopped) -> None:
        self.stopped.append(event)

    def run(self, seconds: float) -> None:
        """Let time pass, and let the platform answer what it is sent."""
        for _ in range(round(seconds / TICK_S)):
            self.now += TICK_S
            before = len(self.sent)
            self.leg.tick(self.now)
            for message in self.sent[before:]:
                answer = self.case.loop_back(message)
                if answer is not None:
                    self.leg.receive(answer, self.now)


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
    chunk_ms = _started(case).chunk_ms
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


# -- media ---------------------------------------------------------------------------------------


def check_a_stream_starts_and_stops(case: ProviderCase) -> None:
    line = Line(case)
    assert len(line.started) == 1, f"expected one Started, got {line.started}"
    if case.stop is not None:
        line.leg.receive(case.stop, line.now)
        assert len(line.stopped) == 1, f"expected one Stopped, got {line.stopped}"


def check_audio_and_keys_arrive(case: ProviderCase) -> None:
    line = Line(case)
    for _ in range(5):
        line.leg.receive(case.audio, line.now)
    assert line.leg.packets_received == 5, "audio was not understood"
    if case.digit is not None:
        line.leg.receive(case.digit[0], line.now)
        assert line.digits == [case.digit[1]], f"expected a key, got {line.digits}"


def check_nonsense_of_the_stream_is_harmless(case: ProviderCase) -> None:
    protocol, random = _stream(case), Random(11)  # noqa: S311 — repeatable
    for message in _nonsense(case, random):
        for event in protocol.receive(message):
            assert event is not None, "an event is one of providers.stream"


def check_a_tone_crosses_both_ways(case: ProviderCase) -> None:
    line = Line(case)
    tone = Tone(1000.0, dbov=-16.0).read(16_000)
    line.leg.write(tone)
    line.run(1.6)
    heard = b"".join(frame.pcm for frame in line.heard)
    loud = heard[: len(tone)]
    assert len(heard) >= len(tone) - 1280, f"{len(heard)} of {len(tone)} bytes came back"
    level = level_dbov(loud[3200:-3200])
    assert -18 <= level <= -14, f"a tone at -16 dBov came back at {level} dBov"
    crossings = sum((loud[at + 1] ^ loud[at + 3]) >> 7 for at in range(3200, len(loud) - 3204, 2))
    hertz = crossings / 2 / ((len(loud) - 6404) / 32_000)
    assert 990 <= hertz <= 1010, f"a tone of 1000 Hz came back with {hertz:.0f} Hz"


def check_audio_is_sent_a_bounded_time_ahead(case: ProviderCase) -> None:
    line = Line(case)
    line.leg.write(bytes(16_000 * 2 * 5))
    line.run(1.0)
    convert = to_bus(line.protocol.sends)
    sent_s = 0.0
    for message in line.sent:
        answer = case.loop_back(message)
        for event in line.protocol.receive(answer) if answer is not None else ():
            if isinstance(event, AudioReceived):
                sent_s += len(convert(event.payload)) / 32_000
    bound = 1.0 + max(case.spec.lead_ms, line.protocol.chunk_ms) / 1000 + 0.05
    assert sent_s <= bound, f"{sent_s:.2f} s were sent in 1 s"


def check_marks_come_true(case: ProviderCase) -> None:
    protocol = _started(case)
    message = protocol.mark("m1")
    if message is None:
        assert case.mark_echo is None, "the protocol has no mark, and the case an echo"
        return
    assert case.mark_echo is not None, "the case says nothing of the platform's answer to a mark"
    answer = case.mark_echo(message)
    assert answer is not None, "the platform does not answer this mark"
    assert list(protocol.receive(answer)) == [MarkReached("m1")], "the answer names another mark"


def check_speech_can_be_cut_off(case: ProviderCase) -> None:
    line = Line(case)
    line.leg.write(Tone(440.0).read(32_000))
    line.leg.mark(1)
    line.run(0.5)
    heard_ms = line.leg.clear()
    bound = max(case.spec.lead_ms, line.protocol.chunk_ms) + 40
    assert 440 <= heard_ms <= 500 + bound, f"after 500 ms, {heard_ms} ms were heard"
    sent = len(line.sent)
    line.run(0.5)
    if not case.spec.continuous:
        assert len(line.sent) == sent, "it went on speaking"
    assert line.marks == [(1, False)], f"the mark was told {line.marks}"


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
    check_a_stream_starts_and_stops,
    check_audio_and_keys_arrive,
    check_nonsense_of_the_stream_is_harmless,
    check_a_tone_crosses_both_ways,
    check_audio_is_sent_a_bounded_time_ahead,
    check_marks_come_true,
    check_speech_can_be_cut_off,
)


# -- helpers -------------------------------------------------------------------------------------


def _telephony(case: ProviderCase, http: RecordedHttp | None = None) -> Telephony:
    assert case.spec.telephony is not None, "there is no telephony"
    return case.spec.telephony(case.credential, http or RecordedHttp(HttpReply(200)))


def _stream(case: ProviderCase) -> StreamProtocol:
    assert case.spec.stream is not None, "there is no stream"
    return case.spec.stream()


def _elsewhere(url: str) -> str:
    """Give the URL of something else, with the same query."""
    path, mark, query = url.partition("?")
    return f"{path}x{mark}{query}"


def _started(case: ProviderCase) -> StreamProtocol:
    protocol = _stream(case)
    for message in case.start:
        for event in protocol.receive(message):
            assert not isinstance(event, DigitReceived | Stopped), "the stream only starts"
    return protocol


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


def _nonsense(case: ProviderCase, random: Random) -> list[StreamMessage]:
    """Recorded messages cut and bent, JSON of the wrong kinds, and noise."""
    messages: list[StreamMessage] = ["", b"", "{}", "[]", "null", "1", '"x"', "[" * 10_000, "\x00"]
    recorded = [*case.start, case.audio, *([case.stop] if case.stop is not None else [])]
    while len(messages) < GARBAGE_MESSAGES:
        victim = random.choice(recorded)
        at, upto = sorted(random.randrange(len(victim) + 1) for _ in range(2))
        if isinstance(victim, bytes):
            messages.append(victim[:at] + random.randbytes(upto - at) + victim[upto:])
        else:
            noise = "".join(random.choice('{}[]":,0aé\\ ') for _ in range(random.randrange(4)))
            messages.append(victim[:at] + noise + victim[upto:])
        messages.append(random.randbytes(random.randrange(700)))
    return messages
