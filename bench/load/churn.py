"""Short calls in a row: does the engine give back what a call took?

Called by `__main__.py` for `--churn N`. Each call is set up, talks for 200 ms, is heard out, and
hung up; a few are up at any moment. Descriptors, threads and resident memory of the engine are
read before the first (after the warm-up calls), once a second, and after the last.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from .caller import Caller, SipCall
from .engine import Engine
from .far_end import FarEnd
from .level import (
    WARM_UP_CALLS,
    connect_media,
    percentile,
    refusal,
    signalling_counts,
    warm_up,
)
from .process import Usage, split_cores

TALK_S = 0.2
RETURN_S = 0.1  # the last echoes, before the BYE


@dataclass(frozen=True, slots=True)
class Reading:
    """What the engine holds at one moment."""

    calls_ended: int
    seconds: float
    fds: int
    threads: int
    rss_bytes: int


@dataclass(slots=True)
class ChurnResult:
    """Start, end, and the way between."""

    calls: int
    answered: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    echoed_share: float = 0.0
    cpu_ms_per_call: float = 0.0
    set_up_ms: dict[str, float] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    media: dict[str, Any] = field(default_factory=dict)
    signalling: dict[str, int] = field(default_factory=dict)
    generator_note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return asdict(self)


class _Churn:
    """Keeps `parallel` calls up until `count` have been placed."""

    def __init__(self, caller: Caller, far_end: FarEnd, count: int) -> None:
        self.placed = self.ended = 0
        self.set_up_ms: list[float] = []
        self._caller, self._far_end, self._count = caller, far_end, count
        caller.on_answered = self._answered
        caller.on_ended = self._ended

    def place(self, index: int) -> None:
        if self.placed < self._count:
            self.placed += 1
            self._caller.invite(index, self._far_end.ports[index])

    def _answered(self, call: SipCall) -> None:
        self.set_up_ms.append((call.answered_ns - call.invited_ns) / 1e6)
        if connect_media(self._far_end, call):
            self._far_end.start(call.index)
        end = time.monotonic() + TALK_S
        self._caller.at(end, lambda: self._far_end.stop(call.index))
        self._caller.at(end + RETURN_S, lambda: self._caller.bye(call))

    def _ended(self, call: SipCall) -> None:
        self.ended += 1
        del self._caller.calls[call.call_id]
        self.place(call.index)


def measure_churn(engine: Engine, count: int, parallel: int, settle_s: float) -> ChurnResult:
    """Run `count` short calls, then wait settle_s before the last reading."""
    result = ChurnResult(count)
    core, _ = split_cores()
    caller = Caller(engine.target, engine.destination, engine.address)
    try:
        with FarEnd(max(parallel, WARM_UP_CALLS), engine.address, core) as far_end:
            warm_up(caller, far_end, WARM_UP_CALLS)
            first = engine.usage()
            result.readings.append(_reading(first, first, 0))
            far_end.open_window()
            churn = _run(engine, caller, far_end, result, parallel)
            far_end.close_window()
            last = engine.usage()
            caller.pump(time.monotonic() + settle_s)
            result.readings.append(_reading(engine.usage(), first, churn.ended))
            media = far_end.report()
    finally:
        caller.close()
    result.answered = caller.statuses[200]
    result.statuses = dict(caller.statuses)
    result.seconds = last.at - first.at
    result.cpu_ms_per_call = 1000 * (last.cpu_s - first.cpu_s) / count
    result.echoed_share = media["echoed"] / max(1, media["sent"])
    result.set_up_ms = {
        "p50": percentile(churn.set_up_ms, 0.5),
        "p95": percentile(churn.set_up_ms, 0.95),
        "max": max(churn.set_up_ms, default=0.0),
    }
    result.media = {name: media[name] for name in ("sent", "received", "echoed", "foreign")}
    result.signalling = signalling_counts(caller)
    result.generator_note = refusal(media)
    return result


def _run(
    engine: Engine, caller: Caller, far_end: FarEnd, result: ChurnResult, parallel: int
) -> _Churn:
    churn = _Churn(caller, far_end, result.calls)
    first = engine.usage()
    # A call takes 0.3 s; ten times that for all of them, and the SIP patience for the last.
    limit = first.at + 3.0 * result.calls / parallel + 30
    for index in range(parallel):
        churn.place(index)
    while churn.ended < result.calls and time.monotonic() < limit:
        if not caller.pump(time.monotonic() + 1, lambda: churn.ended >= result.calls):
            result.readings.append(_reading(engine.usage(), first, churn.ended))
    return churn


def _reading(now: Usage, first: Usage, ended: int) -> Reading:
    return Reading(ended, round(now.at - first.at, 2), now.fds, now.threads, now.rss_bytes)
