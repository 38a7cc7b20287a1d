"""The journal: one record a call, forward only, and numbered events for whoever listens."""

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.call import journal as module
from rapida_media.call.journal import Journal
from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState, may_follow
from rapida_media.errors import LocalProtocolError


class World:
    """A journal on a clock that the test moves, and a sink that keeps what it hears."""

    def __init__(self):
        self.now = 1_000.0
        self.kept = []
        self.journal = Journal(lambda: asyncio.get_running_loop().create_future(), self.wall)
        self.journal.add_sink(self)

    def wall(self):
        return self.now

    def record_changed(self, record):
        self.kept.append(record)

    def call(self, call_id="c1", **facts):
        record = CallRecord(call_id, "sip", "outbound", "alice", "bob", self.now, **facts)
        self.journal.created(record)
        return record


@pytest.fixture
def world():
    return World()


def test_a_call_is_followed_from_its_creation_to_its_end(world):
    world.call(parameters={"plan": "gold"})
    for state in ("initiated", "ringing", "in-progress"):
        world.now += 1
        assert world.journal.changed("c1", CallState(state), raw=state.upper())
    assert world.journal.changed("c1", first_media_at=1003.1)
    world.now += 10
    assert world.journal.ended("c1", reason="bye", code=200, quality={"lost": 3})
    assert world.kept[-1] == CallRecord(
        id="c1", provider="sip", direction="outbound", caller="alice", called="bob",
        created_at=1000.0, parameters={"plan": "gold"}, state=CallState.COMPLETED,
        raw_status="IN-PROGRESS", initiated_at=1001.0, ringing_at=1002.0, answered_at=1003.0,
        first_media_at=1003.1, ended_at=1013.0, reason="bye", code=200, quality={"lost": 3},
    )  # fmt: skip
    assert [record.state for record in world.kept] == [
        "queued", "initiated", "ringing", "in-progress", "in-progress", "completed",
    ]  # fmt: skip
    assert not world.journal.live


def test_late_and_repeated_reports_change_nothing(world):
    world.call()
    world.journal.changed("c1", CallState.IN_PROGRESS, raw="answered")
    before = world.journal.live["c1"]
    assert not world.journal.changed("c1", CallState.RINGING, raw="late")
    assert not world.journal.changed("c1", CallState.IN_PROGRESS, raw="again")
    assert not world.journal.changed("c1", trunk=None)
    assert world.journal.live["c1"] is before
    world.journal.ended("c1", reason="bye")
    count = len(world.kept)
    assert not world.journal.ended("c1", reason="busy")
    assert not world.journal.changed("c1", CallState.RINGING)
    assert not world.journal.changed("stranger", CallState.RINGING)
    assert len(world.kept) == count


def test_misuse_is_refused_before_anything_changes(world):
    world.call()
    with pytest.raises(LocalProtocolError):
        world.call()
    with pytest.raises(LocalProtocolError):
        world.journal.changed("c1", created_at=0.0)
    with pytest.raises(LocalProtocolError):
        world.journal.ended("c1", reason="bye", ended_at=0.0)
    with pytest.raises(LocalProtocolError):
        world.call("c2", state=CallState.FAILED)
    assert len(world.kept) == 1


def test_an_end_that_cannot_follow_is_taken_from_the_reason(world):
    world.call("a")
    world.call("b")
    world.journal.changed("b", CallState.IN_PROGRESS)
    world.journal.ended("a", reason="unavailable", state=CallState.BUSY)
    world.journal.ended("b", reason="busy", state=CallState.BUSY)
    assert [record.state for record in world.kept[-2:]] == ["busy", "completed"]


@given(st.lists(st.sampled_from(CallState)))
def test_whatever_is_reported_the_states_of_a_record_only_move_forward(reported):
    world = World()
    world.call()
    for state in reported:
        if state.ended:
            world.journal.ended("c1", reason="x", state=state)
        else:
            world.journal.changed("c1", state)
    states = [record.state for record in world.kept]
    for before, after in itertools.pairwise(states):
        assert may_follow(before, after)
    assert bool(world.journal.live) == (not states[-1].ended)


def test_events_are_numbered_and_can_be_taken_up_again(world):
    subscription = world.journal.subscribe()
    world.call("a")
    world.call("b")
    world.journal.changed("a", CallState.RINGING)
    world.journal.ended("b", reason="bye")
    events = subscription.take()
    assert [(each.kind, each.record.id) for each in events] == [
        ("created", "a"), ("created", "b"), ("changed", "a"), ("ended", "b"),
    ]  # fmt: skip
    numbers = [each.number for each in events]
    assert numbers == list(range(numbers[0], numbers[0] + 4))
    assert world.journal.last_number == numbers[-1]

    later = world.journal.subscribe("a", after=numbers[0])
    assert later.take() == [events[2]]
    assert not later.gap
    assert not subscription.gap


def test_who_comes_back_too_late_or_reads_too_slowly_is_told(world, monkeypatch):
    monkeypatch.setattr(module, "HISTORY", 3)
    world = World()
    first = world.journal.last_number
    world.call()
    slow = world.journal.subscribe()
    for index in range(module.SUBSCRIBER_LIMIT + 1):
        world.journal.changed("c1", code=index)
    assert slow.gap
    assert [each.record.code for each in slow.take()[:2]] == [1, 2]

    late = world.journal.subscribe(after=first)
    assert late.gap
    assert [each.record.code for each in late.take()] == [998, 999, 1000]
    on_time = world.journal.subscribe(after=world.journal.last_number - 3)
    assert not on_time.gap
    assert len(on_time.take()) == 3


def test_the_numbers_go_on_growing_in_the_next_run(world):
    world.call()
    last = world.journal.last_number
    world.now += 1
    again = World()
    again.now = world.now
    again.journal = Journal(world.journal._new_future, again.wall)
    subscription = again.journal.subscribe(after=last)
    again.journal.created(CallRecord("c2", "sip", "inbound", "a", "b", again.now))
    assert subscription.gap
    assert [each.number > last for each in subscription.take()] == [True]


def test_subscriptions_are_bounded_and_given_back(world, monkeypatch):
    monkeypatch.setattr(module, "MAX_SUBSCRIPTIONS", 2)
    first = world.journal.subscribe()
    world.journal.subscribe()
    with pytest.raises(LocalProtocolError):
        world.journal.subscribe()
    first.close()
    first.close()
    world.journal.subscribe()


async def test_a_subscriber_waits_for_events_until_it_is_closed(world):
    subscription = world.journal.subscribe()
    seen = []

    async def follow():
        async for event in subscription:
            seen.append(event.kind)

    task = asyncio.create_task(follow())
    await asyncio.sleep(0)
    world.call()
    world.journal.ended("c1", reason="bye")
    await asyncio.sleep(0)
    assert seen == ["created", "ended"]
    subscription.close()
    await task
    world.call("c3")
    assert subscription.take() == []
