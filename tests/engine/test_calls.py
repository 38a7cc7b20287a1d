"""A whole call through the running engine: signalling, audio both ways, keys, and its end."""

from __future__ import annotations

import asyncio
import time

from rapida_media.call.call import Call
from rapida_media.sip.message import Request
from rapida_media.sip.timers import TimerValues

from .conftest import AgentNamer, Bench
from .far_end import Callee
from .phone import Phone, PhoneCall
from .rtp import correlation, speech
from .waiting import eventually


async def test_a_caller_hears_itself_and_both_ends_count_the_same_packets(bench: Bench) -> None:
    await bench.start()
    call = await (await bench.phone()).call()
    said = speech(1.0)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    (record,) = bench.logged("ended: bye")
    # The BYE may overtake the last packet.
    assert 0 <= call.rtp.sent_packets - record.__dict__["fields"]["packets_received"] <= 1
    await bench.idle()


async def test_an_invite_without_an_offer_gets_ours_and_the_ack_answers_it(bench: Bench) -> None:
    await bench.start()
    call = (await bench.phone()).invite(sdp="")
    assert await call.final(answer=call.sdp()) == 200
    said = speech(0.8)
    await eventually(lambda: call.rtp.heard)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    await bench.idle()


async def test_an_ack_that_leaves_the_late_offer_unanswered_ends_the_call(bench: Bench) -> None:
    await bench.start()
    call = (await bench.phone()).invite(sdp="")
    assert await call.final() == 200
    await call.hung_up()
    assert bench.logged("ended: no_common_codec")
    assert bench.logged("no usable answer: there is none, though there was an offer")
    assert not call.rtp.heard
    await bench.idle()


async def test_a_reinvite_without_an_offer_gets_ours_and_the_call_goes_on(bench: Bench) -> None:
    await bench.start()
    call = await (await bench.phone()).call()
    call.send_invite("")
    assert await call.final(answer=call.sdp(version=2)) == 200
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_a_reinvite_whose_late_offer_nobody_answers_leaves_the_session_as_it_was(
    bench: Bench,
) -> None:
    await bench.start()
    call = await (await bench.phone()).call()
    call.send_invite("")
    assert await call.final() == 200
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert b"m=audio" in (await call.reinvite(call.sdp(version=2))).body
    assert await call.bye() == 200
    await bench.idle()


async def test_keys_reach_the_agent_once_each_in_order(
    bench: Bench, agent_named: AgentNamer
) -> None:
    keys: list[str] = []

    async def agent(call: Call) -> None:
        async for event in call:
            if hasattr(event, "digit"):
                keys.append(event.digit)

    await bench.start(agent=agent_named(agent))
    call = await (await bench.phone()).call()
    for event in (1, 2, 10, 11, 15):
        await call.rtp.press(event)
    await eventually(lambda: keys == ["1", "2", "*", "#", "D"])
    assert await call.bye() == 200


async def test_an_offer_without_a_codec_of_ours_is_refused_and_leaves_nothing(
    bench: Bench,
) -> None:
    await bench.start()
    phone = await bench.phone()
    call = PhoneCall(phone, "echo")
    call.send_invite(call.sdp().replace("RTP/AVP 0 101", "RTP/AVP 18 101"))
    assert await call.final() == 488
    assert call.response is not None
    warning = '305 rapida-media "no codec of PCMU, PCMA, G722, L16/16000"'
    assert call.response.header("Warning") == warning
    (record,) = bench.logged("ended: rejected")
    trace = bench.engine.trace(record.__dict__["call_id"])
    assert f"{'':15}Warning: {warning}" in trace.split("\n")
    await bench.idle()
    call.rtp.close()


async def test_a_call_to_a_host_where_nobody_listens_fails_at_once(bench: Bench) -> None:
    """The host says so by ICMP: "informed of a failure" (RFC 3261 section 18.4), long before the
    32 s of silence."""
    engine = await bench.start(timers=TimerValues())
    callee = await Callee.open()
    target = await callee.target()
    callee.close()
    phone = await bench.phone()
    began = time.monotonic()
    call = engine.dial(target, _listen)
    assert (await phone.options()).status == 200
    async with asyncio.timeout(5):
        await call.finished
    assert time.monotonic() - began < 2
    assert call.call.ended is not None
    assert (call.call.ended.code, call.call.ended.retryable) == (503, True)
    assert engine.counters["udp_errors"]


async def _listen(call: Call) -> None:
    async for _ in call:
        pass


async def test_stopping_ends_even_the_call_whose_answer_is_never_acknowledged(
    bench: Bench,
) -> None:
    engine = await bench.start(timers=TimerValues())
    call = (await bench.phone()).invite()
    assert await call.final(acknowledge=False) == 200
    await bench.stop()
    figures = engine.figures()
    assert (figures["calls"], figures["ports_in_use"]) == (0, 0)
    assert bench.logged("ended: engine_stopping")


async def test_two_callers_hear_only_themselves(bench: Bench) -> None:
    await bench.start()
    phone = await bench.phone()
    first, second = await phone.call(), await phone.call()
    one, other = speech(0.8, seed=1), speech(0.8, seed=2)
    await first.rtp.say(one)
    await second.rtp.say(other)
    await first.rtp.hears(one)
    await second.rtp.hears(other)
    assert correlation(other, first.rtp.audio()) < 0.3
    assert await first.bye() == await second.bye() == 200


async def test_a_tel_uri_reaches_the_assistant_that_has_its_number(bench: Bench) -> None:
    await bench.start('[assistants.desk]\nagent = "echo"\nnumbers = ["+15550100"]\n', agent=None)
    phone = await bench.phone()
    call = phone.new_call("desk")
    call._target = "tel:+1-555-0100;npdi"
    call.send_invite(call.sdp())
    assert await call.final() == 200
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_a_call_to_the_second_of_two_listeners_stays_there(bench: Bench) -> None:
    listen = '[sip]\nlisten = ["udp:127.0.0.1:0", "udp:127.0.0.2:0"]\n'
    engine = await bench.start(listen + "[limits]\nmax_call_seconds = 0.2\n")
    second = engine.sip_addresses[1]
    phone = await Phone.open(second, "127.0.0.2")
    try:
        call = await phone.call()
        assert call.response is not None
        assert call.response.contacts[0].uri_text == f"sip:127.0.0.2:{second.port}"
        await call.hung_up()
        bye = next(each for each in phone.received if isinstance(each, Request))
        assert bye.top_via.sent_by == f"127.0.0.2:{second.port}"
    finally:
        await phone.close()
