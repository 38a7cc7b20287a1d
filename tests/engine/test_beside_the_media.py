"""What travels beside the media within a call: keys by INFO both ways, texts, OPTIONS."""

from __future__ import annotations

import asyncio

import pytest

from rapida_media.agents.events import Digit, Message
from rapida_media.call.call import Call
from rapida_media.errors import LocalProtocolError

from .conftest import AgentNamer, Bench
from .far_end import answer, request_number
from .phone import PhoneCall
from .waiting import eventually


class Presser:
    """An agent that presses keys at once and keeps what it is told."""

    def __init__(self, keys: str = "") -> None:
        self.keys = keys
        self.sent: bool | LocalProtocolError | None = None
        self.events: list[object] = []

    async def __call__(self, call: Call) -> None:
        if self.keys:
            try:
                self.sent = await call.send_digits(self.keys)
            except LocalProtocolError as error:
                self.sent = error
        async for event in call:
            if isinstance(event, Digit | Message):
                self.events.append(event)


def without_events(call: PhoneCall) -> str:
    return (
        call.sdp().replace(" 101\r\n", "\r\n").replace("a=rtpmap:101 telephone-event/8000\r\n", "")
    )


async def plain_call(bench: Bench, headers: list[tuple[str, str]] | None = None) -> PhoneCall:
    """Place a call that negotiates no telephone-event."""
    phone = await bench.phone()
    call = phone.new_call()
    call.send_invite(without_events(call), headers or [])
    assert await call.final() == 200
    return call


async def ask(call: PhoneCall, method: str, content: str, body: str) -> int:
    call.cseq += 1
    request = call._request(method, call.cseq, headers=[("Content-Type", content)])
    head = request.split(b"Content-Length")[0]
    call.phone.send(head + f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    status: int = (await call.phone.response(call.call_id, method, call.cseq)).status
    return status


async def test_keys_and_texts_of_the_far_end_reach_the_agent(
    bench: Bench, agent_named: AgentNamer
) -> None:
    presser = Presser()
    await bench.start(agent=agent_named(presser))
    call = await (await bench.phone()).call()
    relay = "application/dtmf-relay"
    assert await ask(call, "INFO", relay, "Signal=5\r\nDuration=160\r\n") == 200
    assert await ask(call, "INFO", "application/dtmf", "#") == 200
    assert await ask(call, "INFO", relay, "Signal=nothing\r\n") == 200
    assert await ask(call, "MESSAGE", "text/plain", "hello") == 200
    assert await ask(call, "MESSAGE", "text/html", "<p>") == 415
    await eventually(lambda: len(presser.events) == 3)
    assert presser.events == [Digit("5", 160), Digit("#", 100), Message("hello")]
    call.cseq += 1
    call.phone.send(call._request("OPTIONS", call.cseq))
    options = await call.phone.response(call.call_id, "OPTIONS", call.cseq)
    assert (options.status, "UPDATE" in options.allow) == (200, True)
    assert await call.bye() == 200


async def test_keys_go_by_info_one_after_the_other_to_a_far_end_without_telephone_event(
    bench: Bench, agent_named: AgentNamer
) -> None:
    presser = Presser("1#")
    await bench.start(agent=agent_named(presser))
    call = await plain_call(bench)
    first = await request_number(call, "INFO")
    assert first.header("Content-Type") == "application/dtmf-relay"
    assert first.body == b"Signal=1\r\nDuration=100\r\n"
    await asyncio.sleep(0.05)
    assert len({info.cseq.number for info in call.requests("INFO")}) == 1
    answer(call, first)
    second = await request_number(call, "INFO", 2)
    assert second.body == b"Signal=#\r\nDuration=100\r\n"
    answer(call, second)
    await eventually(lambda: presser.sent is True)
    assert await call.bye() == 200


async def test_a_far_end_that_refuses_a_key_gets_no_more_of_them(
    bench: Bench, agent_named: AgentNamer
) -> None:
    presser = Presser("1#")
    await bench.start(agent=agent_named(presser))
    call = await plain_call(bench)
    answer(call, await request_number(call, "INFO"), 415)
    await eventually(lambda: presser.sent is False)
    assert len({info.cseq.number for info in call.requests("INFO")}) == 1
    assert await call.bye() == 200


async def test_a_call_that_ends_between_two_keys_ends_the_pressing(
    bench: Bench, agent_named: AgentNamer
) -> None:
    presser = Presser("1#")
    await bench.start(agent=agent_named(presser))
    call = await plain_call(bench)
    answer(call, await request_number(call, "INFO"))
    assert await call.bye() == 200
    await eventually(lambda: presser.sent is False)
    await asyncio.sleep(0.2)
    await bench.idle()


@pytest.mark.parametrize(
    ("keys", "allow", "error"),
    [("1", "INVITE, ACK, BYE", "neither"), ("x", "INVITE, ACK, BYE, INFO", "'x'")],
)
async def test_keys_that_cannot_be_sent_are_an_error_for_the_agent(
    bench: Bench, agent_named: AgentNamer, keys: str, allow: str, error: str
) -> None:
    presser = Presser(keys)
    await bench.start(agent=agent_named(presser))
    call = await plain_call(bench, [("Allow", allow)])
    await eventually(lambda: presser.sent is not None)
    assert error in str(presser.sent)
    assert await call.bye() == 200
