"""Who may be called holds for agents and for far ends, not for orders over HTTP alone; and a URI of
a trunk is called as that trunk's customer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from rapida_media import Call, DialError, TransferOutcome

from .conftest import AgentNamer, Bench
from .far_end import Callee, answer, request_number
from .test_second_leg import Dialler, nothing_is_left, pick_up
from .test_transfer import refer
from .waiting import eventually

NOBODY = '[sip]\nlisten = ["udp:127.0.0.1:0"]\ndial_hosts = []\n'
# Not the trunk's address, which is asked for its password.
STRANGER = "127.0.0.2"
DESK = '[assistants.desk]\nagent = "{agent}"\n'
TRUNK = """
[trunks.carrier]
hosts = ["192.0.2.0/24"]
domain = "carrier.example"
proxy = "127.0.0.1:{port}"
username = "us"
password = "open-sesame"
srtp = "required"
codecs = ["PCMA"]
allow = ["+1"]
caller_id = "+15550100"
"""
CHALLENGE = ("WWW-Authenticate", 'Digest realm="carrier", nonce="n", algorithm=MD5, qop="auth"')
# The one-time keys are the callee's own; what they are does not matter to it.
SECURE = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/SAVP 8\r\n"
    "a=crypto:2 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40 + "\r\n"
)


@pytest.fixture
async def callee() -> AsyncIterator[Callee]:
    made = await Callee.open()
    yield made
    made.close()


async def quiet(callee: Callee) -> None:
    """See that nobody called."""
    await asyncio.sleep(0.1)
    assert not callee.received


@pytest.mark.parametrize(
    ("number", "trunk", "why"),
    [
        ("sip:bob@198.51.100.7", None, "the host is none that [sip] dial_hosts names"),
        ("+4930", "carrier", "the number begins with nothing that [trunks.carrier] allow names"),
        ("+4930", "carier", "there is no [trunks.carier]"),
        (
            "sip:+4930@carrier.example",
            None,
            "the number begins with nothing that [trunks.carrier] allow names",
        ),
    ],
)
async def test_an_agent_dials_nobody_that_the_configuration_does_not_allow(
    bench: Bench,
    agent_named: AgentNamer,
    callee: Callee,
    number: str,
    trunk: str | None,
    why: str,
) -> None:
    dialler = Dialler(number, trunk=trunk)
    await bench.start(NOBODY + TRUNK.format(port=callee.port), agent=agent_named(dialler))
    call = await (await bench.phone(host=STRANGER)).call()
    error = await eventually(lambda: dialler.error)
    assert (error.status, error.reason) == (403, f"not allowed: {why}")
    await quiet(callee)
    dialler.may_end.set()
    answer(call, await call.hung_up())
    await nothing_is_left(bench)


async def test_a_bridge_is_allowed_whom_it_names_and_nobody_else(
    bench: Bench, callee: Callee
) -> None:
    await bench.start(NOBODY, agent=f"bridge:{callee.uri}")
    call = (await bench.phone()).invite("echo")
    invite = await callee.request("INVITE")
    moved = ("Contact", f"<sip:elsewhere@127.0.0.1:{callee.port}>")
    callee.respond(invite, 302, headers=[moved])
    assert await call.final() == 480
    assert bench.logged("sent elsewhere, not allowed")
    await nothing_is_left(bench)
    assert {each.uri_text for each in callee.received if each.method == "INVITE"} == {callee.uri}


async def test_a_transfer_is_not_even_ordered_where_it_is_not_allowed(
    bench: Bench, agent_named: AgentNamer
) -> None:
    outcomes: list[TransferOutcome] = []

    async def agent(call: Call) -> None:
        for mode in ("refer", "bridge"):
            outcomes.append(await call.transfer("sip:carol@192.0.2.4", mode=mode))
        await asyncio.sleep(60)

    await bench.start(NOBODY, agent=agent_named(agent))
    call = await (await bench.phone(host=STRANGER)).call()
    await eventually(lambda: len(outcomes) == 2)
    assert [outcome.status for outcome in outcomes] == [403, 403]
    assert {outcome.reason for outcome in outcomes} == {
        "not allowed: the host is none that [sip] dial_hosts names"
    }
    assert not call.requests("REFER")
    await call.bye()


async def test_a_far_end_may_not_have_us_call_whom_we_may_not_call(
    bench: Bench, callee: Callee
) -> None:
    table = DESK.format(agent="silence") + "follow_transfers = true\n"
    await bench.start(NOBODY + table)
    call = await (await bench.phone(host=STRANGER)).call("desk")
    assert await refer(call, callee.uri) == 403
    await quiet(callee)
    await call.bye()


async def test_second_legs_count_among_the_calls_of_their_assistant(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    results: list[Call | DialError] = []

    async def agent(call: Call) -> None:
        for _ in range(2):
            try:
                results.append(await call.dial(callee.uri))
            except DialError as error:
                results.append(error)
        async for _ in call:
            pass

    await bench.start(DESK.format(agent=agent_named(agent)) + "max_outbound_calls = 1\n")
    call = await (await bench.phone(host=STRANGER)).call("desk")
    await pick_up(callee)
    await eventually(lambda: len(results) == 2)
    first, second = results
    assert isinstance(first, Call)
    assert first.assistant == "desk"
    assert isinstance(second, DialError)
    assert second.status == 403
    assert "max_outbound_calls" in second.reason
    await call.bye()
    callee.respond(await callee.request("BYE"), 200)
    await nothing_is_left(bench)


async def test_two_second_legs_at_once_do_not_slip_through_while_names_are_looked_up(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    results: list[object] = []

    async def agent(call: Call) -> None:
        uri = f"sip:callee@localhost:{callee.port}"
        dials = [call.dial(uri, timeout=0.3) for _ in range(3)]
        results.extend(await asyncio.gather(*dials, return_exceptions=True))
        async for _ in call:
            pass

    await bench.start(DESK.format(agent=agent_named(agent)) + "max_outbound_calls = 1\n")
    call = await (await bench.phone()).call("desk")
    await callee.request("INVITE")
    await eventually(lambda: len(results) == 3)
    assert sorted(each.status for each in results) == [403, 403, 408]
    await call.bye()


async def test_a_uri_of_a_trunk_is_called_with_its_password_its_keys_and_its_codecs(
    bench: Bench, agent_named: AgentNamer, callee: Callee
) -> None:
    dialler = Dialler("sip:+15550199@carrier.example")
    await bench.start(NOBODY + TRUNK.format(port=callee.port), agent=agent_named(dialler))
    call = await (await bench.phone(host=STRANGER)).call()
    first = await callee.request("INVITE")
    assert first.uri_text == "sip:+15550199@carrier.example"
    assert str(first.from_.uri) == "sip:+15550100@carrier.example"
    assert b"RTP/SAVP 8" in first.body
    callee.respond(first, 401, headers=[CHALLENGE])
    second = await callee.request("INVITE", 2)
    assert 'username="us"' in (second.header("Authorization") or "")
    callee.respond(second, 200, body=SECURE.format(port=callee.rtp.port))
    leg = await eventually(lambda: dialler.leg)
    assert leg.info.trunk == "carrier"
    assert leg.stats()["srtp"] == "AES_CM_128_HMAC_SHA1_80"
    await call.bye()
    callee.respond(await callee.request("BYE"), 200)
    dialler.may_end.set()
    await nothing_is_left(bench)


async def test_a_far_end_that_refers_to_a_trunk_has_it_called_as_the_trunk_wants(
    bench: Bench, callee: Callee
) -> None:
    table = DESK.format(agent="silence") + "follow_transfers = true\n"
    await bench.start(NOBODY + TRUNK.format(port=callee.port) + table)
    call = await (await bench.phone(host=STRANGER)).call("desk")
    assert await refer(call, "sip:+15550199@carrier.example") == 202
    first = await callee.request("INVITE")
    # "desk", who was called, is no number to show: the trunk's is.
    assert str(first.from_.uri) == "sip:+15550100@carrier.example"
    assert b"RTP/SAVP 8" in first.body
    callee.respond(first, 401, headers=[CHALLENGE])
    second = await callee.request("INVITE", 2)
    assert 'username="us"' in (second.header("Authorization") or "")
    callee.respond(second, 486)
    for number in (1, 2):
        answer(call, await request_number(call, "NOTIFY", number))
    await call.bye()
    await nothing_is_left(bench)
