"""Set-ups: how many calls a second can one core set up and tear down, how soon is each answered?

Called by `__main__.py` for `--setups N` and by the bench table "sip". Calls come at a fixed rate,
whatever became of the earlier ones: INVITE, 200, ACK, and BYE at once, its 200. There is no media
but the few packets that the engine sends before the BYE reaches it. What one core can do is read
from the CPU the engine spent, so that another load on the machine does not change it; the answer
times are those at this rate on this machine.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from .caller import Caller, SipCall
from .engine import DEFAULT_COMMAND, Engine
from .level import percentile, signalling_counts

COMMAND = DEFAULT_COMMAND.replace("python:echo_agent:agent", "silence")
WARM_UP_CALLS = 50
PATIENCE_S = 10.0
# Nobody listens there: port 9 discards (RFC 863).
RTP_PORT = 9


@dataclass(slots=True)
class SetupsResult:
    """answer_ms: from the INVITE to its 200."""

    calls: int
    rate: float
    answered: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    cpu_ms_per_call: float = 0.0
    answer_ms: dict[str, float] = field(default_factory=dict)
    signalling: dict[str, int] = field(default_factory=dict)

    @property
    def per_core_second(self) -> float:
        """Calls that one second of one core sets up and tears down."""
        return 1000 / self.cpu_ms_per_call

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON takes it."""
        return {**asdict(self), "per_core_second": self.per_core_second}


def measure_setups(engine: Engine, count: int, rate: float) -> SetupsResult:
    """Place `count` calls at `rate` a second, each hung up when it is answered."""
    result = SetupsResult(count, rate)
    caller = Caller(engine.target, engine.destination, engine.address)
    try:
        _place(caller, WARM_UP_CALLS, rate)
        caller.statuses.clear()
        before = engine.usage()
        answer_ms = _place(caller, count, rate)
        after = engine.usage()
    finally:
        caller.close()
    result.answered = caller.statuses[200]
    result.statuses = dict(caller.statuses)
    result.cpu_ms_per_call = 1000 * (after.cpu_s - before.cpu_s) / count
    result.answer_ms = {
        "p50": percentile(answer_ms, 0.5),
        "p95": percentile(answer_ms, 0.95),
        "max": max(answer_ms, default=0.0),
    }
    result.signalling = signalling_counts(caller)
    return result


def _place(caller: Caller, count: int, rate: float) -> list[float]:
    """Run the calls to their end; gives the answer times in ms."""
    times: list[float] = []
    ended = 0

    def answered(call: SipCall) -> None:
        times.append((call.answered_ns - call.invited_ns) / 1e6)
        caller.bye(call)

    def over(call: SipCall) -> None:
        nonlocal ended
        ended += 1
        del caller.calls[call.call_id]

    caller.on_answered, caller.on_ended = answered, over
    start = time.monotonic()
    for index in range(count):
        caller.at(start + index / rate, lambda index=index: caller.invite(index, RTP_PORT))
    caller.pump(start + count / rate + PATIENCE_S, lambda: ended >= count)
    return times
