"""Admission refuses with the time after which trying again makes sense."""

from rapida_media.call.admission import Admission, Refusal


def test_calls_above_the_limit_are_refused_until_one_ends():
    admission = Admission(max_calls=2, calls_per_second=100)
    assert admission.admit(0, 0.0) is None
    assert admission.admit(1, 0.0) is None
    assert admission.admit(2, 0.0) == Refusal("max_calls", 5)
    assert admission.admit(1, 0.0) is None


def test_a_second_brings_as_many_calls_as_the_rate_says_and_not_one_more():
    admission = Admission(max_calls=10_000, calls_per_second=10)
    admitted = [admission.admit(0, 100 + tick / 1000) for tick in range(3000)]
    # A full bucket of ten at first, then ten a second over three seconds.
    assert sum(refusal is None for refusal in admitted) == 10 + 29


def test_a_refusal_by_rate_names_whole_seconds():
    admission = Admission(max_calls=10, calls_per_second=0.25)
    assert admission.admit(0, 0.0) is None
    assert admission.admit(0, 0.0) == Refusal("calls_per_second", 4)
    assert admission.admit(0, 4.0) is None


def test_calls_refused_by_number_use_up_nothing_of_the_rate():
    admission = Admission(max_calls=1, calls_per_second=1)
    assert admission.admit(1, 0.0) == Refusal("max_calls", 5)
    assert admission.admit(0, 0.0) is None


def test_while_draining_every_call_is_refused():
    admission = Admission(max_calls=1, calls_per_second=100)
    admission.draining = True
    assert admission.admit(0, 0.0) == Refusal("draining", 30)
