"""The benchmark: which kernel, how fast, how clean, how late, against everything else we know.

`python -m bench` (that is `make bench`) measures; docs/benchmarks.md tells how to read it and how
to add a candidate. `harness.py` times, `tables/` says what, `peers.py` finds the others.
"""
