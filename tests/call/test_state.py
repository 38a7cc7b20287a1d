"""The states of a call: a closed vocabulary that only moves forward."""

import itertools

import pytest

from rapida_media.call.state import FOLLOWERS, CallState, end_state, may_follow

LIFE = ["queued", "initiated", "ringing", "in-progress", "completed"]
ENDS = {"completed", "busy", "no-answer", "failed", "canceled"}


def test_the_vocabulary_is_closed():
    assert {str(state) for state in CallState} == set(LIFE) | ENDS
    assert set(FOLLOWERS) == set(CallState)
    assert {str(state) for state in CallState if state.ended} == ENDS


def test_a_life_may_leave_out_steps_and_never_goes_back():
    for (i, before), (j, after) in itertools.product(enumerate(LIFE), repeat=2):
        assert may_follow(CallState(before), CallState(after)) == (i < j), (before, after)


def test_nothing_follows_an_end():
    for end, after in itertools.product(ENDS, CallState):
        assert not may_follow(CallState(end), after)


def test_an_answered_call_cannot_become_busy():
    for end in ("busy", "no-answer", "canceled"):
        assert may_follow(CallState.RINGING, CallState(end))
        assert not may_follow(CallState.IN_PROGRESS, CallState(end))


@pytest.mark.parametrize(
    ("reason", "answered", "end"),
    [
        ("bye", True, "completed"),
        ("media_timeout", True, "completed"),
        ("busy", False, "busy"),
        ("no_answer", False, "no-answer"),
        ("canceled", False, "canceled"),
        ("declined", False, "failed"),
        ("not_found", False, "failed"),
    ],
)
def test_a_reason_stands_for_an_end(reason, answered, end):
    assert end_state(reason, answered=answered) == end
