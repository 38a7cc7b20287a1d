"""Where time comes from: the only module below ``net`` that reads a clock.

Protocol logic takes ``now`` (monotonic seconds) as an argument; the shell calls ``monotonic``
once per input and hands it down.
"""

from __future__ import annotations

import time


def monotonic() -> float:
    """Seconds on the clock every deadline and arrival in the engine is measured by."""
    return time.monotonic()


def wall() -> float:
    """Seconds since the Unix epoch, for records and logs only, never for deadlines."""
    return time.time()
