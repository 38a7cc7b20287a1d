"""Has what is queued written in a thread of its own, all that came meanwhile at once, and tells
when it is kept.

While one batch is written the next one gathers: the busier the engine, the larger the batches. Who
must not show the world anything before it is kept asks ``behind`` and waits with ``when_kept``.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable

from rapida_media.call.records import CallRecord
from rapida_media.net.disk import DiskThread
from rapida_media.stats import Histogram

log = logging.getLogger(__name__)

# How long after a failure the next attempt is made.
RETRY_S = 1.0
# Calls whose records wait while the database is away: an hour at 14 calls a second.
QUEUE_LIMIT = 50_000
# A disk that takes longer holds nobody up any more: a caller would soon give up.
PATIENCE_S = 2.5
LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

Then = Callable[[], None]


class GroupCommit(ABC):
    """The latest record of each call, on its way to the disk.

    problem: why it cannot be written now, or None.  dropped: records that the queue lost.
    where: names the file in the log.
    """

    def __init__(self, thread: DiskThread, where: str) -> None:
        self._thread = thread
        self._where = where
        self._loop = asyncio.get_running_loop()
        self._queue: dict[str, CallRecord] = {}
        self._batch: dict[str, CallRecord] = {}
        self._after_queue: list[Then] = []
        self._after_batch: list[Then] = []
        self._writing = False
        self._closed = False
        self._next: asyncio.Handle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()
        self._settled.set()
        self.problem: str | None = None
        self.dropped = 0
        self.commit_s = Histogram(LATENCY_BOUNDS_S)

    @abstractmethod
    def _write(self, records: list[CallRecord]) -> None:
        """Commit a batch; in the thread."""

    @property
    def waiting(self) -> int:
        """Records that are not committed yet."""
        return len(self._queue) + len(self._batch)

    # -- what comes in -------------------------------------------------------------------------

    def record_changed(self, record: CallRecord) -> None:
        """Queue the latest of a call. Neither blocks nor raises."""
        if record.id not in self._queue and len(self._queue) >= QUEUE_LIMIT:
            del self._queue[next(iter(self._queue))]
            self.dropped += 1
        self._queue[record.id] = record
        self._settled.clear()
        if self._next is None and not self._writing:
            # What else happens in this turn of the loop goes along.
            self._next = self._loop.call_soon(self._begin)

    # -- who waits -----------------------------------------------------------------------------

    @property
    def behind(self) -> bool:
        """Whether a crash now would lose something that is soon kept."""
        return not self._settled.is_set() and self.problem is None

    def when_kept(self, then: Then) -> None:
        """Call ``then`` once all that was queued so far is committed; in the order of asking.

        At once when nothing is under way, and without the commit when that fails or takes too
        long: calls do not wait for a disk that is full or gone.
        """
        if not self.behind:
            then()
            return
        (self._after_queue if self._queue else self._after_batch).append(then)
        if self._patience is None:
            self._patience = self._loop.call_later(PATIENCE_S, self._lose_patience)

    async def settled(self, patience_s: float) -> bool:
        """Wait until all that was queued is committed; False if that takes longer."""
        if self._settled.is_set():
            return True
        try:
            async with asyncio.timeout(patience_s):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    def _lose_patience(self) -> None:
        self._patience = None
        self._say(f"{self._where}: a commit takes longer than {PATIENCE_S:g} s")
        self._let_go()

    def _let_go(self) -> None:
        """Nobody waits any longer."""
        waiting = [*self._after_batch, *self._after_queue]
        self._after_batch, self._after_queue = [], []
        for then in waiting:
            then()

    # -- the writing ---------------------------------------------------------------------------

    def _begin(self) -> None:
        self._next = None
        self._writing = True
        self._batch, self._queue = self._queue, {}
        self._after_batch += self._after_queue
        self._after_queue = []
        records, began = list(self._batch.values()), self._loop.time()
        failures: list[Exception] = []

        def write() -> None:
            try:
                self._write(records)
            except Exception as error:
                failures.append(error)

        self._thread.submit(write, lambda: self._done(began, failures))

    def _done(self, began: float, failures: list[Exception]) -> None:
        self._writing = False
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if failures:
            # What has come meanwhile is newer.
            self._queue = self._batch | self._queue
            self._batch = {}
            self._failed(failures[0])
            return
        if self._batch:
            self.commit_s.add(self._loop.time() - began)
        self._batch = {}
        self._succeeded()
        kept, self._after_batch = self._after_batch, []
        if self._queue:
            self._begin()
            if self._after_batch:
                self._patience = self._loop.call_later(PATIENCE_S, self._lose_patience)
        else:
            self._settled.set()
        for then in kept:
            then()

    def _succeeded(self) -> None:
        if self.problem is not None:
            log.warning("call records are written again")
            self.problem = None

    def _failed(self, error: Exception) -> None:
        """Say why writing is not possible now, and try again in a while."""
        self._say(f"{self._where}: {error}")
        if not self._closed:
            self._next = self._loop.call_later(RETRY_S, self._begin)
        self._let_go()

    def _say(self, problem: str) -> None:
        if self.problem != problem:
            log.error("call records cannot be written, calls go on: %s", problem)
        self.problem = problem

    async def _finish(self, patience_s: float) -> None:
        """Write what is queued, as far as that works, and end the thread."""
        await self.settled(patience_s)
        self._closed = True
        for handle in (self._next, self._patience):
            if handle is not None:
                handle.cancel()
        self._let_go()
        await self._thread.stop()
        if self.waiting:
            log.error("%d call records could not be written: %s", self.waiting, self.problem)
