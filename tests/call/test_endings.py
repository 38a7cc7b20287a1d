"""How calls end: reason, code, failure class, retryable; and what the far end is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapida_media.call.endings import (
    FAILURE_CLASSES,
    Ending,
    ended,
    not_answered,
    offer_refused,
    reason_header,
    turned_away,
)


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


@pytest.mark.parametrize(
    ("status", "reason", "failure_class", "retryable"),
    [
        (302, "rejected", "callee", False),
        (403, "rejected", "authentication", False),
        (404, "not_found", "callee", False),
        (408, "no_answer", "callee", True),
        (420, "rejected", "configuration", False),
        (480, "no_answer", "callee", True),
        (486, "busy", "callee", True),
        (487, "canceled", "caller", False),
        (488, "rejected", "media", False),
        (502, "rejected", "network", True),
        (503, "unavailable", "capacity", True),
        (600, "busy", "callee", True),
        (603, "declined", "callee", False),
        (699, "rejected", "callee", False),
    ],
)
def test_a_call_that_is_refused_says_whose_fault_that_is(status, reason, failure_class, retryable):
    assert not_answered(status) == Ending(reason, status, failure_class, retryable)


@pytest.mark.parametrize(("status", "reason"), [(408, "no_answer"), (503, "unavailable")])
def test_silence_and_a_dead_wire_are_the_networks_fault(status, reason):
    assert not_answered(status, heard=False) == Ending(reason, status, "network", True)


def test_who_names_a_time_is_worth_calling_again():
    assert not_answered(603).retryable is False
    assert not_answered(603, retry_after_s=3600).retryable is True


@given(st.integers(300, 699), st.booleans(), st.none() | st.integers(0, 10**6))
def test_every_status_has_an_ending_of_the_vocabulary(status, heard, retry_after_s):
    ending = not_answered(status, heard=heard, retry_after_s=retry_after_s)
    assert (ending.code, ending.failure_class in FAILURE_CLASSES) == (status, True)


@pytest.mark.parametrize("reason", ["bye", "local_bye", "agent_finished", "transferred", "enough"])
def test_an_ordinary_end_is_no_failure(reason):
    assert ended(reason, 200) == Ending(reason, 200, None, False)


@pytest.mark.parametrize(
    ("cause", "ending"),
    [
        ("canceled", Ending("canceled", 487, "caller")),
        ("ring_timeout", Ending("no_answer", 487, "agent")),
        ("ack_timeout", Ending("ack_timeout", 487, "network", True)),
        ("media_timeout", Ending("media_timeout", 487, "media", True)),
        ("agent_error", Ending("agent_error", 487, "agent")),
        ("engine_stopping", Ending("engine_stopping", 487, "engine", True)),
    ],
)
def test_a_cause_of_ours_says_whose_fault_it_is(cause, ending):
    assert ended(cause, 487) == ending


def test_a_call_turned_away_is_the_agents_choice_unless_no_codec_fits():
    assert turned_away(486) == Ending("rejected", 486, "agent")
    assert turned_away(488) == Ending("rejected", 488, "media")


@pytest.mark.parametrize(
    ("ending", "cause", "line"),
    [
        (ended("bye"), None, "ended: bye"),
        (ended("bye"), "Q.850;cause=16", "ended: bye, Q.850;cause=16"),
        (not_answered(486), None, "ended: busy (486), failed: callee"),
        (
            not_answered(503),
            "SIP;text=full",
            "ended: unavailable (503), SIP;text=full, failed: capacity",
        ),
    ],
)
def test_the_log_says_in_one_line_how_a_call_ended(ending, cause, line):
    assert ending.line(cause) == line


def test_an_offer_that_cannot_be_used_is_not_the_agents_fault():
    assert offer_refused(488) == Ending("rejected", 488, "media")
    assert offer_refused(400) == Ending("rejected", 400, "configuration")
