"""The journal: what happens to every call, in order, as numbered events and as one record each.

The engine and the providers report to it; stores are its sinks, the event streams of the HTTP
interface its subscribers. Nothing here waits: sinks are called at once and must not block, a
subscriber that is too slow loses the oldest events.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from rapida_media.call.records import CallRecord
from rapida_media.call.signalling import Future
from rapida_media.call.state import CallState, end_state, may_follow
from rapida_media.errors import LocalProtocolError
from rapida_media.media.frame import Ring

# Enough for a client that reconnects within a minute at 50 calls a second.
HISTORY = 12_000
# What one subscriber may lag behind.
SUBSCRIBER_LIMIT = 1_000
MAX_SUBSCRIPTIONS = 1_000

# When a call came into a state is kept under these names.
_TIMES = {
    CallState.INITIATED: "initiated_at",
    CallState.RINGING: "ringing_at",
    CallState.IN_PROGRESS: "answered_at",
}
# Facts that are the journal's own.
_OWN = frozenset({"id", "state", "raw_status", "created_at", "ended_at", "reason"})


class JournalEvent(NamedTuple):
    """Something that happened to a call.

    number: grows by one with each event of the journal.  kind: ``created``, ``changed`` or
    ``ended``.  record: the call just after it.  at: seconds since the epoch.
    """

    number: int
    kind: str
    record: CallRecord
    at: float


class Sink(Protocol):
    """Who keeps records. Called with each change, in order; neither blocks nor raises."""

    def record_changed(self, record: CallRecord) -> None: ...


class Keeper(Protocol):
    """Who keeps records so that a crash does not lose them."""

    @property
    def behind(self) -> bool:
        """Whether there is something that a crash now would lose."""
        ...

    def when_kept(self, then: Callable[[], None]) -> None:
        """Call ``then`` once nothing that was told so far can be lost; in the order of asking."""
        ...


class Subscription:
    """Events in order: ``async for event in subscription``, until ``close``.

    A subscriber that is too slow, or came back too late, loses the oldest events: see ``gap``.
    """

    def __init__(
        self,
        call_id: str | None,
        new_future: Callable[[], Future],
        closed: Callable[[Subscription], None],
    ) -> None:
        self._call_id = call_id
        self._new_future = new_future
        self._when_closed = closed
        self._events: Ring[JournalEvent] = Ring(SUBSCRIBER_LIMIT)
        self._reader: Future | None = None
        self._too_late = False
        self._closed = False

    @property
    def gap(self) -> bool:
        """Whether events may have been lost to this subscriber."""
        return self._too_late or self._events.dropped > 0

    def wants(self, event: JournalEvent) -> bool:
        return self._call_id is None or event.record.id == self._call_id

    def post(self, event: JournalEvent) -> None:
        """Hand an event over. For the journal."""
        self._events.push(event)
        self._wake()

    def came_too_late(self) -> None:
        """Note that events it asks for are not kept any more. For the journal."""
        self._too_late = True

    def take(self) -> list[JournalEvent]:
        """Give what has happened and was not taken yet, without waiting."""
        taken = []
        while self._events:
            taken.append(self._events.pop())
        return taken

    def close(self) -> None:
        """End the subscription; who waits for the next event gets none."""
        if not self._closed:
            self._closed = True
            self._when_closed(self)
            self._wake()

    def __aiter__(self) -> Subscription:
        return self

    async def __anext__(self) -> JournalEvent:
        while not self._events:
            if self._closed:
                raise StopAsyncIteration
            self._reader = self._new_future()
            await self._reader
        return self._events.pop()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class Journal:
    """All calls of one engine.

    wall: gives seconds since the epoch.  The numbers of the events begin at the microsecond the
    journal was made, so that they go on growing when the engine starts again and a client's
    ``Last-Event-ID`` keeps its meaning.

    Whatever lets the world see what the journal was told (a response, a webhook's answer, an event)
    leaves behind ``when_kept`` or ``kept``: a caller that heard 200 is in the records, even if the
    process is killed in the same moment.
    """

    def __init__(self, new_future: Callable[[], Future], wall: Callable[[], float]) -> None:
        self._new_future = new_future
        self._wall = wall
        self._live: dict[str, CallRecord] = {}
        self._number = int(wall() * 1e6)
        self._history: deque[JournalEvent] = deque(maxlen=HISTORY)
        self._forgotten = self._number  # the youngest event that is not in the history
        self._subscriptions: list[Subscription] = []
        self._sinks: list[Sink] = []
        self._keeper: Keeper | None = None

    @property
    def live(self) -> Mapping[str, CallRecord]:
        """The calls that have not ended, by id."""
        return MappingProxyType(self._live)

    @property
    def last_number(self) -> int:
        """The number of the latest event."""
        return self._number

    @property
    def forgotten(self) -> int:
        """The number of the youngest event that is not kept any more."""
        return self._forgotten

    def add_sink(self, sink: Sink) -> None:
        """Have a sink hear of every change from now on."""
        self._sinks.append(sink)

    # -- what is kept ------------------------------------------------------------------------

    def keep_by(self, keeper: Keeper) -> None:
        """Have what the world sees wait for this keeper, which is a sink as well."""
        self._keeper = keeper

    @property
    def behind(self) -> bool:
        """Whether the keeper has not kept all that it was told."""
        return self._keeper is not None and self._keeper.behind

    def when_kept(self, then: Callable[[], None]) -> None:
        """Call ``then`` once all that was told so far is kept; at once when it is."""
        if self._keeper is None:
            then()
        else:
            self._keeper.when_kept(then)

    async def kept(self) -> None:
        """Return once all that was told so far is kept."""
        if self.behind:
            future = self._new_future()
            self.when_kept(lambda: None if future.done() else future.set_result(None))
            await future

    # -- what happens ------------------------------------------------------------------------

    def created(self, record: CallRecord) -> None:
        """A call begins. LocalProtocolError when its id is taken or it has ended already."""
        if record.id in self._live or record.state.ended:
            raise LocalProtocolError("a call is created once, before it ends")
        self._tell("created", record)

    def changed(
        self, call_id: str, state: CallState | None = None, *, raw: str | None = None, **facts: Any
    ) -> bool:
        """Note that a call has come into a state, and what else is known of it.

        raw: the provider's own word.  facts: fields of the record.  Gives whether that was new:
        an unknown or ended call, a state of the past and known facts change nothing.
        """
        record = self._live.get(call_id)
        if record is None or (state is not None and state.ended):
            return False
        if wrong := _OWN.intersection(facts):
            raise LocalProtocolError(f"the journal itself keeps {', '.join(sorted(wrong))}")
        if state is not None and may_follow(record.state, state):
            facts |= {"state": state, "raw_status": raw}
            facts.setdefault(_TIMES[state], self._wall())
        elif state is None and raw is not None:
            facts["raw_status"] = raw
        if all(getattr(record, name) == value for name, value in facts.items()):
            return False
        self._tell("changed", record._replace(**facts))
        return True

    def ended(
        self,
        call_id: str,
        *,
        reason: str,
        state: CallState | None = None,
        raw: str | None = None,
        **facts: Any,
    ) -> bool:
        """Note the end of a call.

        state: which end, where the reason and whether it was answered do not say it.  facts: as
        ``code``, ``failure_class``, ``retryable``, ``quality``.  Gives whether that was new.
        """
        record = self._live.get(call_id)
        if record is None:
            return False
        if wrong := _OWN.intersection(facts):
            raise LocalProtocolError(f"the journal itself keeps {', '.join(sorted(wrong))}")
        if state is None or not (state.ended and may_follow(record.state, state)):
            state = end_state(reason, answered=record.answered)
        facts |= {"state": state, "reason": reason, "ended_at": self._wall()}
        if raw is not None:
            facts["raw_status"] = raw
        self._tell("ended", record._replace(**facts))
        return True

    def _tell(self, kind: str, record: CallRecord) -> None:
        if record.state.ended:
            del self._live[record.id]
        else:
            self._live[record.id] = record
        self._number += 1
        event = JournalEvent(self._number, kind, record, self._wall())
        if len(self._history) == HISTORY:
            self._forgotten = self._history[0].number
        self._history.append(event)
        for sink in self._sinks:
            sink.record_changed(record)
        for subscription in self._subscriptions:
            if subscription.wants(event):
                subscription.post(event)

    # -- who listens -------------------------------------------------------------------------

    def subscribe(self, call_id: str | None = None, after: int | None = None) -> Subscription:
        """Follow one call or all of them, from now on or from behind event number ``after``.

        What has happened since is handed over first, as far as it is kept, which an earlier run of
        the engine is not. LocalProtocolError when there are too many subscriptions.
        """
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS:
            raise LocalProtocolError(f"there are {MAX_SUBSCRIPTIONS} subscriptions already")
        subscription = Subscription(call_id, self._new_future, self._subscriptions.remove)
        self._subscriptions.append(subscription)
        if after is not None:
            if after < self._forgotten:
                subscription.came_too_late()
            for event in self._history:
                if event.number > after and subscription.wants(event):
                    subscription.post(event)
        return subscription
