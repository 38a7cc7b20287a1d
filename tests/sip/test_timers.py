"""The deadline heap, and the timer values of RFC 3261 table 4."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rapida_media.sip.timers import Timer, Timers, TimerValues


class Recorder:
    def __init__(self) -> None:
        self.fired: list[tuple[str, float]] = []

    def handle_timer(self, event: str, now: float) -> None:
        self.fired.append((event, now))


def test_the_values_are_those_of_table_4() -> None:
    values = TimerValues()
    assert (values.t1, values.t2, values.t4) == (0.5, 4.0, 5.0)
    assert values.give_up == 32.0
    assert values.d >= 32.0


def test_timers_fire_in_order_of_deadline_then_of_start() -> None:
    timers, owner = Timers(), Recorder()
    for deadline, name in ((3.0, "c"), (1.0, "a"), (3.0, "d"), (2.0, "b"), (9.0, "later")):
        timers.start(deadline, owner, name)
    assert timers.next_deadline() == 1.0
    timers.fire(3.0)
    assert [name for name, _ in owner.fired] == ["a", "b", "c", "d"]
    assert timers.next_deadline() == 9.0
    assert len(timers) == 1


def test_a_cancelled_timer_never_fires_and_cancelling_twice_is_fine() -> None:
    timers, owner = Timers(), Recorder()
    timer = timers.start(1.0, owner, "a")
    timers.cancel(timer)
    timers.cancel(timer)
    timers.cancel(None)
    timers.fire(2.0)
    assert owner.fired == []
    assert timers.next_deadline() is None
    assert len(timers) == 0


def test_a_timer_started_while_firing_waits_for_its_own_deadline() -> None:
    timers = Timers()

    class Repeater:
        count = 0

        def handle_timer(self, event: str, now: float) -> None:
            self.count += 1
            timers.start(now + 1.0, self, event)

    owner = Repeater()
    timers.start(0.0, owner, "tick")
    timers.fire(0.5)
    assert owner.count == 1
    assert timers.next_deadline() == 1.5


def test_cancelled_timers_do_not_pile_up() -> None:
    timers, owner = Timers(), Recorder()
    timers.start(1e9, owner, "keeps the heap from emptying")
    for _ in range(10_000):
        timers.cancel(timers.start(1e8, owner, "cancelled"))
    assert len(timers) == 1
    assert len(timers._heap) < 200


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=300))
def test_exactly_the_uncancelled_timers_fire_each_once_in_order(
    plan: list[tuple[float, bool]],
) -> None:
    timers, owner = Timers(), Recorder()
    started: list[Timer] = [timers.start(at, owner, str(n)) for n, (at, _) in enumerate(plan)]
    for timer, (_, cancel) in zip(started, plan, strict=True):
        if cancel:
            timers.cancel(timer)
    kept = [(at, n) for n, (at, cancel) in enumerate(plan) if not cancel]
    assert len(timers) == len(kept)
    timers.fire(100.0)
    assert [int(name) for name, _ in owner.fired] == [n for _, n in sorted(kept)]
    assert len(timers) == 0
