"""SRTP by trunks, between two engines: who agrees, and what holding does to the keys."""

from __future__ import annotations

import asyncio

import pytest

from rapida_media.call.call import Call
from rapida_media.net.engine import Engine
from rapida_media.net.sip_call import SipCall

from .conftest import Bench
from .waiting import eventually

CARRIER = """
[trunks.customer]
hosts = ["127.0.0.1"]
srtp = "{mode}"
"""
CUSTOMER = """
[trunks.carrier]
hosts = ["127.0.0.1"]
domain = "carrier.example"
proxy = "127.0.0.1:{port}"
srtp = "{mode}"
"""


async def speak(call: Call) -> None:
    async for _ in call:
        if call.queued_ms < 100:
            call.write(bytes(range(256)) * 25)


async def start_both(bench: Bench, called: str, calling: str) -> Engine:
    await bench.start(CARRIER.format(mode=called))
    port = bench.address().port
    return await bench.start(CUSTOMER.format(port=port, mode=calling))


async def answered(call: SipCall) -> None:
    await eventually(lambda: call.call.answered or call.finished.done())


@pytest.mark.parametrize(
    ("called", "calling", "suite"),
    [
        ("optional", "optional", "AEAD_AES_128_GCM"),
        ("optional", "required", "AEAD_AES_128_GCM"),
        ("required", "optional", "AEAD_AES_128_GCM"),
        ("off", "optional", None),
        ("optional", "off", None),
    ],
)
async def test_trunks_encrypt_where_both_can(
    bench: Bench, called: str, calling: str, suite: str | None
) -> None:
    customer = await start_both(bench, called, calling)
    call = await customer.dial_trunk("carrier", "+15550199", speak)
    await answered(call)
    await eventually(lambda: call.call.stats()["packets_received"] > 5)
    figures = call.call.stats()
    assert figures["srtp"] == suite
    assert figures["srtp_failures"] == figures["srtp_replays"] == 0
    call.hang_up("enough")
    await call.finished


@pytest.mark.parametrize(("called", "calling"), [("off", "required"), ("required", "off")])
async def test_a_trunk_that_must_and_one_that_cannot_get_488(
    bench: Bench, called: str, calling: str
) -> None:
    customer = await start_both(bench, called, calling)
    call = await customer.dial_trunk("carrier", "+15550199", speak)
    await call.finished
    assert call.call.ended is not None
    assert call.call.ended.code == 488


async def test_hold_and_resume_keep_the_keys_and_media_goes_on(bench: Bench) -> None:
    customer = await start_both(bench, "required", "required")
    call = await customer.dial_trunk("carrier", "+15550199", speak)
    await answered(call)
    leg = call.call.leg
    await eventually(lambda: call.call.stats()["packets_received"] > 5)
    contexts = leg.srtp_sender, leg.srtp_receiver
    for hold in (True, False):
        agreed = asyncio.get_running_loop().create_future()
        call.hold(hold, agreed.set_result)
        assert await agreed
    assert (leg.srtp_sender, leg.srtp_receiver) == contexts
    before = call.call.stats()["packets_received"]
    await eventually(lambda: call.call.stats()["packets_received"] > before + 5)
    assert call.call.stats()["srtp_failures"] == 0
    call.hang_up("enough")
    await call.finished


async def test_strangers_to_every_trunk_get_no_encryption_and_no_noise(bench: Bench) -> None:
    await bench.start()
    key = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40
    sdp = (
        "v=0\r\no=- 7 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
        f"m=audio 4000 RTP/SAVP 0\r\n{key}\r\n"
    )
    call = (await bench.phone()).invite(sdp=sdp)
    assert await call.final() == 488
