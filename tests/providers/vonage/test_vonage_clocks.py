"""A platform whose clock is not ours."""

from __future__ import annotations

import pytest
from providers.echoed_line import EchoedLine, check_the_delay_does_not_grow

from rapida_media.providers.vonage import SPEC
from rapida_media.testing.vonage import VonageLine


@pytest.mark.parametrize("ppm", [1000.0, -1000.0])
def test_the_delay_does_not_grow_with_a_clock_that_is_off(ppm: float) -> None:
    line = EchoedLine(SPEC, VonageLine(16_000, {"contextId": "42"}, ppm=ppm))
    check_the_delay_does_not_grow(line)
    assert line.leg.stats()["lead_ms"] in range(61)
