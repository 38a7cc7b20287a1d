"""A call on a line, as a fixture."""

from __future__ import annotations

import pytest
from call_line import Line, leg

from rapida_media.legs.rtp_leg import RtpLeg


@pytest.fixture
async def line() -> Line:
    return Line()


@pytest.fixture
def spare_leg() -> RtpLeg:
    return leg(1, 7000)
