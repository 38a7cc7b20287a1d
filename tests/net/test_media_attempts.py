"""Which of a call's sockets has the call, and how often a context may be used."""

from __future__ import annotations

from typing import Any, cast

import pytest

from rapida_media.net.media_attempts import SECOND_HANDSHAKE_S, Attempt, Attempts
from rapida_media.providers.stream import Started, Stopped


class Owner:
    def attempt_started(self, attempt: Attempt, event: Started) -> None: ...
    def attempt_stopped(self, attempt: Attempt, event: Stopped) -> None: ...


class FakeStreamer:
    closed_for = ""

    def close(self, reason: str) -> None:
        self.closed_for = reason


OWNER = Owner()


def opened(attempts: Attempts) -> Attempt:
    attempt = Attempt(OWNER, is_second=attempts.claimed_again)
    attempt.streamer = cast(Any, FakeStreamer())
    attempts.opened(attempt)
    return attempt


def claimed(*, allowed: bool = True) -> Attempts:
    attempts = Attempts(allowed)
    assert not attempts.claim_again(99.0), "nothing was claimed here yet"
    attempts.claim(100.0)
    return attempts


def test_a_provider_that_comes_once_finds_its_context_used() -> None:
    attempts = claimed(allowed=False)
    first = opened(attempts)
    assert not attempts.claim_again(100.1)
    assert attempts.over(first, "media_lost", 100.2), "there will be no other"


def test_a_second_handshake_is_taken_once_and_not_for_long() -> None:
    attempts = claimed()
    assert attempts.claim_again(100.0 + SECOND_HANDSHAKE_S)
    assert not attempts.claim_again(100.1)
    assert not claimed().claim_again(100.1 + SECOND_HANDSHAKE_S)


def test_after_a_start_the_context_is_used() -> None:
    attempts = claimed()
    attempts.started(opened(attempts))
    assert not attempts.claim_again(100.1)


def test_the_first_to_start_has_the_call_and_the_other_is_closed() -> None:
    for winner in (0, 1):
        attempts = claimed()
        first = opened(attempts)
        assert attempts.claim_again(100.1)
        both = [first, opened(attempts)]
        assert [each.is_second for each in both] == [False, True]
        attempts.started(both[winner])
        assert attempts.current is both[winner]
        assert [each.streamer.closed_for for each in both][1 - winner] == "gone"
        assert not attempts.over(both[1 - winner], "gone", 100.2), "it was not the call's"
        assert attempts.over(both[winner], "stopped", 100.3)


def test_a_second_socket_that_leaves_harms_the_first_in_nothing() -> None:
    attempts = claimed()
    first = opened(attempts)
    assert attempts.claim_again(100.1)
    stranger = opened(attempts)
    assert not attempts.over(stranger, "media_closed", 100.2)
    assert attempts.current is first
    attempts.started(first)
    assert attempts.over(first, "media_lost", 100.3)


@pytest.mark.parametrize("reason", ["media_closed", "media_lost", "media_not_started"])
def test_a_first_that_came_to_nothing_is_followed_by_another_or_given_up(reason: str) -> None:
    attempts = claimed()
    assert not attempts.over(opened(attempts), reason, 105.0)
    assert not attempts.is_given_up(105.0)
    assert attempts.is_given_up(100.1 + SECOND_HANDSHAKE_S)
    assert attempts.claim_again(106.0)
    assert not attempts.is_given_up(101.0 + SECOND_HANDSHAKE_S), "it is on its way"
    assert attempts.is_given_up(126.0), "it never came"
    assert attempts.over(opened(attempts), reason, 107.0), "there is no third"


def test_nonsense_is_no_handshake_that_failed() -> None:
    attempts = claimed()
    assert attempts.over(opened(attempts), "protocol_error", 100.1)
