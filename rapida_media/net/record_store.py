"""Keeps call records in a SQLite file, written as things happen.

A sink and the keeper of the journal: a change is queued at once and committed in a thread of its
own, together with whatever else came meanwhile (``group_commit``). What would show the world that a
call exists, was answered or is over leaves only behind the commit that says so (``when_kept``), so
that a killed process loses no call. While the database cannot be written (full disk, locked,
corrupt), records queue up, one for each call, up to a limit, and ``problem`` says why; calls go on.
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
from rapida_media.net.disk import DiskThread
from rapida_media.net.group_commit import GroupCommit
from rapida_media.net.record_tables import RecordPage, RecordQuery, RecordsTooNew

log = logging.getLogger(__name__)

T = TypeVar("T")

# How often calls past their retention are looked for.
CLEAN_S = 3600.0
# How long a list waits for what is being committed, and ``close`` for what is queued.
READ_WAIT_S = 1.0
CLOSE_S = 5.0
# Records after which the write-ahead log is brought into the database: some 4 MB of it. Its size on
# the disk does not tell, since the file stays as long as it once was.
CHECKPOINT_AFTER = 250
DAY_S = 86_400.0


class RecordsUnavailable(RapidaError):  # noqa: N818 — a state of the store
    """The database cannot be read now; the reason is in the text."""


class RecordStore(GroupCommit):
    """One database file, of one engine at a time.

    run: names this run of the engine; calls of other runs that are open when it begins are closed
    with reason ``engine_restarted``.  retention_days: how long ended calls are kept, 0 for ever.
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
        loop = asyncio.get_running_loop()
        super().__init__(DiskThread(loop, "record-writer"), str(path))
        self._path = path
        self._run = run
        self._retention_s = retention_days * DAY_S
        self._wall = wall
        self._lock_file: int | None = None
        self._database: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._reading = ThreadPoolExecutor(1, "record-reader")
        self._tidying = ThreadPoolExecutor(1, "record-checkpoint")
        self._untidy = 0
        self._cleaning: asyncio.Handle | None = None
        self._more_to_clean = False
        self.closed_at_start = 0
        self.left_open: list[CallRecord] = []
        self.deleted = 0

    async def open(self) -> None:
        """Make the file or take up an old one; begin to write.

        ConfigError when it cannot be a database of ours. A file that is there and cannot be used
        now is tried again and again, and calls are taken meanwhile.
        """
        self._take_lock()
        try:
            await asyncio.get_running_loop().run_in_executor(self._tidying, self._open)
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
        if self._retention_s:
            self._cleaning = self._loop.call_soon(self._clean_up)

    async def close(self) -> None:
        """Write what is queued, as far as that works, and close the file."""
        if self._cleaning is not None:
            self._cleaning.cancel()
        await self._finish(CLOSE_S)
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

    def _clean_up(self) -> None:
        self._thread.submit(self._clean, self._cleaned)

    def _cleaned(self) -> None:
        if not self._closed:
            pause = 0.0 if self._more_to_clean else CLEAN_S
            self._cleaning = self._loop.call_later(pause, self._clean_up)

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
        if not records:
            return
        try:
            record_tables.write(database, records, self._run)
        except BaseException:
            self._drop_database()
            raise
        self._untidy += len(records)
        if self._untidy >= CHECKPOINT_AFTER:
            self._untidy = 0
            self._tidying.submit(self._tidy)

    def _clean(self) -> None:
        """Delete some of what is too old, and note whether there may be more."""
        try:
            database = self._database or self._open()
            deleted = record_tables.delete_before(database, self._wall() - self._retention_s)
        except (sqlite3.Error, RecordsTooNew) as error:
            log.warning("old call records are not deleted now: %s", error)
            self._drop_database()
            deleted = 0
        self.deleted += deleted
        self._more_to_clean = deleted > 0

    def _tidy(self) -> None:
        """Keep the log short, in a thread of its own: that waits for the disk."""
        with contextlib.suppress(sqlite3.Error):  # a later commit tries again
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
