"""Waiting for what should come about, and no longer than that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

PATIENCE_S = 5.0


async def eventually(
    condition: Callable[[], Any], patience: float = PATIENCE_S, *, every: float = 0.005
) -> Any:
    """Wait until the condition gives something true, and give it."""
    deadline = asyncio.get_running_loop().time() + patience
    while not (result := condition()):
        assert asyncio.get_running_loop().time() < deadline, "it did not come about in time"
        await asyncio.sleep(every)
    return result
