"""The thread that recordings are written by."""

from __future__ import annotations

import asyncio
import logging
import threading
import time

import pytest

from rapida_media.net.disk import DiskThread


async def test_jobs_run_in_order_elsewhere_and_are_reported_here() -> None:
    disk, done, threads = DiskThread(asyncio.get_running_loop()), list[int](), set[int]()

    def job() -> None:
        threads.add(threading.get_ident())

    for number in range(20):
        disk.submit(job, lambda number=number: done.append(number))
    await disk.flushed()
    assert done == list(range(20))
    assert len(threads) == 1
    assert threading.get_ident() not in threads
    await disk.stop()


async def test_a_slow_disk_does_not_hold_the_loop_up() -> None:
    disk = DiskThread(asyncio.get_running_loop())
    disk.submit(lambda: time.sleep(0.2), lambda: None)
    before = time.monotonic()
    await asyncio.sleep(0)
    assert time.monotonic() - before < 0.15
    await disk.stop()
    assert time.monotonic() - before >= 0.15


async def test_a_job_that_fails_is_logged_and_the_next_one_runs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    disk, done = DiskThread(asyncio.get_running_loop()), list[str]()
    with caplog.at_level(logging.ERROR):
        disk.submit(lambda: 1 / 0, lambda: done.append("failed"))
        disk.submit(lambda: None, lambda: done.append("next"))
        await disk.stop()
    assert done == ["failed", "next"]
    assert "ZeroDivisionError" in caplog.text


async def test_stopping_without_a_job_starts_no_thread() -> None:
    before = threading.active_count()
    await DiskThread(asyncio.get_running_loop()).stop()
    assert threading.active_count() == before
