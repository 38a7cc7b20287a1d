"""What the engine can tell of a call afterwards: its milestones and its messages."""

from __future__ import annotations

from rapida_media.call.call import Call
from rapida_media.sip.timers import TimerValues

from .conftest import AgentNamer, Bench
from .rtp import speech
from .waiting import eventually


async def test_a_call_has_its_milestones_in_order_and_its_ladder(
    bench: Bench, agent_named: AgentNamer
) -> None:
    calls: list[Call] = []

    async def agent(call: Call) -> None:
        calls.append(call)
        async for event in call:
            if hasattr(event, "pcm"):
                call.write(event.pcm)

    await bench.start(agent=agent_named(agent), timers=TimerValues())
    phone_call = await (await bench.phone()).call()
    await phone_call.rtp.say(speech(0.3))
    assert await phone_call.bye() == 200
    (call,) = calls
    await eventually(lambda: call.ended)
    milestones = call.milestones
    # The ACK and the first packet come to two sockets: which is seen first is nobody's promise.
    for order in (
        ["invite", "trying", "answered", "ack", "bye", "ended"],
        ["answered", "first_rtp_in", "first_media", "bye"],
    ):
        times = [milestones[name] for name in order]
        assert times == sorted(times)
    assert milestones["answered"] <= milestones["first_rtp_out"]
    lines = call.trace().split("\n")
    said = [line[15:].strip("-<>| ") for line in lines[1:]]
    assert said[0].startswith("INVITE sip:echo@127.0.0.1:")
    assert said[1:3] == ["100 Trying (INVITE)", "200 OK (INVITE, SDP)"]
    assert [each.split(" ")[0] for each in said[3:]] == ["ACK", "BYE", "200"]
    (record,) = bench.logged("ended: bye")
    assert record.__dict__["fields"]["milestones"]["bye"] == round(milestones["bye"], 4)
