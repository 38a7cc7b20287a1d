"""Runs ``serve`` to its end, whatever agents do meanwhile and still do by then.

``asyncio.run`` waits without a limit for tasks that swallow their cancellation and for threads
(``asyncio.to_thread``) that are busy. Agents may leave either behind, and neither may keep a
process alive whose calls are over and whose records are written.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

# For what was cancelled to store something, and for a thread to end what it does.
LEFT_OVER_S = 1.0
_THREADS = "asyncio"


def run_to_its_end(main: Coroutine[None, None, int]) -> int:
    """Give what ``main`` gives; ends the process here where something of an agent does not end."""
    with asyncio.Runner() as runner:
        threads = ThreadPoolExecutor(thread_name_prefix=_THREADS)
        runner.get_loop().set_default_executor(threads)
        status = _run_through(runner.get_loop(), main)
        deadline = time.monotonic() + LEFT_OVER_S
        tasks = runner.run(_cancel_the_others())
        threads.shutdown(wait=False, cancel_futures=True)
        while (busy := _busy_threads()) and time.monotonic() < deadline:
            time.sleep(0.01)
        if tasks or busy:
            log.warning(
                "agents left %d tasks and %d threads that do not end; they are cut off", tasks, busy
            )
            logging.shutdown()
            os._exit(status)
    return status


def _run_through(loop: asyncio.AbstractEventLoop, main: Coroutine[None, None, int]) -> int:
    """Run ``main`` though a task that an agent made calls sys.exit: asyncio stops the loop then."""
    task = loop.create_task(main)
    while True:
        try:
            return loop.run_until_complete(task)
        except (SystemExit, KeyboardInterrupt):
            # Ctrl-C before ``serve`` handles it is none of an agent's.
            if task.done() or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise
            log.exception("a task of an agent wanted to end the engine, which goes on")


async def _cancel_the_others() -> int:
    """Cancel every other task; gives how many go on in spite of it."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return 0
    _, pending = await asyncio.wait(others, timeout=LEFT_OVER_S)
    return len(pending)


def _busy_threads() -> int:
    return sum(each.name.startswith(_THREADS) for each in threading.enumerate())
