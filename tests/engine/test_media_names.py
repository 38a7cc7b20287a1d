"""Host names in ``c=``: looked up before the call goes on, without holding up any other."""

from __future__ import annotations

import asyncio

import pytest

from rapida_media.net.engine import Engine

from .conftest import Bench
from .waiting import eventually


class Dns:
    """Knows ``phone.example`` as 127.0.0.1, when it is told to answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    async def naptr(self, name: str) -> tuple[float, list[object]]:
        return 60.0, []

    async def srv(self, name: str) -> tuple[float, list[object]]:
        return 60.0, []

    async def addresses(self, name: str) -> tuple[float, list[str]]:
        self.asked.append(name)
        await self.answers.wait()
        return 60.0, ["127.0.0.1"] if name == "phone.example" else []


@pytest.fixture
async def dns(bench: Bench) -> Dns:
    engine: Engine = await bench.start()
    dns = Dns()
    engine._resolver._dns = dns
    return dns


async def test_an_offer_with_a_host_name_is_answered_and_media_goes_there(
    bench: Bench, dns: Dns
) -> None:
    phone = await bench.phone()
    call = phone.invite()
    sdp = call.sdp(address="phone.example")
    call = await phone.call(sdp=sdp.replace(str(call.rtp.port), "9"))
    assert dns.asked == ["phone.example"]
    assert bench.engine.active_calls
    await call.bye()


async def test_media_reaches_the_named_host(bench: Bench, dns: Dns) -> None:
    call = (await bench.phone()).invite()
    await call.final()
    answer = await call.reinvite(call.sdp(address="phone.example", version=2))
    assert answer.status == 200
    await eventually(lambda: call.rtp.heard)
    await call.bye()


async def test_a_name_nobody_knows_is_refused_with_488(bench: Bench, dns: Dns) -> None:
    phone = await bench.phone()
    call = phone.invite()
    await call.final()
    unknown = call.sdp(address="nowhere.example", version=2)
    assert await phone.invite(sdp=unknown).final() == 488
    call.send_invite(unknown)
    assert await call.final() == 488
    assert bench.engine.active_calls == 1  # as it was


async def test_a_call_that_waits_for_a_name_takes_its_place_among_those_that_fit_in(
    bench: Bench, dns: Dns
) -> None:
    await bench.stop()
    engine = await bench.start("[limits]\nmax_calls = 2\n")
    engine._events._media_names._resolver._dns = dns
    dns.answers.clear()
    phone = await bench.phone()
    offer = (await phone.call()).sdp(address="phone.example")
    calls = [phone.invite(sdp=offer) for _ in range(4)]
    assert [await call.final() for call in calls[1:]] == [503] * 3
    calls[0].cancel()
    assert await calls[0].final() == 487
    again = phone.invite(sdp=offer)
    dns.answers.set()
    assert await again.final() == 200


async def test_others_are_answered_while_a_name_is_looked_up(bench: Bench, dns: Dns) -> None:
    dns.answers.clear()
    phone = await bench.phone()
    sdp = (await phone.call()).sdp(address="phone.example")
    slow = phone.invite(sdp=sdp)
    await eventually(lambda: dns.asked)
    await phone.call()
    dns.answers.set()
    assert await slow.final() == 200


async def test_a_call_taken_back_while_its_name_is_looked_up_leaves_nothing(
    bench: Bench, dns: Dns
) -> None:
    dns.answers.clear()
    phone = await bench.phone()
    sdp = (await phone.call()).sdp(address="phone.example")
    before = bench.engine.active_calls
    slow = phone.invite(sdp=sdp)
    await eventually(lambda: dns.asked)
    slow.cancel()
    assert await slow.final() == 487
    dns.answers.set()
    await asyncio.sleep(0.05)
    assert bench.engine.active_calls == before
    assert not bench.engine._events._media_names._waiting


async def test_a_name_that_takes_too_long_is_refused(
    bench: Bench, dns: Dns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rapida_media.net.media_names.LOOK_UP_S", 0.05)
    dns.answers.clear()
    phone = await bench.phone()
    sdp = (await phone.call()).sdp(address="phone.example")
    assert await phone.invite(sdp=sdp).final() == 488
