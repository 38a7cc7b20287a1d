"""Call records in SQLite: the tables, how they came to be, and every statement over them.

Synchronous, over one connection at a time; ``record_store`` runs it in threads of its own.
Times are seconds since the Unix epoch.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rapida_media.call.endings import ended
from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.errors import LocalProtocolError, RapidaError

_TABLE = """calls (
    id TEXT PRIMARY KEY, run TEXT NOT NULL,
    provider TEXT NOT NULL, direction TEXT NOT NULL,
    caller TEXT NOT NULL, called TEXT NOT NULL, created_at REAL NOT NULL,
    assistant TEXT, credential TEXT, trunk TEXT, parameters TEXT NOT NULL,
    context_id TEXT, provider_call_id TEXT, idempotency_key TEXT,
    state TEXT NOT NULL, raw_status TEXT,
    initiated_at REAL, ringing_at REAL, answered_at REAL, first_media_at REAL,
    ended_at REAL,
    reason TEXT, code INTEGER, failure_class TEXT, retryable INTEGER,
    cause TEXT, retry_after_s INTEGER, quality TEXT NOT NULL
)"""
_INDEXES = (
    "CREATE INDEX calls_by_age ON calls (created_at, id)",
    "CREATE INDEX calls_open ON calls (id) WHERE ended_at IS NULL",
    "CREATE INDEX calls_by_key ON calls (idempotency_key) WHERE idempotency_key IS NOT NULL",
)
# One entry a version, never changed once released: a database is brought from its own to ours.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (f"CREATE TABLE {_TABLE} WITHOUT ROWID", *_INDEXES),
    # In the order they came: kept by their random ids, each row changed a page of its own and had
    # another one for what is longer than a quarter of a page.
    (
        "ALTER TABLE calls RENAME TO calls_by_id",
        *(f"DROP INDEX {name}" for name in ("calls_by_age", "calls_open", "calls_by_key")),
        f"CREATE TABLE {_TABLE}",
        "INSERT INTO calls SELECT * FROM calls_by_id ORDER BY created_at",
        "DROP TABLE calls_by_id",
        *_INDEXES,
    ),
)

_COLUMNS = ", ".join(CallRecord._fields)
_SELECT = f"SELECT {_COLUMNS} FROM calls"  # noqa: S608 — names of our own fields
_JSON = frozenset({"parameters", "quality"})
_encode = json.JSONEncoder(default=str).encode  # TOML knows dates, JSON does not
# What the journal never changes, so that its indexes are left alone.
_FIXED = frozenset({"id", "created_at"})

# How long a statement waits for another process, such as a backup, to let go.
BUSY_MS = 2_000
LOG_PAGES = 10_000  # 40 MB
LARGEST_INTEGER = 2**63 - 1
# Records of one statement: SQLite takes 32,766 values.
ROWS_AT_ONCE = 100
# Rows deleted in one transaction: new records wait for no longer than that takes.
DELETE_AT_ONCE = 500
# More calls than one engine carries at a time.
LEFT_OPEN_MOST = 5_000


class RecordsTooNew(RapidaError):  # noqa: N818 — a state of the file
    """A later version of the engine wrote the database."""


@dataclass(frozen=True, slots=True)
class RecordQuery:
    """Which calls, the youngest first. since: created then or later. cursor: from an earlier page.

    limit: the most records of a page.
    """

    status: CallState | None = None
    provider: str | None = None
    assistant: str | None = None
    since: float | None = None
    cursor: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class RecordPage:
    """cursor: for the next page, None behind the last one."""

    records: tuple[CallRecord, ...]
    cursor: str | None


def open_for_writing(path: Path, now: float) -> sqlite3.Connection:
    """Open or make a database and bring it to our version. sqlite3.Error, RecordsTooNew."""
    # Made, used and closed by different threads, one after the other.
    database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
        # "WAL mode is always consistent with synchronous=NORMAL": a killed process loses no commit,
        # since that was written to the log when it returned, and no more is promised here; fsync at
        # each would only guard the latest against a failure of power.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        # A checkpoint waits for the disk, and so would the records behind it. ``checkpoint`` makes
        # it elsewhere; only a log that never comes to rest is brought in here.
        database.execute(f"PRAGMA wal_autocheckpoint = {LOG_PAGES}")
        _migrate(database, now)
    except BaseException:
        database.close()
        raise
    return database


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a database that is there. sqlite3.Error."""
    where = f"file:{quote(str(path))}?mode=rw"  # which makes no file
    database = sqlite3.connect(where, isolation_level=None, check_same_thread=False, uri=True)
    database.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
    database.execute("PRAGMA query_only = ON")
    return database


def checkpoint(path: Path) -> None:
    """Bring what was committed from the log into the database file, beside a writer that goes on.

    "PASSIVE: Checkpoint as many frames as possible without waiting for any database readers or
    writers to finish." sqlite3.Error.
    """
    with closing(open_for_reading(path)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _migrate(database: sqlite3.Connection, now: float) -> None:
    database.execute("BEGIN IMMEDIATE")
    try:
        database.execute(
            "CREATE TABLE IF NOT EXISTS migrations (version INTEGER PRIMARY KEY, applied_at REAL)"
        )
        (version,) = database.execute("SELECT coalesce(max(version), 0) FROM migrations").fetchone()
        if version > len(MIGRATIONS):
            raise RecordsTooNew(
                f"it has version {version} and this engine knows {len(MIGRATIONS)}; "
                "use the newer engine or another file"
            )
        for number, statements in enumerate(MIGRATIONS[version:], version + 1):
            for statement in statements:
                database.execute(statement)
            database.execute("INSERT INTO migrations VALUES (?, ?)", (number, now))
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


def write(database: sqlite3.Connection, records: Sequence[CallRecord], run: str) -> None:
    """Write records of this run of the engine, ``ROWS_AT_ONCE`` of them in one transaction."""
    for start in range(0, len(records), ROWS_AT_ONCE):
        rows = records[start : start + ROWS_AT_ONCE]
        values = [value for record in rows for value in (*map(_column, record), run)]
        database.execute(_upsert(len(rows)), values)


@cache
def _upsert(count: int) -> str:
    """Give the one statement that writes as many records.

    It is a transaction of its own, and the interpreter lock changes hands once for a batch instead
    of twice for each row, which takes a busy event loop's 5 ms every time.
    """
    row = f"({', '.join('?' * (len(CallRecord._fields) + 1))})"
    changes = ", ".join(
        f"{name} = excluded.{name}" for name in CallRecord._fields if name not in _FIXED
    )
    return (
        f"INSERT INTO calls ({_COLUMNS}, run) VALUES {', '.join([row] * count)} "  # noqa: S608
        f"ON CONFLICT (id) DO UPDATE SET {changes}"
    )


def left_open(database: sqlite3.Connection, run: str) -> list[CallRecord]:
    """Give the calls that other runs of the engine left open at telephony providers, the youngest
    ``LEFT_OPEN_MOST`` of them."""
    rows = database.execute(
        f"{_SELECT} WHERE ended_at IS NULL AND run <> ? AND provider_call_id IS NOT NULL "
        "ORDER BY created_at DESC LIMIT ?",
        (run, LEFT_OPEN_MOST),
    )
    return [_record(row) for row in rows]


def close_left_open(database: sqlite3.Connection, run: str, now: float) -> int:
    """End the calls that other runs of the engine left open; gives how many those were.

    They ended with the engine; when exactly, nobody saw.
    """
    ending = ended("engine_restarted")
    return database.execute(
        "UPDATE calls SET state = ?, reason = ?, failure_class = ?, retryable = ?, "
        "ended_at = max(?, created_at) WHERE ended_at IS NULL AND run <> ?",
        (CallState.FAILED, ending.reason, ending.failure_class, ending.retryable, now, run),
    ).rowcount


def delete_before(database: sqlite3.Connection, then: float) -> int:
    """Delete some of the calls that ended before then; gives how many, 0 when all are gone."""
    return database.execute(
        "DELETE FROM calls WHERE id IN "
        "(SELECT id FROM calls WHERE created_at < ? AND ended_at < ? LIMIT ?)",
        (then, then, DELETE_AT_ONCE),
    ).rowcount


def find(database: sqlite3.Connection, call_id: str) -> CallRecord | None:
    """Give one call."""
    row = database.execute(f"{_SELECT} WHERE id = ?", (call_id,)).fetchone()
    return None if row is None else _record(row)


def find_by_key(database: sqlite3.Connection, idempotency_key: str) -> CallRecord | None:
    """Give the latest call that was ordered under a key."""
    row = database.execute(
        f"{_SELECT} WHERE idempotency_key = ? ORDER BY created_at DESC LIMIT 1", (idempotency_key,)
    ).fetchone()
    return None if row is None else _record(row)


def page(database: sqlite3.Connection, query: RecordQuery) -> RecordPage:
    """Give one page of calls. LocalProtocolError for a cursor that is none of ours."""
    wanted: list[tuple[str, tuple[Any, ...]]] = [
        (f"{name} = ?", (value,))
        for name, value in (
            ("state", query.status),
            ("provider", query.provider),
            ("assistant", query.assistant),
        )
        if value is not None
    ]
    if query.since is not None:
        wanted.append(("created_at >= ?", (query.since,)))
    if query.cursor is not None:
        wanted.append(("(created_at, id) < (?, ?)", parse_cursor(query.cursor)))
    where = " WHERE " + " AND ".join(clause for clause, _ in wanted) if wanted else ""
    values = [value for _, bound in wanted for value in bound]
    rows = database.execute(
        f"{_SELECT}{where} ORDER BY created_at DESC, id DESC LIMIT ?", (*values, query.limit + 1)
    ).fetchall()
    records = tuple(_record(row) for row in rows[: query.limit])
    return RecordPage(records, _cursor(records[-1]) if len(rows) > query.limit else None)


def parse_cursor(cursor: str) -> tuple[float, str]:
    """Read where a page ended. LocalProtocolError."""
    created_at, _, call_id = cursor.partition("-")
    try:
        return float(created_at), call_id
    except ValueError:
        raise LocalProtocolError("the cursor is none that was given with a page") from None


def _cursor(record: CallRecord) -> str:
    return f"{record.created_at!r}-{record.id}"


def _column(value: object) -> object:
    """Give what SQLite can hold: far ends choose some of the texts and numbers."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return str(value)  # of a state, its text alone
        return value.encode("utf-8", "replace").decode().replace("\0", "")
    if isinstance(value, Mapping):
        return _encode(dict(value))
    return min(value, LARGEST_INTEGER) if isinstance(value, int) else value


def _record(row: tuple[Any, ...]) -> CallRecord:
    values: dict[str, Any] = dict(zip(CallRecord._fields, row, strict=True))
    for name in _JSON:
        values[name] = _mapping(values[name])
    values["state"] = CallState(values["state"])
    if values["retryable"] is not None:
        values["retryable"] = bool(values["retryable"])
    return CallRecord(**values)


def _mapping(text: str) -> Mapping[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value
