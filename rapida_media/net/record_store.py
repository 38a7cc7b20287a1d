"""Keeps call records in a SQLite file, written as things happen and never waited for by a call.

A sink of the journal: a change is queued at once and committed in a thread of its own, together
with whatever else came meanwhile. A killed process loses at most what came during one commit, some
milliseconds. While the database cannot be written (full disk, locked, corrupt), records queue up,
one for each call, up to a limit, and ``problem`` says why; calls notice nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from rapida_media import clock
from rapida_media.call.records import CallRecord
from rapida_media.errors import ConfigError, RapidaError
from rapida_media.net import record_tables
from rapida_media.net.record_tables import RecordPage, RecordQuery, RecordsTooNew
from rapida_media.stats import Histogram

log = logging.getLogger(__name__)

T = TypeVar("T")

# How long after a failure the next attempt is made.
RETRY_S = 1.0
# Calls whose records wait while the database is away: an hour at 14 calls a second.
QUEUE_LIMIT = 50_000
# How often calls past their retention are looked for.
CLEAN_S = 3600.0
# How long a list waits for what is being committed, and ``close`` for what is queued.
READ_WAIT_S = 1.0
CLOSE_S = 5.0
# Size of the write-ahead log at which it is brought into the database.
LOG_BYTES = 4_000_000
DAY_S = 86_400.0
LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class RecordsUnavailable(RapidaError):  # noqa: N818 — a state of the store
    """The database cannot be read now; the reason is in the text."""


class RecordStore:
    """One database file, of one engine at a time.

    run: names this run of the engine; calls of other runs that are open when it begins are closed
    with reason ``engine_restarted``.  retention_days: how long ended calls are kept, 0 for ever.
    problem: why records cannot be written now, or None.  dropped: records that the queue lost.
    deleted: calls that were past their retention.  left_open: those of the closed calls that a
    telephony provider may still have.
    """

    def __init__(
        self,
        path: Path,
        *,
        run: str,
        retention_days: float = 0.0,
        wall: Callable[[], float] = clock.wall,
    ) -> None:
        self._path = path
        self._run = run
        self._retention_s = retention_days * DAY_S
        self._wall = wall
        self._lock_file: int | None = None
        self._database: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._writing = ThreadPoolExecutor(1, "record-writer")
        self._reading = ThreadPoolExecutor(1, "record-reader")
        self._tidying = ThreadPoolExecutor(1, "record-checkpoint")
        self._tidied: asyncio.Future[None] | None = None
        self._queue: dict[str, CallRecord] = {}
        self._batch: dict[str, CallRecord] = {}
        self._work = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()
        self._task: asyncio.Task[None] | None = None
        self.problem: str | None = None
        self.dropped = 0
        self.closed_at_start = 0
        self.left_open: list[CallRecord] = []
        self.deleted = 0
        self.commit_s = Histogram(LATENCY_BOUNDS_S)

    @property
    def waiting(self) -> int:
        """Records that are not committed yet."""
        return len(self._queue) + len(self._batch)

    async def open(self) -> None:
        """Make the file or take up an old one; begin to write.

        ConfigError when it cannot be a database of ours. A file that is there and cannot be used
        now is tried again and again, and calls are taken meanwhile.
        """
        self._take_lock()
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._writing, self._open)
        except RecordsTooNew as error:
            self._release()
            raise ConfigError(f"[store] records: {self._path}: {error}") from None
        except sqlite3.Error as error:
            if not self._path.exists():
                self._release()
                raise ConfigError(f"[store] records: {self._path}: {error}") from None
            self._failed(error)
        if self.closed_at_start:
            log.warning("%d calls were open when the engine ended", self.closed_at_start)
        self._task = loop.create_task(self._run_writer(), name="record writer")

    async def close(self) -> None:
        """Write what is queued, as far as that works, and close the file."""
        await self.settled(CLOSE_S)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.waiting:
            log.error("%d call records could not be written: %s", self.waiting, self.problem)
        self._release()

    def _take_lock(self) -> None:
        """Two engines on one file would close each other's calls."""
        lock_path = self._path.with_name(self._path.name + ".lock")
        try:
            lock_file = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ConfigError(f"[store] records: {lock_path}: {error.strerror}") from None
        try:
            fcntl.flock(lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock_file)
            raise ConfigError(
                f"[store] records: {self._path}: another engine uses it; name another file"
            ) from None
        self._lock_file = lock_file

    def _release(self) -> None:
        self._writing.shutdown()
        self._reading.shutdown()
        self._tidying.shutdown()
        for database in (self._database, self._reader):
            if database is not None:
                with contextlib.suppress(sqlite3.Error):
                    database.close()
        self._database = self._reader = None
        if self._lock_file is not None:
            os.close(self._lock_file)
            self._lock_file = None

    # -- writing -----------------------------------------------------------------------------

    def record_changed(self, record: CallRecord) -> None:
        """Queue the latest of a call. Neither blocks nor raises."""
        if record.id not in self._queue and len(self._queue) >= QUEUE_LIMIT:
            del self._queue[next(iter(self._queue))]
            self.dropped += 1
        self._queue[record.id] = record
        self._settled.clear()
        self._work.set()

    async def settled(self, patience_s: float) -> bool:
        """Wait until all that was queued is committed; False if that takes longer."""
        try:
            async with asyncio.timeout(patience_s):
                await self._settled.wait()
        except TimeoutError:
            return False
        return True

    async def _run_writer(self) -> None:
        """Task root of the writer."""
        loop = asyncio.get_running_loop()
        clean_at = loop.time()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(clean_at):
                    await self._work.wait()
            try:
                if self._queue:
                    await self._write_queued(loop)
                if loop.time() >= clean_at:
                    more = await loop.run_in_executor(self._writing, self._clean)
                    clean_at = loop.time() + (0.0 if more else CLEAN_S)
                self._succeeded()
            except Exception as error:
                self._failed(error)
                await asyncio.sleep(RETRY_S)

    async def _write_queued(self, loop: asyncio.AbstractEventLoop) -> None:
        self._work.clear()
        self._batch, self._queue = self._queue, {}
        began = loop.time()
        try:
            await loop.run_in_executor(self._writing, self._write, list(self._batch.values()))
        except BaseException:
            # What has come meanwhile is newer.
            self._queue = self._batch | self._queue
            self._batch = {}
            self._work.set()
            raise
        self.commit_s.add(loop.time() - began)
        self._batch = {}
        if not self._queue:
            self._settled.set()
        if self._tidied is None or self._tidied.done():
            self._tidied = loop.run_in_executor(self._tidying, self._tidy)

    def _succeeded(self) -> None:
        if self.problem is not None:
            log.warning("call records are written again")
            self.problem = None

    def _failed(self, error: Exception) -> None:
        text = f"{self._path}: {error}"
        if self.problem != text:
            log.error("call records cannot be written, calls go on: %s", text)
        self.problem = text

    # In the writer's thread:

    def _open(self) -> sqlite3.Connection:
        database = record_tables.open_for_writing(self._path, self._wall())
        try:
            self.left_open += record_tables.left_open(database, self._run)
            self.closed_at_start += record_tables.close_left_open(database, self._run, self._wall())
        except BaseException:
            database.close()
            raise
        self._database = database
        return database

    def _write(self, records: list[CallRecord]) -> None:
        database = self._database or self._open()
        try:
            record_tables.write(database, records, self._run)
        except BaseException:
            self._drop_database()
            raise

    def _clean(self) -> bool:
        """Delete some of what is too old; gives whether there may be more."""
        database = self._database or self._open()
        if not self._retention_s:
            return False
        try:
            deleted = record_tables.delete_before(database, self._wall() - self._retention_s)
        except BaseException:
            self._drop_database()
            raise
        self.deleted += deleted
        return deleted > 0

    def _tidy(self) -> None:
        """Keep the log short, in a thread of its own: that waits for the disk."""
        with contextlib.suppress(OSError, sqlite3.Error):  # the next commit tries again
            if os.stat(f"{self._path}-wal").st_size > LOG_BYTES:
                record_tables.checkpoint(self._path)

    def _drop_database(self) -> None:
        """Begin anew with a connection: what failed may be the file's fault."""
        if self._database is not None:
            with contextlib.suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    # -- reading -----------------------------------------------------------------------------

    async def get(self, call_id: str) -> CallRecord | None:
        """Give one call, ended or not, as it is now. RecordsUnavailable."""
        queued = self._queue.get(call_id) or self._batch.get(call_id)
        return queued or await self._read(lambda database: record_tables.find(database, call_id))

    async def find_by_key(self, idempotency_key: str) -> CallRecord | None:
        """Give the latest call that was ordered under a key. RecordsUnavailable."""
        for record in (*self._queue.values(), *self._batch.values()):
            if record.idempotency_key == idempotency_key:
                return record
        return await self._read(lambda each: record_tables.find_by_key(each, idempotency_key))

    async def page(self, query: RecordQuery) -> RecordPage:
        """Give one page of calls, the youngest first.

        LocalProtocolError for a cursor that is none of ours; RecordsUnavailable.
        """
        await self.settled(READ_WAIT_S)
        return await self._read(lambda database: record_tables.page(database, query))

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        def in_thread() -> T:
            if self._reader is None:
                self._reader = record_tables.open_for_reading(self._path)
            try:
                return read(self._reader)
            except sqlite3.Error:
                self._reader.close()
                self._reader = None
                raise

        try:
            return await asyncio.get_running_loop().run_in_executor(self._reading, in_thread)
        except sqlite3.Error as error:
            raise RecordsUnavailable(f"call records cannot be read: {error}") from None
