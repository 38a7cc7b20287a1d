"""SDP beside what a carrier puts there, in a call to us and in the answer to one of ours."""

from __future__ import annotations

from rapida_media.call.call import Call
from rapida_media.sip.builder import build_response

from .conftest import Bench
from .far_end import Callee
from .rtp import speech
from .waiting import eventually

MIXED = "multipart/mixed;boundary=unique-boundary-1"


def beside_isup(sdp: str) -> str:
    """Give the SDP as the second of two parts, as RFC 3204 section 4 has them."""
    return (
        "--unique-boundary-1\r\nContent-Type: application/ISUP;base=nxv3;version=etsi121\r\n"
        "Content-Disposition: signal;handling=optional\r\n\r\n\x01\x11\x00\x0a\r\n"
        f"--unique-boundary-1\r\nContent-Type: application/sdp\r\n\r\n{sdp}\r\n"
        "--unique-boundary-1--\r\n"
    )


async def test_a_call_whose_offer_is_one_part_of_two_is_answered(bench: Bench) -> None:
    await bench.start()
    phone = await bench.phone()
    send = phone._send
    phone._send = lambda data: send(data.replace(b"application/sdp", MIXED.encode(), 1))
    call = phone.new_call()
    call.send_invite(beside_isup(call.sdp()))
    assert await call.final() == 200
    assert call.response is not None
    assert call.response.header("Content-Type") == "application/sdp"
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    await call.bye()


async def test_an_answer_that_is_one_part_of_two_is_taken(bench: Bench) -> None:
    async def agent(call: Call) -> None:
        async for _ in call:
            pass

    await bench.start()
    callee = await Callee.open()
    call = bench.engine.dial(await callee.target(), agent)
    invite = await callee.request("INVITE")
    answer = build_response(
        invite,
        200,
        to_tag="callee",
        headers=[callee.contact, ("Content-Type", MIXED)],
        body=beside_isup(callee.sdp()).encode(),
    )
    callee._transport.sendto(answer.raw, callee._peer)
    await eventually(lambda: call.call.answered)
    await eventually(lambda: callee.rtp.heard)
    call.hang_up("enough")
    callee.respond(await callee.request("BYE"), 200)
    await call.finished
    callee.close()
