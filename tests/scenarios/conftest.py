"""What every scenario starts from."""

from __future__ import annotations

import pytest

from rapida_media.testing.parties import Call
from rapida_media.testing.world import World


@pytest.fixture
def world() -> World:
    return World(seed=1)


@pytest.fixture
def call(world: World) -> Call:
    return Call(world)
