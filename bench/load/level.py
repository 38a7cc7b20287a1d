"""One level of the load test: N calls up, held, talking; and what that cost.

Called by `__main__.py`. Phases, with the process's CPU clock read at each border:

    idle 0.5 s · set-up, N INVITEs at a fixed rate · hold 2 s, nobody speaks · talk 1 s, warm-up
    · window, the figures · return 0.5 s, the last echoes · BYE

What the figures are
  echoed        packets sent in the window whose audio came back, legible and at its level
                (`burst_code.h`), over packets sent in the window
  round trip    from a packet leaving the far end to its first sample being heard there
                (`telephone.h`): two resampling filters and the wait for the next tick included
  gaps          between consecutive RTP packets of one call, by the kernel's receive stamps
  core a call   CPU time of all threads, user and system, over the window's length and N; what
                the process costs idle is not taken off
  memory a call resident set at the end of the window less that after the warm-up calls, over N
  set-up CPU    an answered call costs media from its first moment (an engine may send silence),
                so the hold phase gives the rate of N silent calls, and what set-up spent is
                    CPU(set-up) - idle·length - (hold - idle)·Σ(time each call was up)/N
                over N. The hang-up is not in it.
  set-up time   INVITE leaving to the kernel's stamp on its 200
  waited        the share of the window in which the engine was ready to run and other processes
                had its core: not its fault, and the reason to repeat a measurement
A level is refused, with no figures of the engine, when the far ends themselves were late: their
packets' lateness enters the round trip, and the echo of an engine that does not pace.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .caller import Caller, SipCall
from .engine import Engine
from .far_end import FarEnd
from .process import Usage, split_cores

IDLE_S = 0.5
HOLD_S = 2.0
TALK_WARM_UP_S = 1.0
RETURN_S = 0.5
WARM_UP_CALLS = 10
BYE_RATE = 200.0
LATE_LIMIT_US = 5_000  # a quarter of a packet, at the far ends' 99.9th percentile


@dataclass(frozen=True, slots=True)
class Plan:
    """How a level is run."""

    window_s: float = 10.0
    setups_per_second: float = 60.0


@dataclass(slots=True)
class LevelResult:
    """One row of the table. Figures of the engine are None when the level was refused."""

    calls: int
    answered: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    refused: str = ""
    echoed_share: float | None = None
    round_trip_ms: dict[str, float] | None = None
    gap_ms: dict[str, float] | None = None
    gaps_over_40_ms: int | None = None
    gaps_over_40_ms_share: float | None = None
    core_percent_per_call: float | None = None
    core_percent: float | None = None
    kernel_share: float | None = None
    silent_core_percent_per_call: float | None = None
    idle_core_percent: float | None = None
    memory_bytes_per_call: float | None = None
    set_up_cpu_ms: float | None = None
    set_up_ms: dict[str, float] | None = None
    waited_share: float | None = None
    media: dict[str, Any] = field(default_factory=dict)
    signalling: dict[str, int] = field(default_factory=dict)
    generator: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class _SetUp:
    """The CPU readings up to the first word spoken."""

    before_idle: Usage
    before: Usage
    after: Usage
    after_hold: Usage
    call_seconds: float  # Σ over the calls of the time each was up when set-up ended


def measure_level(engine: Engine, count: int, plan: Plan) -> LevelResult:
    """Run one level; bounded in time. RuntimeError if the engine ends or answers no call."""
    result = LevelResult(count)
    core, _ = split_cores()
    caller = Caller(engine.target, engine.destination, engine.address)
    try:
        with FarEnd(count, engine.address, core) as far_end:
            _warm_up(engine, caller, far_end)
            set_up = _set_up(engine, caller, far_end, count, plan)
            calls = [call for call in caller.calls.values() if call.state == "answered"]
            result.answered = sum(call.media is not None for call in calls)
            began, ended, media = _talk(engine, caller, far_end, plan)
            hang_up(caller, calls)
        result.statuses = dict(caller.statuses)
        result.signalling = signalling_counts(caller)
        _fill(result, set_up, calls, (began, ended), media, engine.first_rss_bytes or 0)
        result.generator["realtime"] = far_end.realtime
    finally:
        caller.close()
    return result


def signalling_counts(caller: Caller) -> dict[str, int]:
    """What went otherwise than planned."""
    return {
        "our_retransmissions": caller.retransmissions,
        "repeated_answers": caller.repeated_answers,
        "ended_by_peer": caller.ended_by_peer,
        "unanswered_byes": caller.unanswered_byes,
    }


def refusal(media: dict[str, Any]) -> str:
    """Why the generator's work cannot be trusted; empty if it can."""
    lateness = media["lateness_us"]
    if lateness["p999"] > LATE_LIMIT_US:
        return f"the far ends sent late (p99.9 {lateness['p999'] / 1000:.1f} ms)"
    if media["socket_drops"]:
        return f"the far ends' sockets overflowed ({media['socket_drops']} packets)"
    if media["unsent"]:
        return f"the far ends could not send {media['unsent']} packets"
    return ""


def place(caller: Caller, far_end: FarEnd, count: int, rate: float) -> None:
    """Place calls 0…count-1, one every 1/rate s, and wait until each is answered or failed."""
    start = time.monotonic()
    for index in range(count):
        caller.pump(start + index / rate)
        caller.invite(index, far_end.ports[index])
    calls = list(caller.calls.values())
    caller.pump(time.monotonic() + 10, lambda: all(c.state != "inviting" for c in calls))


def hang_up(caller: Caller, calls: Sequence[SipCall]) -> None:
    """End the calls, spread over time, and wait for the answers."""
    start = time.monotonic()
    for index, call in enumerate(calls):
        caller.pump(start + index / BYE_RATE)
        caller.bye(call)
    caller.pump(time.monotonic() + 5, lambda: all(c.state == "ended" for c in calls))


def connect_media(far_end: FarEnd, call: SipCall) -> bool:
    """Tell the far end of a call where its peer is; False if the answer had no PCMU."""
    if call.media is None:
        return False
    far_end.call(call.index, call.media[0], call.media[1], 0)
    return True


def warm_up(caller: Caller, far_end: FarEnd, count: int) -> None:
    """A few short calls that talk, so that what is loaded on first use is loaded."""
    place(caller, far_end, count, 50.0)
    calls = [call for call in caller.calls.values() if call.state == "answered"]
    if not calls:
        raise RuntimeError(f"no call was answered; final responses: {dict(caller.statuses)}")
    for call in calls:
        if connect_media(far_end, call):
            far_end.start(call.index)
    caller.pump(time.monotonic() + 0.5)
    far_end.stop()
    hang_up(caller, calls)
    caller.pump(time.monotonic() + 0.3)
    caller.calls.clear()
    caller.statuses.clear()


def _warm_up(engine: Engine, caller: Caller, far_end: FarEnd) -> None:
    warm_up(caller, far_end, min(WARM_UP_CALLS, len(far_end.ports)))
    if engine.first_rss_bytes is None:
        engine.first_rss_bytes = engine.usage().rss_bytes


def _set_up(engine: Engine, caller: Caller, far_end: FarEnd, count: int, plan: Plan) -> _SetUp:
    def answered(call: SipCall) -> None:
        connect_media(far_end, call)

    caller.on_answered = answered
    before_idle = engine.usage()
    caller.pump(time.monotonic() + IDLE_S)
    before = engine.usage()
    place(caller, far_end, count, plan.setups_per_second)
    caller.pump(time.monotonic() + 0.1)  # the last ACK has its effects
    after, now_ns = engine.usage(), time.time_ns()
    caller.pump(time.monotonic() + HOLD_S)
    up_ns = sum(now_ns - call.answered_ns for call in caller.calls.values() if call.answered_ns)
    return _SetUp(before_idle, before, after, engine.usage(), up_ns / 1e9)


def _talk(
    engine: Engine, caller: Caller, far_end: FarEnd, plan: Plan
) -> tuple[Usage, Usage, dict[str, Any]]:
    """Everybody speaks; gives the engine's readings at the window's borders and its media."""
    far_end.start()
    caller.pump(time.monotonic() + TALK_WARM_UP_S)
    far_end.open_window()
    began = engine.usage()
    caller.pump(time.monotonic() + plan.window_s)
    far_end.close_window()
    ended = engine.usage()
    caller.pump(time.monotonic() + RETURN_S)
    media = far_end.report()
    far_end.stop()
    return began, ended, media


def _core_share(begin: Usage, end: Usage) -> float:
    return (end.cpu_s - begin.cpu_s) / (end.at - begin.at)


def _set_up_cpu_s(set_up: _SetUp, calls: int) -> float:
    idle = _core_share(set_up.before_idle, set_up.before)
    silent = _core_share(set_up.after, set_up.after_hold) - idle
    length = set_up.after.at - set_up.before.at
    spent = set_up.after.cpu_s - set_up.before.cpu_s
    return spent - idle * length - silent * set_up.call_seconds / calls


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0.0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)] if ordered else 0.0


def _milliseconds(microseconds: dict[str, int]) -> dict[str, float]:
    return {name: microseconds[name] / 1000 for name in ("p50", "p99", "p999", "max")}


def _fill(
    result: LevelResult,
    set_up: _SetUp,
    calls: Sequence[SipCall],
    window: tuple[Usage, Usage],
    media: dict[str, Any],
    first_rss_bytes: int,
) -> None:
    began, ended = window
    result.generator["lateness_ms"] = _milliseconds(media["lateness_us"])
    result.generator["socket_drops"] = media["socket_drops"]
    result.refused = refusal(media)
    if result.refused or not calls:
        return
    length, spent = ended.at - began.at, ended.cpu_s - began.cpu_s
    result.media = {
        name: media[name]
        for name in ("sent", "received", "echoed", "duplicate", "foreign", "other", "silent_calls")
    }
    gaps = media["gap_us"]
    result.echoed_share = media["echoed"] / max(1, media["sent"])
    result.round_trip_ms = _milliseconds(media["round_trip_us"])
    result.gap_ms = _milliseconds(gaps)
    result.gaps_over_40_ms = gaps["over"]
    result.gaps_over_40_ms_share = gaps["over"] / max(1, gaps["count"])
    result.core_percent = 100 * spent / length
    result.core_percent_per_call = result.core_percent / len(calls)
    result.kernel_share = (ended.system_s - began.system_s) / spent if spent else 0.0
    result.idle_core_percent = 100 * _core_share(set_up.before_idle, set_up.before)
    silent = 100 * _core_share(set_up.after, set_up.after_hold)
    result.silent_core_percent_per_call = silent / len(calls)
    result.memory_bytes_per_call = (ended.rss_bytes - first_rss_bytes) / len(calls)
    result.set_up_cpu_ms = 1000 * _set_up_cpu_s(set_up, len(calls)) / len(calls)
    times = [(call.answered_ns - call.invited_ns) / 1e6 for call in calls]
    result.set_up_ms = {
        "p50": percentile(times, 0.5),
        "p95": percentile(times, 0.95),
        "max": max(times),
    }
    result.waited_share = (ended.waited_s - began.waited_s) / length
