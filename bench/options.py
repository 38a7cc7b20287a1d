"""Values of command lines, for argparse: called by ``bench`` and ``bench.load``."""

from __future__ import annotations

import argparse
import math


def positive(text: str, what: str = "a number") -> float:
    """Read a finite number above 0. what: it is called so in the sentence for anything else."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"expected {what} above 0, got {text!r}")
    return number
