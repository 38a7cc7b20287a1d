"""Telephone numbers in the configuration."""

from __future__ import annotations

# In a list of what may be called: nothing is refused.
EVERYTHING = "*"


def number_prefix(text: str) -> str:
    """Read the beginning of a number: ``+49``, ``+4930``, or ``*`` for every number."""
    digits = text.removeprefix("+")
    if text != EVERYTHING and not (digits.isascii() and digits.isdigit() and len(digits) <= 15):
        raise ValueError('expected the beginning of a number such as "+49", or "*" for all')
    return text
