"""Who gets in, how many, and what the others are told."""

from __future__ import annotations

import asyncio
import logging
import socket

import pytest

from rapida_media.call.call import Call
from rapida_media.sip.timers import TimerValues

from .conftest import AgentNamer, Bench
from .phone import Phone, PhoneCall
from .rtp import speech
from .waiting import eventually


def retry_after(call: PhoneCall) -> str | None:
    assert call.response is not None
    return call.response.header("Retry-After")


async def test_calls_above_the_rate_get_503_and_the_admitted_one_goes_on(bench: Bench) -> None:
    engine = await bench.start("[limits]\ncalls_per_second = 0.25\n")
    phone = await bench.phone()
    admitted = await phone.call()
    for _ in range(3):
        refused = phone.invite()
        assert await refused.final() == 503
        assert retry_after(refused) == "4"  # a quarter of a call a second: one in four seconds
    assert engine.counters["refused_calls_per_second"] == 3
    said = speech(0.8)
    await admitted.rtp.say(said)
    await admitted.rtp.hears(said)
    assert await admitted.bye() == 200
    await bench.idle()


CARRIER = '[trunks.carrier]\nhosts = ["127.0.0.1"]\n'


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ([("Require", "100rel, early-session")], 420, "420 Unsupported: early-session"),
        ([("Accept", "text/plain")], 406, "406 Accept: application/sdp"),
        ([("Expires", "soon")], 400, "400 malformed Expires"),
    ],
)
async def test_a_carriers_invite_that_comes_to_no_call_is_counted_and_told_once(
    bench: Bench,
    caplog: pytest.LogCaptureFixture,
    headers: list[tuple[str, str]],
    status: int,
    told: str,
) -> None:
    engine = await bench.start(CARRIER)
    phone = await bench.phone()
    with caplog.at_level(logging.INFO, "rapida_media"):
        for _ in range(3):
            assert await phone.invite(headers=headers).final() == status
    assert engine.counters[f"refused_{status}"] == 3
    assert [each for each in caplog.messages if "INVITE" in each] == [
        f"INVITE from 127.0.0.1 refused: {told}"
    ]


async def test_a_session_interval_that_is_agreed_on_is_no_refusal(bench: Bench) -> None:
    engine = await bench.start(CARRIER)
    call = (await bench.phone()).invite(headers=[("Session-Expires", "10")])
    assert await call.final() == 422
    assert not engine.counters["refused_422"]


async def test_a_burst_far_above_the_limit_harms_no_call_that_was_admitted(bench: Bench) -> None:
    limits = "[limits]\nmax_calls = 2\ncalls_per_second = 1000\n"
    engine = await bench.start(limits, timers=TimerValues())
    phone = await bench.phone()
    admitted = [await phone.call() for _ in range(2)]
    said = speech(0.8)
    burst = [phone.invite() for _ in range(60)]
    statuses = await asyncio.gather(*(call.final() for call in burst))
    assert set(statuses) == {503}
    assert {retry_after(call) for call in burst} == {"5"}
    assert engine.counters["refused_max_calls"] == 60
    for call in admitted:
        await call.rtp.say(said)
        await call.rtp.hears(said)
        assert await call.bye() == 200
    await eventually(lambda: engine.active_calls == 0)


async def test_who_asks_by_options_is_told_whether_a_call_would_be_taken(bench: Bench) -> None:
    engine = await bench.start("[limits]\nmax_calls = 1\ncalls_per_second = 0.25\n")
    phone = await bench.phone()
    assert [(await phone.options()).status for _ in range(3)] == [200] * 3
    call = await phone.call()
    full = await phone.options()
    assert (full.status, full.header("Retry-After")) == (503, "5")
    draining = asyncio.ensure_future(engine.drain())
    await asyncio.sleep(0)
    gone = await phone.options()
    assert (gone.status, gone.header("Retry-After")) == (503, "30")
    assert engine.counters["refused_max_calls"] == engine.counters["refused_draining"] == 0
    assert await call.bye() == 200
    await draining


async def test_calls_above_the_limit_get_503_until_one_ends(bench: Bench) -> None:
    engine = await bench.start("[limits]\nmax_calls = 3\n")
    phone = await bench.phone()
    admitted = [await phone.call() for _ in range(3)]
    refused = phone.invite()
    assert await refused.final() == 503
    assert retry_after(refused) == "5"
    assert await admitted.pop().bye() == 200
    admitted.append(await phone.call())
    assert engine.active_calls == 3
    assert engine.counters["refused_max_calls"] == 1
    assert [await call.bye() for call in admitted] == [200, 200, 200]
    await bench.idle()


BAD_AFTER_ADMISSION = {
    "two contacts": [("Contact", "<sip:other@127.0.0.1>")],
    "an unusable route": [("Record-Route", "<sip:>")],
    "an unreadable limit": [("Expires", "soon")],
    "an unreadable optional body": [
        ("Content-Disposition", "session;handling=optional"),
        ("Content-Type", "not a type"),
    ],
}


@pytest.mark.parametrize("what", BAD_AFTER_ADMISSION)
async def test_an_invite_that_is_refused_as_malformed_takes_no_place(
    bench: Bench, what: str
) -> None:
    engine = await bench.start("[limits]\nmax_calls = 1\n")
    phone = await bench.phone()
    for _ in range(3):
        call = phone.invite(headers=BAD_AFTER_ADMISSION[what])
        assert await call.final() == 400
    assert engine.figures()["sessions"] == 0
    call = await phone.call()
    assert await call.bye() == 200
    await bench.idle()


async def test_a_call_that_finds_no_port_is_refused_and_its_place_given_back(bench: Bench) -> None:
    engine = await bench.start('[rtp]\nports = "32760-32763"\n')
    phone = await bench.phone()
    calls = [await phone.call(), await phone.call()]
    ports = {call.rtp.remote[1] for call in calls if call.rtp.remote}
    assert ports == {32760, 32762}
    refused = phone.invite()
    assert await refused.final() == 503
    assert retry_after(refused) == "5"
    assert engine.counters["refused_no_ports"] == 1
    assert engine.media.ports.in_use == 2
    for call in calls:
        assert await call.bye() == 200
    await bench.idle()
    assert engine.media.ports.free == 2
    again = await phone.call()
    assert await again.bye() == 200


async def test_every_port_in_use_is_even_with_its_odd_neighbour_held_for_rtcp(
    bench: Bench,
) -> None:
    await bench.start()
    phone = await bench.phone()
    calls = [await phone.call() for _ in range(10)]
    for call in calls:
        assert call.rtp.remote is not None
        host, port = call.rtp.remote
        assert port % 2 == 0
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rival,
            pytest.raises(OSError, match="in use"),
        ):
            rival.bind((host, port + 1))
    assert {await call.bye() for call in calls} == {200}


async def test_a_call_ends_when_it_has_lasted_long_enough(bench: Bench) -> None:
    await bench.start("[limits]\nmax_call_seconds = 0.5\n")
    call = await (await bench.phone()).call()
    await call.hung_up()
    assert bench.logged("ended: max_duration")


def own_address() -> str | None:
    """Give an address of this machine that is not loopback, None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return None
        address: str = probe.getsockname()[0]
        return None if address.startswith("127.") else address


@pytest.mark.parametrize(("hosts", "status"), [("{own}/32", 200), ("203.0.113.7", 403)])
async def test_only_hosts_of_a_trunk_may_call(bench: Bench, hosts: str, status: int) -> None:
    own = own_address()
    if own is None:
        pytest.skip("this machine has no address but loopback")
    engine = await bench.start(
        f'[sip]\nlisten = ["udp:{own}:0"]\n[trunks.carrier]\nhosts = ["{hosts.format(own=own)}"]\n'
    )
    phone = await bench.phone(host=own)
    call = phone.invite()
    assert await call.final() == status
    assert engine.counters["refused_not_a_trunk"] == (status == 403)
    if status == 200:
        await eventually(lambda: call.rtp.heard)
        assert await call.bye() == 200
    assert (await phone.options()).status == 200


async def test_the_called_number_the_name_or_the_default_chooses_the_assistant(
    bench: Bench, agent_named: AgentNamer
) -> None:
    calls: list[Call] = []

    async def agent(call: Call) -> None:
        calls.append(call)

    spec = agent_named(agent)
    await bench.start(
        f'[assistants.sales]\nagent = "{spec}"\nnumbers = ["+15550100"]\n'
        'parameters = { plan = "gold", tries = 3 }\n'
        f'[assistants.support]\nagent = "{spec}"\n',
        agent=spec,
    )
    phone = await bench.phone()
    for user in ("+15550100", "1-555-0100", "%2B15550100", "SUPPORT", "anyone"):
        await (await phone.call(user)).hung_up()
    assert [call.assistant for call in calls] == ["sales", "sales", "sales", "support", None]
    assert calls[0].parameters == {"plan": "gold", "tries": 3}
    assert (calls[0].direction, calls[0].provider) == ("inbound", "sip")
    assert calls[0].caller == "sip:phone@127.0.0.1"
    assert calls[0].called == phone.uri("+15550100")
    assert calls[3].parameters == {}


async def test_without_a_default_agent_an_unknown_number_is_not_found(bench: Bench) -> None:
    await bench.start('[assistants.sales]\nagent = "echo"\n', agent=None)
    phone = await bench.phone()
    call = phone.invite("nobody")
    assert await call.final() == 404
    assert await (await phone.call("sales")).bye() == 200
    await bench.idle()


async def test_the_headers_of_the_invite_reach_the_agent(
    bench: Bench, agent_named: AgentNamer
) -> None:
    calls: list[Call] = []

    async def agent(call: Call) -> None:
        calls.append(call)

    await bench.start(agent=agent_named(agent))
    headers = [("X-Order", "4711"), ("P-Asserted-Identity", "<sip:+15550199@carrier.example>")]
    await (await (await bench.phone()).call(headers=headers)).hung_up()
    assert calls[0].headers["X-Order"] == "4711"
    assert calls[0].headers["p-asserted-identity"] == "<sip:+15550199@carrier.example>"


async def test_calls_are_taken_while_others_are_refused(bench: Bench) -> None:
    """Fifty at once against a limit of ten: exactly ten get in."""
    await bench.start("[limits]\nmax_calls = 10\ncalls_per_second = 1000\n")
    phone = await bench.phone()
    calls = [phone.invite() for _ in range(50)]
    statuses = await asyncio.gather(*(call.final() for call in calls))
    assert (statuses.count(200), statuses.count(503)) == (10, 40)
    up = [call for call, status in zip(calls, statuses, strict=True) if status == 200]
    assert {await call.bye() for call in up} == {200}
    await bench.idle()


async def test_phones_of_other_loopback_addresses_are_answered_where_they_are(
    bench: Bench,
) -> None:
    await bench.start()
    phone: Phone = await bench.phone(host="127.0.0.2")
    call = await phone.call()
    await eventually(lambda: call.rtp.heard)
    assert await call.bye() == 200
