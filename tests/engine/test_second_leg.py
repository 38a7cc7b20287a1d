"""Second legs of an agent: dialled, given up, handed over, transferred to, never left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rapida_media import Call, DialError, Ringing, TransferOutcome, Transferred
from rapida_media.errors import LocalProtocolError

from .conftest import AgentNamer, Bench
from .far_end import Callee, answer
from .phone import PhoneCall
from .rtp import loudest_hz, speech
from .waiting import eventually


@pytest.fixture
async def callees() -> AsyncIterator[list[Callee]]:
    made = [await Callee.open() for _ in range(2)]
    yield made
    for callee in made:
        callee.close()


async def pick_up(callee: Callee, number: int = 1):
    invite = await callee.request("INVITE", number)
    callee.rtp.remote = callee.audio_of(invite)
    callee.respond(invite, 200, body=callee.sdp())
    await callee.request("ACK", number)
    return invite


async def nothing_is_left(bench: Bench) -> None:
    await eventually(lambda: not any(bench.engine.figures().values()), 10.0)


class Dialler:
    """An agent that dials when it is called, keeps what came of it, and waits for the test."""

    def __init__(self, uri: str, **options: object) -> None:
        self.uri = uri
        self.options = options
        self.error: DialError | None = None
        self.leg: Call | None = None
        self.call: Call | None = None
        self.may_end = asyncio.Event()

    async def __call__(self, call: Call) -> None:
        self.call = call
        try:
            self.leg = await call.dial(self.uri, **self.options)
        except DialError as error:
            self.error = error
        await self.may_end.wait()

    @property
    def events(self) -> list[object]:
        assert self.call is not None
        return list(self.call._events._items)


async def call_in(bench: Bench, named: AgentNamer, agent) -> PhoneCall:
    await bench.start(agent=named(agent))
    return await (await bench.phone()).call()


async def test_a_redirected_second_leg_says_elsewhere_what_it_said_first(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    """RFC 3261 section 8.1.3.4: "requests sent upon receipt of a redirect response SHOULD re-use
    the header fields and bodies of the original request"."""
    dialler = Dialler(callees[0].uri, headers=[("X-Order", "4711")], caller_id="+15550100")
    call = await call_in(bench, agent_named, dialler)
    moved = ("Contact", f"<{callees[1].uri}>")
    callees[0].respond(await callees[0].request("INVITE"), 302, headers=[moved])
    invite = await callees[1].request("INVITE")
    assert (invite.header("X-Order"), invite.from_.uri.user) == ("4711", "+15550100")
    callees[1].respond(invite, 486)
    dialler.may_end.set()
    await call.hung_up()


async def test_a_second_leg_is_answered_and_ends_with_the_first(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    dialler = Dialler(callees[0].uri, headers=[("X-Order", "4711")], caller_id="+15550100")
    call = await call_in(bench, agent_named, dialler)
    invite = await callees[0].request("INVITE")
    assert (invite.header("X-Order"), invite.from_.uri.user) == ("4711", "+15550100")
    callees[0].respond(invite, 180)
    await eventually(lambda: Ringing(callees[0].uri, 180, False) in dialler.events)
    await pick_up(callees[0])
    leg = await eventually(lambda: dialler.leg)
    assert (leg.direction, leg.called, leg.answered) == ("outbound", callees[0].uri, True)
    assert bench.engine.active_calls == 2
    await call.bye()
    callees[0].respond(await callees[0].request("BYE"), 200)
    dialler.may_end.set()
    await nothing_is_left(bench)


async def test_the_agents_end_ends_both(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    dialler = Dialler(callees[0].uri)
    call = await call_in(bench, agent_named, dialler)
    await pick_up(callees[0])
    dialler.may_end.set()
    answer(call, await call.hung_up())
    callees[0].respond(await callees[0].request("BYE"), 200)
    await nothing_is_left(bench)


async def test_nobody_answers_in_time(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    dialler = Dialler(callees[0].uri, timeout=0.2)
    call = await call_in(bench, agent_named, dialler)
    invite = await callees[0].request("INVITE")
    callees[0].respond(invite, 180)
    callees[0].respond(await callees[0].request("CANCEL"), 200)
    callees[0].respond(invite, 487)
    error = await eventually(lambda: dialler.error)
    assert (error.status, error.reason) == (408, "Request Timeout")
    dialler.may_end.set()
    answer(call, await call.hung_up())
    await nothing_is_left(bench)


async def test_a_refusal_tells_its_status_and_when_to_try_again(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    dialler = Dialler(callees[0].uri)
    call = await call_in(bench, agent_named, dialler)
    callees[0].respond(await callees[0].request("INVITE"), 486, headers=[("Retry-After", "30")])
    error = await eventually(lambda: dialler.error)
    assert (error.status, error.reason, error.retry_after_s) == (486, "Busy Here", 30)
    dialler.may_end.set()
    answer(call, await call.hung_up())
    await nothing_is_left(bench)


@pytest.mark.parametrize("uri", ["sip:bob@nowhere.invalid", "nonsense", "sip:@@"])
async def test_a_target_that_cannot_be_called_is_404(
    bench: Bench, agent_named: AgentNamer, uri: str
) -> None:
    dialler = Dialler(uri)
    call = await call_in(bench, agent_named, dialler)
    assert (await eventually(lambda: dialler.error)).status == 404
    await call.bye()
    dialler.may_end.set()
    await nothing_is_left(bench)


async def test_an_order_that_cannot_be_written_is_refused_and_costs_nothing(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    errors: list[str] = []

    async def agent(call: Call) -> None:
        for headers in (
            [("X-Order", "a\r\nEvil: yes")],
            [("Via", "SIP/2.0/UDP elsewhere")],
            [("X Order", "7")],
            [("X-Order", 7)],
            {"X-Order": "7"},
        ):
            try:
                await call.dial(callees[0].uri, headers=headers)  # type: ignore[arg-type]
            except LocalProtocolError as error:
                errors.append(str(error))

    call = await call_in(bench, agent_named, agent)
    answer(call, await call.hung_up())
    assert errors == [
        "headers: X-Order: expected a text without control characters",
        "headers: Via: the engine writes this one itself",
        "headers: 'X Order' is no name of a header field",
        "headers: X-Order: expected a text without control characters",
        'headers: expected pairs of name and value, such as [("X-Ticket", "7")]',
    ]
    assert callees[0].received == []
    await nothing_is_left(bench)


async def test_no_port_is_free(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    dialler = Dialler(callees[0].uri)
    await bench.start('[rtp]\nports = "30500-30501"\n', agent=agent_named(dialler))
    call = await (await bench.phone()).call()
    assert (await eventually(lambda: dialler.error)).status == 503
    await call.bye()
    dialler.may_end.set()
    await nothing_is_left(bench)


async def test_a_caller_that_hangs_up_takes_the_second_leg_back(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    dialler = Dialler(callees[0].uri)
    call = await call_in(bench, agent_named, dialler)
    invite = await callees[0].request("INVITE")
    callees[0].respond(invite, 180)
    await eventually(lambda: dialler.events)
    await call.bye()
    callees[0].respond(await callees[0].request("CANCEL"), 200)
    callees[0].respond(invite, 487)
    assert (await eventually(lambda: dialler.error)).status == 487
    dialler.may_end.set()
    await nothing_is_left(bench)


@pytest.mark.parametrize("how", ["is cancelled", "raises"])
async def test_an_agent_that_stops_dialling_leaves_no_leg_behind(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee], how: str
) -> None:
    async def agent(call: Call) -> None:
        if how == "raises":
            asyncio.get_running_loop().create_task(call.dial(callees[0].uri)).add_done_callback(
                lambda task: task.exception()
            )
            await asyncio.sleep(0.1)
            raise RuntimeError("on purpose")
        async with asyncio.timeout(0.1):
            await call.dial(callees[0].uri)

    bench.expected_errors = 1
    call = await call_in(bench, agent_named, agent)
    invite = await callees[0].request("INVITE")
    callees[0].respond(invite, 180)
    callees[0].respond(await callees[0].request("CANCEL"), 200)
    callees[0].respond(invite, 487)
    answer(call, await call.hung_up())
    await nothing_is_left(bench)


async def test_a_leg_that_was_handed_over_outlives_the_first_call(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    heard: list[Call] = []

    async def heir(call: Call) -> None:
        heard.append(call)
        async for _ in call:
            pass

    async def agent(call: Call) -> None:
        leg = await call.dial(callees[0].uri)
        leg.hand_over(heir)
        with pytest.raises(LocalProtocolError, match="has an agent"):
            leg.hand_over(heir)
        with pytest.raises(LocalProtocolError, match="has an agent"):
            call.hand_over(heir)

    call = await call_in(bench, agent_named, agent)
    invite = await pick_up(callees[0])
    answer(call, await call.hung_up())
    await eventually(lambda: bench.engine.active_calls == 1 and heard)
    assert heard[0].ended is None
    callees[0].ask(invite, "BYE", 1)
    await eventually(lambda: heard[0].ended)
    await nothing_is_left(bench)


class Transferrer:
    """An agent that transfers by second legs and goes on when that fails."""

    def __init__(self, *targets: str, ring_seconds: float = 5.0) -> None:
        self.targets = targets
        self.ring_seconds = ring_seconds
        self.outcome: TransferOutcome | None = None
        self.calls: list[Call] = []

    async def __call__(self, call: Call) -> None:
        self.calls.append(call)
        self.outcome = await call.transfer(
            self.targets, mode="bridge", ring_seconds=self.ring_seconds
        )
        if not self.outcome.succeeded:
            async for event in call:
                if hasattr(event, "pcm"):
                    call.write(event.pcm)


async def test_the_first_target_rings_too_long_and_the_second_takes_the_call(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    agent = Transferrer(*(callee.uri for callee in callees), ring_seconds=0.5)
    call = await call_in(bench, agent_named, agent)
    first = await callees[0].request("INVITE")
    callees[0].respond(first, 180)
    callees[0].respond(await callees[0].request("CANCEL"), 200)
    callees[0].respond(first, 487)
    invite = await pick_up(callees[1])
    said = speech(0.8, 4)
    await asyncio.gather(callees[1].rtp.say(said), call.rtp.say(speech(0.2)))
    await call.rtp.hears(said)
    assert Transferred(callees[1].uri) in list(agent.calls[0]._events._items)
    callees[1].ask(invite, "BYE", 1, headers=[("Reason", "Q.850;cause=31")])
    bye = await call.hung_up()
    assert bye.header("Reason") == "Q.850;cause=31"
    answer(call, bye)
    outcome = await eventually(lambda: agent.outcome)
    assert (outcome.succeeded, outcome.party) == (True, callees[1].uri)
    assert [each.status for each in outcome.tried] == [408, 200]
    await nothing_is_left(bench)


async def test_the_caller_hears_ring_back_and_is_back_with_the_agent(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    agent = Transferrer(callees[0].uri)
    call = await call_in(bench, agent_named, agent)
    invite = await callees[0].request("INVITE")
    await call.rtp.say(speech(0.1))
    callees[0].respond(invite, 180)
    await asyncio.sleep(0.8)
    assert loudest_hz(call.rtp.audio()[-2400:]) == pytest.approx(425, abs=8)
    callees[0].respond(invite, 603)
    outcome = await eventually(lambda: agent.outcome)
    assert (outcome.status, outcome.succeeded) == (603, False)
    call.rtp.heard.clear()
    said = speech(0.8, 4)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    await call.bye()
    await nothing_is_left(bench)


async def test_an_attended_transfer_connects_the_far_ends_of_both_calls(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    outcomes: list[TransferOutcome] = []

    async def agent(call: Call) -> None:
        leg = await call.dial(callees[0].uri)
        outcomes.append(await call.transfer(leg))

    call = await call_in(bench, agent_named, agent)
    await pick_up(callees[0])
    (refer,) = await eventually(lambda: call.requests("REFER"))
    assert "Replaces=" in (refer.header("Refer-To") or "")
    answer(call, refer, 202)
    await call.bye()
    assert (await eventually(lambda: outcomes))[0].status == 202
    callees[0].respond(await callees[0].request("BYE"), 200)
    await nothing_is_left(bench)


TRUNKED = """
[trunks.carrier]
hosts = ["127.0.0.1"]
domain = "carrier.example"
proxy = "127.0.0.1:{port}"
allow = ["+1"]
caller_id = "+15550100"
"""


async def test_a_number_is_dialled_by_a_trunk(
    bench: Bench, agent_named: AgentNamer, callees: list[Callee]
) -> None:
    dialler = Dialler("+15550199", trunk="carrier")
    await bench.start(TRUNKED.format(port=callees[0].port), agent=agent_named(dialler))
    call = await (await bench.phone()).call()
    invite = await callees[0].request("INVITE")
    assert (invite.uri.user, invite.from_.uri.user) == ("+15550199", "+15550100")
    await pick_up(callees[0])
    await eventually(lambda: dialler.leg)
    await call.bye()
    callees[0].respond(await callees[0].request("BYE"), 200)
    dialler.may_end.set()
    await nothing_is_left(bench)


SECURE_CARRIER = """
[trunks.customer]
hosts = ["127.0.0.1"]
srtp = "required"
"""
SECURE_CUSTOMER = """
[trunks.carrier]
hosts = ["192.0.2.0/24"]
domain = "carrier.example"
proxy = "127.0.0.1:{port}"
allow = ["+1"]
srtp = "required"
"""


async def test_payloads_pass_between_a_plain_leg_and_an_encrypted_one(
    bench: Bench, agent_named: AgentNamer
) -> None:
    legs: list[Call] = []

    async def agent(call: Call) -> None:
        leg = await call.dial("+15550199", trunk="carrier")
        legs.append(leg)
        await call.talk(leg)

    await bench.start(SECURE_CARRIER)  # echoes
    port = bench.address().port
    await bench.start(SECURE_CUSTOMER.format(port=port), agent=agent_named(agent))
    call = await (await bench.phone(host="127.0.0.2")).call()  # not the trunk's address
    leg = await eventually(lambda: legs and legs[0].bridged and legs[0])
    assert leg.bridged.passes_through
    said = speech(1.0)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    figures = leg.stats()
    assert figures["srtp"] is not None
    assert figures["packets_passed_through"] > 40
    assert figures["srtp_failures"] == 0
    await call.bye()
    await nothing_is_left(bench)
