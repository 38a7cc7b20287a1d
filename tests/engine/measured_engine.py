"""The engine of the test of many calls: short SIP timers, and SIGUSR1 writes what it holds.

python measured_engine.py ADDRESS:PORT FIGURES-FILE
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from pathlib import Path

from rapida_media.call import journal
from rapida_media.config import Config, LimitsConfig, RtpConfig, SipConfig, parse_listen
from rapida_media.net.engine import Engine
from rapida_media.sip.timers import TimerValues
from rapida_media.sip.trace import TraceLimits


def allocated_blocks() -> int:
    """Count what Python has allocated, garbage apart."""
    gc.collect()
    return sys.getallocatedblocks()


async def main(address: str, figures: Path) -> None:
    config = Config(
        sip=SipConfig(listen=(parse_listen(f"udp:{address}"),)),
        rtp=RtpConfig(ports=(20_000, 29_999)),
        limits=LimitsConfig(max_calls=4000, calls_per_second=1000.0),
    )
    # Timers B, F, H, J, L and M take two seconds.
    timers = TimerValues(t1=0.03, t2=0.24, t4=0.3, d=1.9)
    # What is kept of calls that are over is bounded, but no two calls are of one size: keep few.
    journal.HISTORY = 10
    traces = TraceLimits(calls_bytes=4 * 1024)
    engine = Engine(config, directory=Path(), default_agent="echo", timers=timers, traces=traces)
    await engine.start()

    def write() -> None:
        now = engine.figures() | {
            "free_ports": engine.media.ports.free,
            "tasks": len(asyncio.all_tasks()),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "python_blocks": allocated_blocks(),
        }
        half = figures.with_suffix(".half")
        half.write_text(json.dumps(now))
        half.rename(figures)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, write)
    end = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    await end.wait()
    await engine.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
