"""An Asterisk whose clock is not ours."""

from __future__ import annotations

import pytest
from providers.echoed_line import EchoedLine, check_the_delay_does_not_grow

from rapida_media.providers.asterisk import SPEC
from rapida_media.testing.asterisk import WebsocketLine


@pytest.mark.parametrize("ppm", [1000.0, -1000.0])
def test_the_delay_does_not_grow_with_a_clock_that_is_off(ppm: float) -> None:
    line = EchoedLine(SPEC, WebsocketLine("slin16", ppm=ppm))
    check_the_delay_does_not_grow(line)
    assert line.leg.stats()["lead_ms"] in range(61)
