"""Where randomness comes from: the only module below ``net`` that reads a random source."""

from __future__ import annotations

import os
from typing import Protocol


class IdSource(Protocol):
    """What protocol code draws tags, branches, Call-IDs, SSRCs and first sequence numbers from."""

    def token(self) -> str:
        """Give an unguessable token: 32 lower-case hexadecimal digits (128 bits)."""
        ...

    def number(self, bits: int) -> int:
        """Give a uniform integer in [0, 2**bits)."""
        ...


class SystemIds:
    """``IdSource`` over the operating system's generator (RFC 3261 section 19.3)."""

    def token(self) -> str:
        return os.urandom(16).hex()

    def number(self, bits: int) -> int:
        return int.from_bytes(os.urandom((bits + 7) // 8), "big") & ((1 << bits) - 1)
