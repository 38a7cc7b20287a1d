"""What every scenario starts from."""

from __future__ import annotations

import pytest

from rapida_media.testing.parties import Call
from rapida_media.testing.sip import SipPeer
from rapida_media.testing.world import World


@pytest.fixture
def world() -> World:
    return World(seed=1)


@pytest.fixture
def call(world: World) -> Call:
    return Call(world)


@pytest.fixture
def peer(world: World) -> SipPeer:
    return SipPeer(world, "192.0.2.9")
