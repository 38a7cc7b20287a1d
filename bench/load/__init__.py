"""The load test: how much of a machine one call costs, and whether it stays on time.

`python -m bench.load` (that is `make load`) places 100, 300 and 600 echo calls to an engine and
prints one row a level. See `__main__.py` for the options and `level.py` for what each figure means.
"""
