"""Calls that come and go by trunks, between two engines."""

from __future__ import annotations

import asyncio

import pytest

from rapida_media.call.call import Call
from rapida_media.errors import ConfigError, RapidaError

from .conftest import Bench
from .waiting import eventually

CARRIER = """
[trunks.customer]
hosts = ["127.0.0.1"]
username = "acme"
password = "open sesame"
country_code = "1"
codecs = ["PCMA"]
"""
CUSTOMER = """
[trunks.carrier]
hosts = ["carrier.example", "127.0.0.1"]
domain = "carrier.example"
proxy = "127.0.0.1:{port}"
username = "acme"
password = "{password}"
caller_id = "+15550100"
headers.X-Account = "acme-7"
ping_seconds = 60
"""


async def until_hang_up(call: Call) -> None:
    async for _ in call:
        pass


async def start_both(bench: Bench, taken: list[Call], password: str = "open sesame"):
    carrier = await bench.start(CARRIER)
    original = carrier._calls.make

    def keep(*arguments, **options):
        made = original(*arguments, **options)
        taken.append(made.call)
        return made

    carrier._calls.make = keep
    port = bench.address().port
    customer = await bench.start(CUSTOMER.format(port=port, password=password))
    return carrier, customer


async def test_a_number_is_called_by_a_trunk_with_its_password_and_caller_id(bench: Bench) -> None:
    taken: list[Call] = []
    carrier, customer = await start_both(bench, taken)
    headers = [("X-Order", "4711")]
    call = await customer.dial_trunk("carrier", "+1 555 0199", until_hang_up, headers=headers)
    await eventually(lambda: call.call.answered)
    (there,) = taken
    assert (there.caller, there.called) == ("+15550100", "+15550199")
    assert (there.headers["X-Order"], there.headers["X-Account"]) == ("4711", "acme-7")
    assert there.headers["P-Asserted-Identity"] == "<sip:+15550100@carrier.example>"
    assert "authorization" not in there.headers
    assert call.call.stats()["codec"] == "PCMA"
    assert carrier.counters["challenges_sent"] == 1
    call.hang_up("enough")
    await call.finished
    await eventually(lambda: there.ended is not None)
    assert there.ended.reason == "bye"


async def test_a_wrong_password_ends_the_call_with_403(bench: Bench) -> None:
    taken: list[Call] = []
    _, customer = await start_both(bench, taken, "guess")
    call = await customer.dial_trunk("carrier", "+15550199", until_hang_up)
    await call.finished
    assert call.call.ended.code == 403
    assert not taken


async def test_another_caller_id_may_be_shown(bench: Bench) -> None:
    taken: list[Call] = []
    _, customer = await start_both(bench, taken)
    call = await customer.dial_trunk("carrier", "+15550199", until_hang_up, caller_id="5550177")
    await eventually(lambda: call.call.answered)
    assert taken[0].caller == "+15550177"
    call.hang_up("enough")
    await call.finished


async def test_a_trunk_that_does_not_exist_or_is_not_found_is_named(bench: Bench) -> None:
    engine = await bench.start('[trunks.x]\nhosts = ["nowhere.invalid"]\n[trunks.in]\n'
                               'hosts = ["192.0.2.0/24"]')  # fmt: skip
    for name in ("y", "in", "x"):
        with pytest.raises(RapidaError, match=name if name != "x" else "nowhere.invalid"):
            await engine.dial_trunk(name, "+15550199", until_hang_up)
    assert bench.logged("trunk x: the host nowhere.invalid cannot be resolved")


async def test_a_codec_nobody_knows_is_refused_at_the_start(bench: Bench) -> None:
    with pytest.raises(ConfigError, match=r"\[trunks.x\] codecs: expected PCMU, .* got 'GSM'"):
        await bench.start('[trunks.x]\nhosts = ["192.0.2.1"]\ncodecs = ["GSM"]')


async def test_the_trunk_that_answers_is_called_reachable_in_the_log(bench: Bench) -> None:
    await start_both(bench, [])
    async with asyncio.timeout(5):
        await eventually(lambda: bench.logged("trunk carrier: reachable"))
