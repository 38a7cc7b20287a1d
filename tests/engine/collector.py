"""What is left to the garbage collector: objects that hold each other, when nobody holds them."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterator

import pytest


@pytest.fixture
def no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def left_to_the_collector() -> Counter[str]:
    """Collect now; gives what of ours there was in circles, by type.

    Simulated platforms are not ours, nor is what aiohttp keeps of a connection.
    """
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    kinds: list[type] = [type(each) for each in gc.garbage]
    gc.set_debug(0)
    gc.garbage.clear()
    return Counter(kind.__name__ for kind in kinds if _is_ours(kind))


def _is_ours(kind: type) -> bool:
    modules = [each.__module__ for each in kind.__mro__]
    return modules[0].startswith("rapida_media") and not any(
        each.startswith(("rapida_media.testing", "aiohttp")) for each in modules
    )
