"""What waits for its commit: in order, no longer than needed, and not for a broken disk."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from engine.waiting import eventually

from rapida_media.call.records import CallRecord
from rapida_media.net import group_commit
from rapida_media.net.disk import DiskThread
from rapida_media.net.group_commit import GroupCommit


class Disk(GroupCommit):
    """Writes when it is let to. batches: the ids of each.  error: raised in place of writing."""

    def __init__(self) -> None:
        super().__init__(DiskThread(asyncio.get_running_loop(), "test"), "the file")
        self.batches: list[list[str]] = []
        self.begun = 0
        self.turn = threading.Semaphore(0)
        self.error: Exception | None = None
        self.happened: list[str] = []

    def _write(self, records: list[CallRecord]) -> None:
        self.begun += 1
        self.turn.acquire()
        if self.error is not None:
            raise self.error
        self.batches.append([record.id for record in records])

    def change(self, name: str) -> None:
        self.record_changed(CallRecord(name, "sip", "inbound", "alice", "bob", 0.0))

    def wait(self, name: str) -> None:
        self.when_kept(lambda: self.happened.append(name))


@pytest.fixture
async def disk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Disk]:
    monkeypatch.setattr(group_commit, "RETRY_S", 0.02)
    made = Disk()
    yield made
    made.error = None
    made.turn.release(1000)
    await made._finish(5.0)


async def test_nothing_waits_while_all_is_kept(disk: Disk) -> None:
    disk.wait("a")
    assert disk.happened == ["a"]
    disk.change("1")
    disk.turn.release()
    assert await disk.settled(5)
    disk.wait("b")
    assert (disk.happened, disk.behind) == (["a", "b"], False)


async def test_each_waits_for_the_batch_that_holds_what_was_said_before_it(disk: Disk) -> None:
    disk.change("1")
    disk.wait("first")
    disk.change("2")
    await eventually(lambda: disk.begun == 1)
    disk.wait("also first")
    disk.change("3")
    disk.wait("second")
    assert disk.behind
    disk.turn.release()
    await eventually(lambda: disk.begun == 2)
    assert (disk.batches, disk.happened) == ([["1", "2"]], ["first", "also first"])
    disk.turn.release()
    assert await disk.settled(5)
    assert (disk.batches[1:], disk.happened[2:]) == ([["3"]], ["second"])
    assert not disk.behind


async def test_who_waits_is_let_go_when_writing_fails_and_it_is_tried_again(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.error = OSError("no space left")
    disk.change("1")
    disk.wait("a")
    disk.turn.release()
    await eventually(lambda: disk.problem is not None)
    assert disk.problem == "the file: no space left"
    assert (disk.happened, disk.behind, disk.waiting) == (["a"], False, 1)
    disk.change("2")
    disk.wait("b")
    assert disk.happened == ["a", "b"]
    disk.error = None
    disk.turn.release(10)
    assert await disk.settled(5)
    written = sorted(name for batch in disk.batches for name in batch)
    assert (written, disk.problem, disk.behind) == (["1", "2"], None, False)
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]


async def test_a_disk_that_hangs_holds_nobody_up_for_long(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(group_commit, "PATIENCE_S", 0.05)
    disk.change("1")
    disk.wait("a")
    await eventually(lambda: disk.happened == ["a"])
    disk.change("2")
    disk.wait("b")
    assert (disk.happened, disk.behind, disk.waiting) == (["a", "b"], False, 2)
    assert disk.problem == "the file: a commit takes longer than 0.05 s"
    assert disk.problem in caplog.text
    disk.turn.release(2)
    assert await disk.settled(5)
    assert disk.problem is None
    disk.change("3")
    assert disk.behind  # and is waited for again
    disk.turn.release()
    assert await disk.settled(5)
