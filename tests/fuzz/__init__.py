"""Fuzz targets for what a peer wrote: SIP, SDP, a SIP dialog, and RTCP.

A target is a module with ``SEEDS``, ``TOKENS`` (what mutations insert) and ``fuzz(data)``, which
raises for a finding and for nothing else. ``python -m fuzz TARGET`` hunts; ``test_targets.py``
replays seeds, a few seeded mutations and every finding there has been (``findings/TARGET/``).

Checks that cost more than the reading itself are made of one input in eight: see ``thorough``.
"""

from __future__ import annotations

from zlib import crc32


def thorough(data: bytes) -> bool:
    """Whether an input gets the dear checks, too: by its content, so that findings repeat."""
    return crc32(data) % 8 == 0
