"""A platform whose clock is not ours."""

from __future__ import annotations

import pytest
from providers.echoed_line import EchoedLine, check_the_delay_does_not_grow
from recorded_exotel import ACCOUNT, CALL, STREAM

from rapida_media.providers.exotel import SPEC
from rapida_media.providers.stream import AudioFormat
from rapida_media.testing.exotel import VoicebotLine


@pytest.mark.parametrize("ppm", [1000.0, -1000.0])
def test_the_delay_does_not_grow_with_a_clock_that_is_off(ppm: float) -> None:
    ids = {"call_sid": CALL, "account_sid": ACCOUNT}
    audio = AudioFormat("s16le", 16000)
    line = EchoedLine(SPEC, VoicebotLine(audio, STREAM, ids, {}, ppm=ppm))
    check_the_delay_does_not_grow(line)
