"""Fuzz targets for what a peer wrote: SIP, SDP, a SIP dialog, and RTCP.

A target is a module with ``SEEDS``, ``TOKENS`` (what mutations insert) and ``fuzz(data)``, which
raises for a finding and for nothing else. ``python -m fuzz TARGET`` hunts; ``test_targets.py``
replays seeds, a few seeded mutations and every finding there has been (``findings/TARGET/``).
"""
