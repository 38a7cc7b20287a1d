"""Calls that never connect are found, others are left alone."""

from rapida_media.call.records import CallRecord
from rapida_media.call.state import CallState
from rapida_media.call.watchdog import CONNECT_S, never_connected

QUEUED = CallRecord("c1", "twilio", "outbound", "a", "b", 1000.0)


def test_a_call_that_nobody_connects_is_found_after_ten_minutes():
    assert never_connected([QUEUED], 1000.0 + CONNECT_S) == []
    assert never_connected([QUEUED], 1000.1 + CONNECT_S) == ["c1"]
    ringing = QUEUED._replace(state=CallState.RINGING, ringing_at=1500.0)
    assert never_connected([ringing], 1700.0) == ["c1"]


def test_a_call_that_was_answered_may_last_as_long_as_it_likes():
    answered = QUEUED._replace(state=CallState.IN_PROGRESS, answered_at=1001.0)
    assert never_connected([answered], 1e9) == []
