"""Transfers through the running engine: ordered by the agent, asked for by the far end, redirects.

A call that moves keeps its agent, its media and its record.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rapida_media.agents.events import Audio, Hold, Transferred
from rapida_media.call.call import Call
from rapida_media.call.transfer import TransferOutcome
from rapida_media.errors import LocalProtocolError

from .conftest import AgentNamer, Bench
from .far_end import Callee, answer, request_number
from .phone import PhoneCall
from .rtp import speech
from .waiting import eventually

FOLLOWS = '[assistants.desk]\nagent = "{agent}"\nfollow_transfers = {follow}\n'


class Echo:
    """An agent that echoes and keeps what else happens."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.events: list[object] = []

    async def __call__(self, call: Call) -> None:
        self.calls.append(call)
        async for event in call:
            if isinstance(event, Audio):
                call.write(event.pcm)
            elif isinstance(event, Hold | Transferred):
                self.events.append(event)

    async def call(self, number: int = 1) -> Call:
        await eventually(lambda: len(self.calls) >= number)
        return self.calls[number - 1]


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    made = await Callee.open()
    yield made
    made.close()


def say(call: PhoneCall, cseq: int, state: str, line: str) -> None:
    """Let the far end send a NOTIFY about the REFER it got."""
    fields = [
        ("Event", "refer"),
        ("Subscription-State", state),
        ("Content-Type", "message/sipfrag"),
    ]
    request = call._request("NOTIFY", cseq, headers=fields, body="")
    head = request.split(b"Content-Length")[0]
    body = f"SIP/2.0 {line}\r\n"
    call.phone.send(head + f"Content-Length: {len(body)}\r\n\r\n{body}".encode())
    call.cseq = max(call.cseq, cseq)


async def told(call: PhoneCall) -> list[str]:
    """Give the status lines the engine's NOTIFYs brought so far, repeats left out."""
    seen = {request.cseq.number: request for request in call.requests("NOTIFY")}
    return [seen[number].body.decode().strip() for number in sorted(seen)]


async def answers_notifies(call: PhoneCall, count: int) -> None:
    for number in range(1, count + 1):
        answer(call, await request_number(call, "NOTIFY", number))


# Ordered by the agent.


async def test_a_blind_transfer_that_works_ends_the_call(
    bench: Bench, agent_named: AgentNamer
) -> None:
    echo = Echo()
    await bench.start(agent=agent_named(echo))
    call = await (await bench.phone()).call()
    transferring = asyncio.create_task((await echo.call()).transfer("sip:carol@192.0.2.4"))
    refer = await request_number(call, "REFER")
    assert refer.header("Refer-To") == "<sip:carol@192.0.2.4>"
    answer(call, refer, 202)
    say(call, 2, "active;expires=60", "100 Trying")
    say(call, 3, "active;expires=60", "180 Ringing")
    await asyncio.sleep(0.1)
    assert not transferring.done()
    say(call, 4, "terminated;reason=noresource", "200 OK")
    outcome = await transferring
    assert outcome == TransferOutcome(200, "OK")
    assert outcome.succeeded
    await call.hung_up()
    assert bench.logged("ended: transferred")


@pytest.mark.parametrize("target", ["+4930123456", "carol", "", "sip:@@", "tel:+4930123456"])
async def test_what_is_no_sip_uri_is_not_ordered(
    bench: Bench, agent_named: AgentNamer, target: str
) -> None:
    echo = Echo()
    await bench.start(agent=agent_named(echo))
    call = await (await bench.phone()).call()
    with pytest.raises(LocalProtocolError, match="expected a SIP URI or another call"):
        await (await echo.call()).transfer(target)
    assert not call.requests("REFER")
    assert await call.bye() == 200


async def test_a_transfer_that_fails_leaves_the_call_with_the_agent(
    bench: Bench, agent_named: AgentNamer
) -> None:
    echo = Echo()
    await bench.start(agent=agent_named(echo))
    call = await (await bench.phone()).call()
    agent_call = await echo.call()
    for number, (status, line) in enumerate([(202, "486 Busy Here"), (603, "")], 1):
        transferring = asyncio.create_task(agent_call.transfer("sip:carol@192.0.2.4"))
        answer(call, await request_number(call, "REFER", number), status)
        with pytest.raises(LocalProtocolError):
            await agent_call.transfer("sip:dave@192.0.2.4")
        if line:
            say(call, 2, "terminated;reason=noresource", line)
        outcome = await transferring
        assert outcome.status == (486 if line else 603)
        assert not outcome.succeeded
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200


async def test_a_far_end_that_takes_the_order_and_hangs_up_has_followed_it(
    bench: Bench, agent_named: AgentNamer
) -> None:
    echo = Echo()
    await bench.start(agent=agent_named(echo))
    phone = await bench.phone()
    call = await phone.call()
    transferring = asyncio.create_task((await echo.call()).transfer("sip:carol@192.0.2.4"))
    answer(call, await request_number(call, "REFER"), 202)
    await asyncio.sleep(0.05)
    assert await call.bye() == 200
    assert await transferring == TransferOutcome(202, "Accepted")

    gone = await phone.call()
    transferring = asyncio.create_task((await echo.call(2)).transfer("sip:carol@192.0.2.4"))
    await request_number(gone, "REFER")
    assert await gone.bye() == 200
    assert not (await transferring).succeeded


async def test_an_attended_transfer_names_the_call_to_be_replaced(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    echo = Echo()
    await bench.start(agent=agent_named(echo))
    call = await (await bench.phone()).call()
    first = await echo.call()
    consulted = bench.engine.dial(await callee.target(), echo)
    invite = await callee.request("INVITE")
    callee.respond(invite, 200, body=callee.sdp())
    second = await echo.call(2)
    with pytest.raises(LocalProtocolError):
        await first.transfer(first)
    transferring = asyncio.create_task(first.transfer(second))
    refer = await request_number(call, "REFER")
    wanted = f"{invite.call_id}%3Bto-tag%3Dcallee%3Bfrom-tag%3D{invite.from_.tag}"
    assert refer.header("Refer-To") == f"<{callee.uri}?Replaces={wanted}>"
    answer(call, refer, 202)
    say(call, 2, "terminated;reason=noresource", "200 OK")
    assert (await transferring).succeeded
    await call.hung_up()
    callee.ask(invite, "BYE", 1)  # the party there has been replaced
    assert (await callee.response("BYE")).status == 200
    await consulted.finished


# Asked for by the far end.


async def desk(
    bench: Bench, agent_named: AgentNamer, follow: str = "true", more: str = ""
) -> tuple[Echo, PhoneCall]:
    echo = Echo()
    await bench.start(FOLLOWS.format(agent=agent_named(echo), follow=follow) + more)
    call = await (await bench.phone()).call("desk")
    await echo.call()
    return echo, call


async def refer(call: PhoneCall, target: str, *more: tuple[str, str]) -> int:
    call.cseq += 1
    headers = [("Refer-To", f"<{target}>"), *more]
    call.phone.send(call._request("REFER", call.cseq, headers=headers))
    status: int = (await call.phone.response(call.call_id, "REFER", call.cseq)).status
    return status


async def test_nobody_sends_a_call_elsewhere_unless_that_is_allowed(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    _, call = await desk(bench, agent_named, "false")
    assert await refer(call, callee.uri) == 603
    assert await call.bye() == 200
    assert callee.received == []


async def test_the_agent_goes_on_with_the_party_it_was_handed_to(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    echo, call = await desk(bench, agent_named)
    await call.reinvite(call.sdp("sendonly", version=2))  # as one does before a transfer
    assert await refer(call, callee.uri) == 202
    answer(call, await request_number(call, "NOTIFY"))
    invite = await callee.request("INVITE")
    callee.respond(invite, 180)
    answer(call, await request_number(call, "NOTIFY", 2))
    assert await refer(call, callee.uri) in (500, 603)  # one at a time
    callee.respond(invite, 200, body=callee.sdp())
    answer(call, await request_number(call, "NOTIFY", 3))
    assert await told(call) == ["SIP/2.0 100 Trying", "SIP/2.0 180 Ringing", "SIP/2.0 200 OK"]
    callee.rtp.remote = callee.audio_of(invite)
    said = speech(0.8)
    await callee.rtp.say(said)
    await callee.rtp.hears(said)
    assert echo.events == [Hold(True), Hold(False), Transferred(callee.uri)]
    assert await call.bye() == 200
    assert bench.engine.active_calls == 1
    callee.ask(invite, "BYE", 1)
    assert (await callee.response("BYE")).status == 200
    assert bench.logged("ended: bye")
    assert len(echo.calls) == 1
    await bench.idle()


async def test_a_far_end_that_stays_after_its_transfer_is_hung_up(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    _, call = await desk(bench, agent_named)
    assert await refer(call, callee.uri) == 202
    invite = await callee.request("INVITE")
    callee.respond(invite, 200, body=callee.sdp())
    await answers_notifies(call, 2)
    await call.hung_up()  # after two seconds
    assert bench.engine.active_calls == 1
    callee.ask(invite, "BYE", 1)
    await callee.response("BYE")
    await bench.idle()


async def test_a_transfer_that_cannot_be_followed_is_told_and_the_call_goes_on(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    _, call = await desk(bench, agent_named)
    assert await refer(call, callee.uri) == 202
    invite = await callee.request("INVITE")
    callee.respond(invite, 486)
    await answers_notifies(call, 2)
    assert await told(call) == ["SIP/2.0 100 Trying", "SIP/2.0 486 Busy Here"]
    assert await refer(call, "sip:nobody@host.invalid") == 202
    await answers_notifies(call, 4)
    assert (await told(call))[-1] == "SIP/2.0 404 Not Found"
    assert await refer(call, callee.uri) == 202
    invite = await callee.request("INVITE", 2)
    callee.respond(invite, 200, body=callee.sdp().replace("AVP 0 101", "AVP 18"))
    callee.respond(await callee.request("BYE"), 200)
    await answers_notifies(call, 6)
    assert (await told(call))[-1] == "SIP/2.0 488 Not Acceptable Here"
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    await bench.idle()


BY_TRUNK = """
[trunks.carrier]
hosts = ["127.0.0.0/8"]
proxy = "127.0.0.1:{port}"
allow = ["+1555"]
"""


async def test_a_far_end_that_names_a_number_has_it_called_by_its_own_trunk(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    """A tel URI in Refer-To: "tel:+1-555-0100" is sip:+15550100 at the trunk (RFC 3261 section
    19.1.6), and may be called if the trunk allows it."""
    echo, call = await desk(bench, agent_named, more=BY_TRUNK.format(port=callee.port))
    assert await refer(call, "tel:+44-20-7946-0018") == 403
    assert await refer(call, "mailto:carol@example.com") == 416
    assert await refer(call, "tel:+1-555-0100") == 202
    invite = await callee.request("INVITE")
    assert invite.uri_text == "sip:+15550100@127.0.0.1"
    callee.respond(invite, 200, body=callee.sdp())
    await answers_notifies(call, 2)
    assert await told(call) == ["SIP/2.0 100 Trying", "SIP/2.0 200 OK"]
    assert echo.events == [Transferred("sip:+15550100@127.0.0.1")]
    assert await call.bye() == 200
    callee.ask(invite, "BYE", 1)
    assert (await callee.response("BYE")).status == 200
    await bench.idle()


async def test_a_number_cannot_be_called_by_no_trunk(bench: Bench, agent_named: AgentNamer) -> None:
    _, call = await desk(bench, agent_named)
    assert await refer(call, "tel:+1-555-0100") == 416
    assert await call.bye() == 200


async def test_a_call_by_a_trunk_is_redirected_to_a_number_of_it(
    bench: Bench, callee: Callee
) -> None:
    engine = await bench.start(BY_TRUNK.format(port=callee.port))
    call = await engine.dial_trunk("carrier", "+15550100", Echo())
    moved = ("Contact", "<tel:+15550101>")
    callee.respond(await callee.request("INVITE"), 302, headers=[moved])
    invite = await callee.request("INVITE", 2)
    assert invite.uri_text == "sip:+15550101@127.0.0.1"
    callee.respond(invite, 486)
    await call.finished
    await bench.idle()


@pytest.mark.parametrize("answers", [True, False])
async def test_a_transfer_to_somebody_who_is_elsewhere_goes_there(
    bench: Bench, agent_named: AgentNamer, callee: Callee, answers: bool
) -> None:
    """Who follows a REFER is a caller like any other: 3xx sends it on (RFC 3261 8.1.3.4)."""
    _, call = await desk(bench, agent_named)
    assert (
        await refer(call, f"{callee.uri}?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2", ANN_REFERS) == 202
    )
    moved = f"<sip:x@host.invalid>;q=0.9, <sip:moved@127.0.0.1:{callee.port}>;q=0.5"
    callee.respond(await callee.request("INVITE"), 302, headers=[("Contact", moved)])
    invite = await callee.request("INVITE", 2)
    assert invite.uri.user == "moved"
    assert invite.header("Referred-By") == ANN
    assert invite.header("Replaces") == "a;to-tag=1;from-tag=2"
    if answers:
        callee.respond(invite, 200, body=callee.sdp())
        await answers_notifies(call, 2)
        assert (await told(call))[-1] == "SIP/2.0 200 OK"
        assert await call.bye() == 200
        callee.ask(invite, "BYE", 1)
        await callee.response("BYE")
    else:
        callee.respond(invite, 302, headers=[("Contact", f"<{callee.uri}>")])  # in a circle
        callee.respond(await callee.request("INVITE", 3), 302, headers=[("Contact", moved)])
        await answers_notifies(call, 2)
        assert await told(call) == ["SIP/2.0 100 Trying", "SIP/2.0 302 Moved Temporarily"]
        assert await call.bye() == 200
    await bench.idle()


ANN = '"Ann" <sip:ann@example.com>;cid="20398823.2UWQFN309shb3@referrer.example"'

ANN_REFERS = ("Referred-By", ANN)


@pytest.mark.parametrize(
    ("name", "by", "passed_on"),
    [("Referred-By", ANN, ANN), ("b", ANN, ANN), ("Referred-By", '"Ann <sip:ann', None)],
)
async def test_who_is_called_for_a_far_end_learns_who_asked_for_it(
    bench: Bench,
    agent_named: AgentNamer,
    callee: Callee,
    name: str,
    by: str,
    passed_on: str | None,
) -> None:
    _, call = await desk(bench, agent_named)
    assert await refer(call, callee.uri, (name, by)) == 202
    invite = await callee.request("INVITE")
    assert invite.header("Referred-By") == passed_on
    assert await call.bye() == 200
    callee.respond(invite, 486)
    await bench.idle()


@pytest.mark.parametrize("taken", [True, False])
async def test_a_far_end_may_leave_before_the_other_party_answers(
    bench: Bench, agent_named: AgentNamer, callee: Callee, taken: bool
) -> None:
    echo, call = await desk(bench, agent_named)
    assert await refer(call, callee.uri) == 202
    invite = await callee.request("INVITE")
    assert await call.bye() == 200
    assert bench.engine.active_calls == 1
    if taken:
        callee.respond(invite, 200, body=callee.sdp())
        await eventually(lambda: echo.events == [Transferred(callee.uri)])
        callee.ask(invite, "BYE", 1)
        await callee.response("BYE")
    else:
        callee.respond(invite, 486)
    await eventually(lambda: bench.logged("ended: bye"))
    await bench.idle()


@pytest.mark.parametrize("left", [True, False])
async def test_an_agent_that_hangs_up_meanwhile_takes_the_other_call_back(
    bench: Bench, agent_named: AgentNamer, callee: Callee, left: bool
) -> None:
    echo, call = await desk(bench, agent_named)
    assert await refer(call, callee.uri) == 202
    invite = await callee.request("INVITE")
    callee.respond(invite, 180)
    await asyncio.sleep(0.05)
    if left:
        assert await call.bye() == 200
    await (await echo.call()).hang_up("enough")
    callee.respond(await callee.request("CANCEL"), 200)
    callee.respond(invite, 487)
    if not left:
        await call.hung_up()
    assert bench.logged("ended: enough")
    await bench.idle()


@pytest.mark.parametrize("follow", ["true", "false"])
async def test_whom_an_assistant_called_may_send_the_call_elsewhere_where_that_is_allowed(
    bench: Bench, agent_named: AgentNamer, callee: Callee, follow: str
) -> None:
    echo = Echo()
    await bench.start(FOLLOWS.format(agent=agent_named(echo), follow=follow))
    colleague = await Callee.open()
    placed = bench.engine.dial(await callee.target(), echo, assistant="desk")
    invite = await callee.request("INVITE")
    callee.respond(invite, 200, body=callee.sdp())
    await echo.call()
    callee.ask(invite, "REFER", 1, headers=[("Refer-To", f"<{colleague.uri}>")])
    if follow == "false":
        assert (await callee.response("REFER")).status == 603
        placed.hang_up("done")
    else:
        assert (await callee.response("REFER")).status == 202
        again = await colleague.request("INVITE")
        colleague.respond(again, 200, body=colleague.sdp())
        await eventually(lambda: echo.events == [Transferred(colleague.uri)])
        callee.respond(await callee.request("BYE"), 200)
        placed.hang_up("done")
        colleague.respond(await colleague.request("BYE"), 200)
    await placed.finished
    colleague.close()


# Replaced by the far end.


async def test_another_phone_takes_the_call_over(bench: Bench, agent_named: AgentNamer) -> None:
    echo = Echo()
    await bench.start(agent=agent_named(echo))
    call = await (await bench.phone()).call()
    await echo.call()
    name = f"{call.call_id};to-tag={call.to_tag};from-tag=phone"
    other = await (await bench.phone()).call(headers=[("Replaces", name)])
    await call.hung_up()
    said = speech(0.8)
    await other.rtp.say(said)
    await other.rtp.hears(said)
    assert bench.engine.active_calls == 1
    (event,) = echo.events
    assert isinstance(event, Transferred)
    assert f":{other.phone.port}" in event.party
    assert await other.bye() == 200
    assert bench.logged("ended: bye")
    await bench.idle()


async def test_a_call_is_taken_over_where_no_other_one_would_fit_in(bench: Bench) -> None:
    """The one it takes the place of makes room: a call that was admitted can be transferred."""
    await bench.start("[limits]\nmax_calls = 1\ncalls_per_second = 0.1\n")
    call = await (await bench.phone()).call()
    name = f"{call.call_id};to-tag={call.to_tag};from-tag=phone"
    phone = await bench.phone()
    stranger = phone.invite(headers=[("Replaces", name.replace("from-tag=phone", "from-tag=x"))])
    assert await stranger.final() == 481
    assert await phone.invite().final() == 503
    other = await phone.call(headers=[("Replaces", name)])
    await call.hung_up()
    assert bench.engine.active_calls == 1
    assert await other.bye() == 200
    await bench.idle()


@pytest.mark.parametrize("flag", ["", ";early-only"])
async def test_a_call_of_ours_that_rings_is_picked_up_by_another_phone(
    bench: Bench, agent_named: AgentNamer, callee: Callee, flag: str
) -> None:
    echo = Echo()
    await bench.start()
    call = bench.engine.dial(await callee.target(), echo)
    invite = await callee.request("INVITE")
    callee.respond(invite, 180)
    await eventually(lambda: call.session.state == "ringing")
    name = f"{invite.call_id};to-tag={invite.from_.tag};from-tag=callee{flag}"
    other = await (await bench.phone()).call(headers=[("Replaces", name)])
    callee.respond(await callee.request("CANCEL"), 200)
    callee.respond(invite, 487)
    said = speech(0.8)
    await other.rtp.say(said)
    await other.rtp.hears(said)
    assert call.call.answered
    assert len(echo.calls) == bench.engine.active_calls == 1
    assert await other.bye() == 200
    assert bench.logged("ended: bye")
    await bench.idle()


async def test_a_call_that_is_answered_and_picked_up_at_once_is_hung_up_where_it_rang(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    invite = await callee.request("INVITE")
    callee.respond(invite, 180)
    await eventually(lambda: call.session.state == "ringing")
    name = f"{invite.call_id};to-tag={invite.from_.tag};from-tag=callee"
    other = await (await bench.phone()).call(headers=[("Replaces", name)])
    await callee.request("CANCEL")
    callee.respond(invite, 200, body=callee.sdp())
    callee.respond(await callee.request("BYE"), 200)
    assert await other.bye() == 200
    await call.finished
    await bench.idle()


async def test_another_phone_without_a_common_codec_takes_nothing_over(bench: Bench) -> None:
    await bench.start()
    phone = await bench.phone()
    call = await phone.call()
    name = f"{call.call_id};to-tag={call.to_tag};from-tag=phone"
    other = phone.invite(
        sdp=call.sdp().replace("AVP 0 101", "AVP 18"), headers=[("Replaces", name)]
    )
    assert await other.final() == 488
    said = speech(0.8)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    await bench.idle()


# Redirected.


@pytest.fixture
async def other() -> AsyncIterator[Callee]:
    made = await Callee.open()
    yield made
    made.close()


async def test_a_redirected_call_goes_to_the_best_contact_and_then_to_the_next(
    bench: Bench, agent_named: AgentNamer, callee: Callee, other: Callee
) -> None:
    echo = Echo()
    await bench.start()
    call = bench.engine.dial(await callee.target(), echo)
    moved = ("Contact", f"<sip:second@127.0.0.1:{other.port}>;q=0.4, <{other.uri}>;q=0.9")
    callee.respond(await callee.request("INVITE"), 302, headers=[moved])
    first = await other.request("INVITE")
    assert first.uri_text == other.uri
    other.respond(first, 480)
    second = await other.request("INVITE", 2)
    assert second.uri_text == f"sip:second@127.0.0.1:{other.port}"
    other.respond(second, 200, body=other.sdp())
    other.rtp.remote = other.audio_of(second)
    said = speech(0.8)
    await eventually(lambda: other.rtp.heard)
    await other.rtp.say(said)
    await other.rtp.hears(said)
    call.hang_up("enough")
    other.respond(await other.request("BYE"), 200)
    await call.finished
    await bench.idle()


async def test_a_contact_that_cannot_be_found_is_passed_over(
    bench: Bench, callee: Callee, other: Callee
) -> None:
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    moved = ("Contact", f"<sip:x@host.invalid>;q=0.9, <sip:y@h.invalid>;q=0.8, <{other.uri}>;q=0")
    callee.respond(await callee.request("INVITE"), 302, headers=[moved])
    other.respond(await other.request("INVITE"), 486)
    await call.finished
    assert bench.logged("ended: busy (486)")
    await bench.idle()


async def test_what_a_contact_carries_beside_its_address_stays_out_of_the_request_uri(
    bench: Bench, callee: Callee, other: Callee
) -> None:
    """RFC 7044 has servers add History-Info to the contacts of a 302; RFC 3261 section 19.1.1 has
    neither header fields nor a method in a Request-URI, and peers answer 400 to them."""
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    target = f"sip:moved;npdi@127.0.0.1:{other.port};user=phone"
    contact = f"<{target};method=INVITE?History-Info=%3Csip%3Aa%40b%3E%3Bindex%3D1>"
    callee.respond(await callee.request("INVITE"), 302, headers=[("Contact", contact)])
    invite = await other.request("INVITE")
    assert invite.uri_text == target
    assert invite.to.uri_text == target
    other.respond(invite, 486)
    await call.finished
    await bench.idle()


async def test_a_redirect_without_end_is_given_up(bench: Bench, callee: Callee) -> None:
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    for number in range(1, 7):
        invite = await callee.request("INVITE", number)
        contact = ("Contact", f"<sip:{number}@127.0.0.1:{callee.port}>")
        callee.respond(invite, 302, headers=[contact])
    await call.finished
    assert bench.logged("ended: rejected (302)")
    assert not call.call.answered
    await bench.idle()


@pytest.mark.parametrize(
    ("status", "contact"),
    [(302, "<tel:+15550100>"), (302, "<sip:x@host.invalid>"), (301, "own")],
)
async def test_a_redirect_that_leads_nowhere_ends_the_call_with_its_status(
    bench: Bench, callee: Callee, status: int, contact: str
) -> None:
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    value = f"<{callee.uri}>" if contact == "own" else contact
    callee.respond(await callee.request("INVITE"), status, headers=[("Contact", value)])
    if contact == "own":
        callee.respond(await callee.request("INVITE", 2), status, headers=[("Contact", value)])
    await call.finished
    assert call.call.ended is not None
    assert call.call.ended.code == status
    await bench.idle()


@pytest.mark.parametrize("status", [305, 380])
async def test_a_contact_that_is_nobody_to_call_is_not_called(
    bench: Bench, callee: Callee, other: Callee, status: int
) -> None:
    """305 names a proxy (RFC 3261 section 21.3.4), 380 tells in its body what else there is."""
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    moved = ("Contact", f"<sip:127.0.0.1:{other.port}>")
    callee.respond(await callee.request("INVITE"), status, headers=[moved])
    await call.finished
    assert bench.logged(f"ended: rejected ({status})")
    assert other.received == []
    await bench.idle()


async def test_a_declined_call_is_not_taken_to_the_next_contact(
    bench: Bench, callee: Callee, other: Callee
) -> None:
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    moved = ("Contact", f"<{other.uri}>, <sip:second@127.0.0.1:{other.port}>")
    callee.respond(await callee.request("INVITE"), 300, headers=[moved])
    other.respond(await other.request("INVITE"), 603)
    await call.finished
    assert bench.logged("ended: declined (603)")
    await bench.idle()


async def test_a_caller_that_hangs_up_while_a_redirect_is_looked_up_calls_nobody(
    bench: Bench, callee: Callee, other: Callee
) -> None:
    await bench.start()
    call = bench.engine.dial(await callee.target(), Echo())
    invite = await callee.request("INVITE")
    callee.respond(invite, 302, headers=[("Contact", f"<{other.uri}>")])
    await eventually(lambda: call.session.state == "terminated", every=0)
    call.hang_up("enough")
    await call.finished
    await asyncio.sleep(0.1)
    assert call.call.ended is not None
    assert call.call.ended.reason == "enough"
    await bench.idle()
