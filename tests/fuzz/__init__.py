"""Fuzz targets for the parts that read what a peer wrote in text: SIP, SDP, and a SIP dialog.

A target is a module with ``SEEDS``, ``TOKENS`` (what mutations insert) and ``fuzz(data)``, which
raises for a finding and for nothing else. ``python -m fuzz TARGET`` hunts; ``test_targets.py``
replays seeds, a few seeded mutations and every finding there has been (``findings/TARGET/``).
"""
