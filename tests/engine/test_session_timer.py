"""Session timers through the running engine: a far end without UPDATE, and one that vanished."""

from __future__ import annotations

from .conftest import Bench
from .far_end import answer, request_number
from .rtp import speech

SHORT = """
[sip]
listen = ["udp:127.0.0.1:0"]
session_expires = 2
min_session_expires = 1
"""
TIMER = [("Supported", "timer")]


async def test_a_far_end_without_update_is_refreshed_with_the_same_description(
    bench: Bench,
) -> None:
    await bench.start(SHORT)
    call = await (await bench.phone()).call(headers=TIMER)
    assert call.response is not None
    assert call.response.header("Session-Expires") == "2;refresher=uas"
    reinvite = await request_number(call, "INVITE")  # after a second
    assert reinvite.header("Session-Expires") == "2;refresher=uac"
    assert reinvite.body == call.response.body  # o= included
    expires = [("Session-Expires", "2;refresher=uac")]
    answer(call, reinvite, headers=expires, body=call.sdp())
    again = await request_number(call, "INVITE", 2)
    answer(call, again, headers=expires, body=call.sdp())
    said = speech(0.5)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_a_far_end_that_knows_update_is_refreshed_without_a_description(
    bench: Bench,
) -> None:
    await bench.start(SHORT)
    headers = [*TIMER, ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")]
    call = await (await bench.phone()).call(headers=headers)
    update = await request_number(call, "UPDATE")
    assert update.body == b""
    answer(call, update, headers=[("Session-Expires", "2;refresher=uac")])
    await request_number(call, "UPDATE", 2)
    assert await call.bye() == 200


async def test_a_far_end_that_does_not_refresh_loses_its_call(bench: Bench) -> None:
    await bench.start(SHORT)
    headers = [*TIMER, ("Session-Expires", "2;refresher=uac")]
    call = await (await bench.phone()).call(headers=headers)
    bye = await call.hung_up()
    assert bye.header("Reason") == 'SIP;cause=408;text="Session expired"'
    assert bench.logged("ended: session_expired")
    await bench.idle()
