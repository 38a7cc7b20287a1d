"""Call records in SQLite: nothing waits for them, nothing is lost, and trouble is seen."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import time
from contextlib import asynccontextmanager, closing, suppress

import pytest
from engine.waiting import eventually
from hypothesis import given, settings
from hypothesis import strategies as st

from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.errors import ConfigError, LocalProtocolError
from rapida_media.net import group_commit, record_tables
from rapida_media.net import record_store as module
from rapida_media.net.record_store import RecordStore, RecordsUnavailable
from rapida_media.net.record_tables import RecordQuery

FULL = CallRecord(
    id="c1", provider="twilio", direction="outbound", caller="+15550100", called="+15550199",
    created_at=1000.25, assistant="support", credential="main", trunk="carrier",
    parameters={"plan": "gold", "n": [1, None]}, context_id="x", provider_call_id="CA1",
    idempotency_key="k", state=CallState.COMPLETED, raw_status="completed", initiated_at=1001.0,
    ringing_at=1002.0, answered_at=1003.0, first_media_at=1003.5, ended_at=1010.0, reason="bye",
    code=200, failure_class="none", retryable=False, cause="Q.850;cause=16", retry_after_s=5,
    quality={"packets_lost": 3, "mos": 4.4, "codec": "PCMU"},
)  # fmt: skip


def call(call_id, created_at=0.0, **facts):
    return CallRecord(call_id, "sip", "inbound", "alice", "bob", created_at, **facts)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(group_commit, "RETRY_S", 0.02)
    monkeypatch.setattr(record_tables, "BUSY_MS", 20)


@asynccontextmanager
async def opened(path, run="run", **options):
    store = RecordStore(path, run=run, **options)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def test_every_field_of_a_record_comes_back(tmp_path):
    assert not [name for name, value in FULL._asdict().items() if value in (None, {})]
    async with opened(tmp_path / "calls.db") as store:
        store.record_changed(FULL)
        assert await store.get("c1") == FULL  # still queued
        assert await store.settled(5)
        assert await store.get("c1") == FULL
        assert await store.find_by_key("k") == FULL
        assert await store.get("c2") is None
        assert await store.find_by_key("other") is None
    async with opened(tmp_path / "calls.db") as store:
        assert await store.get("c1") == FULL


async def test_a_change_replaces_what_was_written(tmp_path):
    async with opened(tmp_path / "calls.db") as store:
        store.record_changed(call("c1"))
        assert await store.settled(5)
        store.record_changed(call("c1", state=CallState.RINGING))
        store.record_changed(call("c1", state=CallState.BUSY, ended_at=3.0))
        page = await store.page(RecordQuery())
        assert [record.state for record in page.records] == ["busy"]


async def test_far_ends_can_put_nothing_into_a_record_that_stops_the_writing(tmp_path):
    async with opened(tmp_path / "calls.db") as store:
        store.record_changed(call("odd", cause="\udcff\x00'", retry_after_s=10**30))
        assert await store.settled(5)
        record = await store.get("odd")
        assert record is not None
        assert (record.cause, record.retry_after_s) == ("?'", 2**63 - 1)


async def test_pages_go_from_the_youngest_to_the_oldest(tmp_path):
    async with opened(tmp_path / "calls.db") as store:
        records = [call(f"c{n}", created_at=100.0 + n // 2) for n in range(9)]
        for record in records:
            store.record_changed(record)
        seen, cursor = [], None
        while True:
            page = await store.page(RecordQuery(cursor=cursor, limit=2))
            seen += [record.id for record in page.records]
            if (cursor := page.cursor) is None:
                break
            store.record_changed(call(f"later{len(seen)}", created_at=500.0))
        assert seen == [f"c{n}" for n in range(8, -1, -1)]
        exactly = await store.page(RecordQuery(since=104.0, limit=5))
        assert exactly.records[-1].id == "c8"
        assert exactly.cursor is None


async def test_pages_are_filtered(tmp_path):
    async with opened(tmp_path / "calls.db") as store:
        store.record_changed(FULL)
        store.record_changed(call("old", created_at=1.0, assistant="support"))
        store.record_changed(call("sip", created_at=2000.0))

        async def ids(**query):
            return [record.id for record in (await store.page(RecordQuery(**query))).records]

        assert await ids() == ["sip", "c1", "old"]
        assert await ids(status=CallState.COMPLETED) == ["c1"]
        assert await ids(provider="sip") == ["sip", "old"]
        assert await ids(assistant="support") == ["c1", "old"]
        assert await ids(since=1000.25) == ["sip", "c1"]
        assert await ids(assistant="support", provider="sip", since=0.5) == ["old"]
        assert await ids(provider="sip' OR 1=1 --") == []


@settings(max_examples=30)
@given(st.text())
def test_a_strange_cursor_is_refused_or_harmless(cursor):
    database = sqlite3.connect(":memory:", isolation_level=None)
    record_tables._migrate(database, 0.0)
    with closing(database), suppress(LocalProtocolError):
        assert record_tables.page(database, RecordQuery(cursor=cursor)).records == ()


async def test_calls_that_an_earlier_run_left_open_are_closed(tmp_path):
    path = tmp_path / "calls.db"
    async with opened(path, run="first", wall=lambda: 50.0) as store:
        store.record_changed(call("open", 10.0, state=CallState.IN_PROGRESS, answered_at=12.0))
        store.record_changed(FULL)
    async with opened(path, run="second", wall=lambda: 60.0) as store:
        assert store.closed_at_start == 1
        store.record_changed(call("new", 61.0))
        assert await store.get("open") == call(
            "open", 10.0, state=CallState.FAILED, answered_at=12.0, ended_at=60.0,
            reason="engine_restarted", failure_class="engine", retryable=True,
        )  # fmt: skip
        assert await store.get("c1") == FULL
        assert await store.settled(5)
        store._drop_database()  # begins anew, and leaves the calls of this run alone
        store.record_changed(call("newer", 62.0))
        assert await store.settled(5)
        assert (await store.get("new")) == call("new", 61.0)


async def test_two_engines_do_not_share_a_file(tmp_path):
    async with opened(tmp_path / "calls.db"):
        with pytest.raises(ConfigError, match="another engine"):
            await RecordStore(tmp_path / "calls.db", run="other").open()
    async with opened(tmp_path / "calls.db"):
        pass


async def test_a_file_that_cannot_be_made_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"\[store\] records: .*missing"):
        await RecordStore(tmp_path / "missing" / "calls.db", run="run").open()


async def test_the_database_of_a_later_version_is_left_alone(tmp_path, monkeypatch):
    path = tmp_path / "calls.db"
    later = (*record_tables.MIGRATIONS, ("CREATE TABLE more (x)",))
    with monkeypatch.context() as patch:
        patch.setattr(record_tables, "MIGRATIONS", later)
        async with opened(path) as store:
            store.record_changed(FULL)
    ours = len(record_tables.MIGRATIONS)
    with pytest.raises(ConfigError, match=f"version {ours + 1} and this engine knows {ours}"):
        await RecordStore(path, run="run").open()


@pytest.mark.parametrize("version", range(1, len(record_tables.MIGRATIONS) + 1))
async def test_an_older_database_is_brought_up_to_date(tmp_path, monkeypatch, version):
    path = tmp_path / "calls.db"
    with monkeypatch.context() as patch:
        patch.setattr(record_tables, "MIGRATIONS", record_tables.MIGRATIONS[:version])
        async with opened(path) as store:
            store.record_changed(call("later", 1001.0))
            store.record_changed(FULL)
    added = "ALTER TABLE calls ADD COLUMN more TEXT"
    monkeypatch.setattr(record_tables, "MIGRATIONS", (*record_tables.MIGRATIONS, (added,)))
    async with opened(path) as store:
        assert await store.get("c1") == FULL
        assert await store.find_by_key("k") == FULL
        assert [each.id for each in (await store.page(RecordQuery())).records] == ["later", "c1"]
    with closing(sqlite3.connect(path)) as database:
        versions = [number for (number,) in database.execute("SELECT version FROM migrations")]
        assert versions == list(range(1, len(record_tables.MIGRATIONS) + 1))
        assert database.execute("SELECT more FROM calls").fetchall() == [(None,), (None,)]


async def test_more_records_than_a_statement_takes_are_written_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(record_tables, "ROWS_AT_ONCE", 3)
    async with opened(tmp_path / "calls.db") as store:
        for number in range(10):
            store.record_changed(FULL._replace(id=f"c{number}"))
        assert await store.settled(5)
        assert sum(store.commit_s.counts) == 1
        kept = {each.id: each for each in (await store.page(RecordQuery())).records}
        assert kept == {f"c{number}": FULL._replace(id=f"c{number}") for number in range(10)}


async def test_old_calls_are_deleted_and_open_ones_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(record_tables, "DELETE_AT_ONCE", 3)
    path, day = tmp_path / "calls.db", 86_400.0
    async with opened(path) as store:
        for number in range(10):
            store.record_changed(call(f"old{number}", 1.0, ended_at=2.0))
        store.record_changed(call("young", 9 * day, ended_at=9 * day))
        store.record_changed(call("long", 1.0))
        assert await store.settled(5)
        kept = await store.get("long")
    async with opened(path, retention_days=2, wall=lambda: 10 * day) as store:
        await eventually(lambda: store.deleted == 10)
        assert len((await store.page(RecordQuery())).records) == 2
        assert await store.get("long") == kept
        assert await store.get("young") is not None


async def test_a_locked_database_delays_the_records_and_nothing_else(tmp_path):
    path = tmp_path / "calls.db"
    async with opened(path) as store:
        store.record_changed(call("before"))
        assert await store.settled(5)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for number in range(100):
            began = time.perf_counter()
            store.record_changed(call(f"c{number}"))
            assert time.perf_counter() - began < 0.1
        await eventually(lambda: store.problem is not None)
        assert "locked" in store.problem
        assert store.waiting == 100
        assert await store.get("c7") == call("c7")
        other.execute("ROLLBACK")
        other.close()
        assert await store.settled(5)
        await eventually(lambda: store.problem is None)
        assert len((await store.page(RecordQuery(limit=200))).records) == 101


async def test_a_full_disk_delays_the_records_and_nothing_else(tmp_path):
    path = tmp_path / "calls.db"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened(path) as store:
        store.record_changed(call("before"))
        assert await store.settled(5)
        big = {"text": "x" * 100_000}
        resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, hard))
        try:
            store.record_changed(call("big", quality=big))
            await eventually(lambda: store.problem is not None)
            assert not await store.settled(0.1)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert await store.settled(5)
        await eventually(lambda: store.problem is None)
        assert (await store.get("big")).quality == big
        assert await store.get("before") == call("before")


async def test_a_corrupt_file_is_reported_until_it_is_replaced(tmp_path):
    path = tmp_path / "calls.db"
    path.write_bytes(b"this is no database, and never was" * 100)
    async with opened(path) as store:
        assert "not a database" in store.problem
        store.record_changed(call("c1"))
        with pytest.raises(RecordsUnavailable, match="not a database"):
            await store.find_by_key("k")
        path.unlink()
        assert await store.settled(5)
        await eventually(lambda: store.problem is None)
        assert await store.get("c1") == call("c1")


async def test_the_queue_is_bounded_and_drops_the_oldest(tmp_path, monkeypatch):
    monkeypatch.setattr(group_commit, "QUEUE_LIMIT", 10)
    monkeypatch.setattr(module, "CLOSE_S", 0.1)
    path = tmp_path / "calls.db"
    path.write_bytes(b"this is no database, and never was" * 100)
    async with opened(path) as store:
        for number in range(15):
            store.record_changed(call(f"c{number}"))
            store.record_changed(call(f"c{number}", state=CallState.RINGING))
        assert store.dropped == 5
        assert store.waiting == 10
        path.unlink()
        ids = {f"c{number}" for number in range(5, 15)}
        assert await store.settled(5)
        assert {each.id for each in (await store.page(RecordQuery())).records} == ids


async def test_commits_do_not_hold_the_event_loop_up(tmp_path):
    worst = 0.0
    async with opened(tmp_path / "calls.db") as store:

        async def tick():
            nonlocal worst
            while True:
                began = time.perf_counter()
                await asyncio.sleep(0.001)
                worst = max(worst, time.perf_counter() - began)

        ticking = asyncio.create_task(tick())
        for number in range(3_000):
            store.record_changed(FULL._replace(id=f"c{number}"))
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert await store.settled(10)
        ticking.cancel()
        assert sum(store.commit_s.counts) >= 2
        assert len((await store.page(RecordQuery(limit=5_000))).records) == 3_000
    assert worst < 0.5


async def test_the_log_is_brought_into_the_database_beside_the_writing(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "CHECKPOINT_AFTER", 20)
    path, log = tmp_path / "calls.db", tmp_path / "calls.db-wal"
    async with opened(path) as store:

        async def write(name, count):
            for number in range(count):
                store.record_changed(FULL._replace(id=f"{name}{number}"))
                assert await store.settled(5)
            # What the last commit may have come too late for.
            await asyncio.get_running_loop().run_in_executor(store._tidying, store._tidy)

        await write("c", 100)
        grown = log.stat().st_size
        assert grown > 500_000
        assert path.stat().st_size > 20_000
        for _ in range(5):  # from its beginning again
            await write("d", 5)
        assert log.stat().st_size <= grown
        assert len((await store.page(RecordQuery(limit=300))).records) == 105
