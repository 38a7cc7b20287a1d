"""Every call of the engine is in its journal, from its beginning to its end."""

from __future__ import annotations

import asyncio
import time

import pytest

from rapida_media.call import watchdog
from rapida_media.call.call import Call
from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.net import sweep
from rapida_media.net.sip_call import SipCall

from .conftest import AgentNamer, Bench
from .far_end import Callee
from .rtp import speech
from .waiting import eventually


class Kept:
    """A sink: all records of each change, in order."""

    def __init__(self) -> None:
        self.records: list[CallRecord] = []

    def record_changed(self, record: CallRecord) -> None:
        self.records.append(record)

    @property
    def states(self) -> list[str]:
        """The states in the order they were first seen."""
        return list(dict.fromkeys(str(record.state) for record in self.records))


def kept(bench: Bench) -> Kept:
    sink = Kept()
    bench.engine.journal.add_sink(sink)
    return sink


async def test_a_call_to_us_is_recorded_while_it_happens(bench: Bench) -> None:
    began = time.time()
    engine = await bench.start(
        '[assistants.support]\nagent = "echo"\nnumbers = ["+15550100"]\nparameters = {plan = "x"}\n'
    )
    sink = kept(bench)
    phone = await bench.phone()
    call = await phone.call("+15550100")
    (live,) = engine.journal.live.values()
    assert (live.state, live.raw_status) == (CallState.IN_PROGRESS, "200")
    said = speech(0.5)
    await call.rtp.say(said)
    await call.rtp.hears(said)
    assert await call.bye() == 200
    await bench.idle()
    record = sink.records[-1]
    assert sink.states == ["initiated", "in-progress", "completed"]
    assert not engine.journal.live
    assert (record.provider, record.direction, record.assistant) == ("sip", "inbound", "support")
    assert (record.reason, record.failure_class, record.retryable) == ("bye", None, False)
    assert record.parameters == {"plan": "x"}
    assert record.called.startswith("sip:+15550100@")
    assert record.answered_at is not None
    assert record.first_media_at is not None
    assert record.ended_at is not None
    assert began <= record.created_at <= record.answered_at <= record.first_media_at
    assert record.first_media_at < record.ended_at <= time.time()
    assert record.quality["packets_received"] > 20
    assert record.quality["codec"] == "PCMU"


async def test_what_a_deciding_agent_does_is_recorded(
    bench: Bench, agent_named: AgentNamer
) -> None:
    async def reluctant(call) -> None:  # type: ignore[no-untyped-def]
        await call.ring()
        await call.reject(486)

    agent = agent_named(reluctant)
    await bench.start(f'[assistants.a]\nagent = "{agent}"\nanswer = "agent"\n')
    sink = kept(bench)
    phone = await bench.phone()
    assert await phone.invite("a").final() == 486
    assert sink.states == ["initiated", "ringing", "failed"]
    record = sink.records[-1]
    assert (record.reason, record.code, record.failure_class) == ("rejected", 486, "agent")
    assert record.ringing_at is not None
    assert record.answered_at is None


async def test_a_caller_that_gives_up_is_recorded(bench: Bench, agent_named: AgentNamer) -> None:
    async def undecided(call) -> None:  # type: ignore[no-untyped-def]
        async for _ in call:
            pass

    await bench.start(f'[assistants.a]\nagent = "{agent_named(undecided)}"\nanswer = "agent"\n')
    sink = kept(bench)
    phone = await bench.phone()
    call = phone.invite("a")
    await asyncio.sleep(0.05)
    call.cancel()
    assert await call.final() == 487
    record = sink.records[-1]
    assert (record.state, record.reason) == (CallState.CANCELED, "canceled")
    assert record.failure_class == "caller"


async def silent(call: Call) -> None:
    async for _ in call:
        pass


async def test_an_ordered_call_goes_on_under_the_record_of_its_order(bench: Bench) -> None:
    await bench.start()
    order = CallRecord(
        "order-1", "sip", "outbound", "", "+15550199", time.time(), assistant="support",
        trunk="itself", parameters={"plan": "gold"}, context_id="x", idempotency_key="k",
    )  # fmt: skip
    port = bench.address().port
    trunk = f'[trunks.itself]\nhosts = ["127.0.0.1"]\nproxy = "127.0.0.1:{port}"\n'
    caller = await bench.start(trunk)
    sink = kept(bench)
    caller.journal.created(order)
    call = await caller.dial_trunk("itself", "+15550199", silent, ordered=order)
    assert call.call.id == "order-1"
    assert call.call.parameters == {"plan": "gold"}
    await eventually(lambda: call.call.answered)
    await call.call.hang_up()
    await call.finished
    assert sink.states == ["queued", "initiated", "in-progress", "completed"]
    record = sink.records[-1]
    assert (record.id, record.assistant, record.trunk) == ("order-1", "support", "itself")
    assert (record.idempotency_key, record.context_id) == ("k", "x")
    assert (record.reason, record.direction) == ("agent_hangup", "outbound")
    assert "+15550199" in record.called


async def test_a_busy_callee_is_recorded_with_its_own_word(bench: Bench) -> None:
    await bench.start()
    sink = kept(bench)
    callee = await Callee.open()
    call = bench.engine.dial(await callee.target(), silent)
    invite = await callee.request("INVITE")
    callee.respond(invite, 180)
    await eventually(lambda: "ringing" in sink.states)
    callee.respond(invite, 486, headers=[("Retry-After", "30")])
    await call.finished
    callee.close()
    assert sink.states == ["initiated", "ringing", "busy"]
    record = sink.records[-1]
    assert (record.reason, record.code, record.failure_class) == ("busy", 486, "callee")
    assert (record.retryable, record.retry_after_s) == (True, 30)
    assert record.raw_status == "180"
    assert record.answered_at is None


async def test_a_call_that_never_connects_is_ended_by_the_watchdog(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "CONNECT_S", 0.2)
    monkeypatch.setattr(sweep, "SWEEP_S", 0.05)
    await bench.start()
    sink = kept(bench)
    order = CallRecord("order-1", "twilio", "outbound", "a", "b", time.time())
    bench.engine.journal.created(order)
    callee = await Callee.open()
    call = await call_and_let_ring(bench, callee)
    answered = await (await bench.phone()).call()
    await call.finished
    await eventually(lambda: len(bench.engine.journal.live) == 1)
    callee.close()
    ends = {record.id: record for record in sink.records if record.ended_at is not None}
    assert set(ends) == {"order-1", call.call.id}
    for record in ends.values():
        assert (record.reason, record.failure_class) == ("never_connected", "network")
        assert record.retryable
        assert record.state is CallState.FAILED
    assert await answered.bye() == 200


async def call_and_let_ring(bench: Bench, callee: Callee) -> SipCall:
    call = bench.engine.dial(await callee.target(), silent)
    callee.respond(await callee.request("INVITE"), 180)
    return call
