"""Finds calls that were begun and never connected, whoever was to carry them.

What carries a call ends it: SIP by its timers, a provider by its reports. A report can get lost,
and an order can wait for somebody who is gone. Asked by the engine now and then.
"""

from __future__ import annotations

from collections.abc import Iterable

from rapida_media.call.records import CallRecord

# Longer than anybody lets it ring (three minutes) and than a context waits for its media (five).
CONNECT_S = 600.0
NEVER_CONNECTED = "never_connected"


def never_connected(records: Iterable[CallRecord], wall: float) -> list[str]:
    """Give the ids of the calls that should have been answered long ago.

    records: of calls that have not ended.  wall: seconds since the epoch.
    """
    return [
        record.id
        for record in records
        if not record.answered and wall - record.created_at > CONNECT_S
    ]
