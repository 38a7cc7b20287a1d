"""What the far end is told about the end of a call."""

import pytest

from rapida_media.call.endings import reason_header


@pytest.mark.parametrize(
    ("reason", "header"),
    [
        ("agent_finished", 'Q.850;cause=16;text="Normal call clearing"'),
        ("whatever an agent says", 'Q.850;cause=16;text="Normal call clearing"'),
        ("media_timeout", 'Q.850;cause=102;text="Recovery on timer expiry"'),
        ("agent_error", 'Q.850;cause=41;text="Temporary failure"'),
        ("no_common_codec", 'Q.850;cause=88;text="Incompatible destination"'),
    ],
)
def test_an_end_of_ours_has_a_cause_that_gateways_know(reason, header):
    assert reason_header(reason) == ("Reason", header)
