"""Who takes part: RFC 3550 sections 6.2.1, 6.3.4 and 6.3.5."""

from __future__ import annotations

from rapida_media.rtp.members import MEMBERS_MAX, STRAGGLERS_S, Members

TIMEOUT_S = 25.0


def test_a_source_takes_part_as_long_as_its_rtp_or_its_rtcp_comes() -> None:
    members = Members()
    assert members.includes(7, 100.0, 100.0 + TIMEOUT_S - 0.1, TIMEOUT_S)
    assert not members.includes(7, 100.0, 100.0 + TIMEOUT_S, TIMEOUT_S)
    members.hear(7, 120.0)
    assert members.includes(7, 100.0, 120.0 + TIMEOUT_S - 0.1, TIMEOUT_S)
    assert not members.includes(7, 100.0, 120.0 + TIMEOUT_S, TIMEOUT_S)


def test_who_said_bye_is_out_at_once_and_stragglers_do_not_bring_it_back() -> None:
    members = Members()
    members.hear(7, 99.0)
    members.leave(7, 100.0)
    members.hear(7, 100.5)
    assert members.ssrcs == set()
    for rtp_at in (100.0, 100.0 + STRAGGLERS_S):
        assert not members.includes(7, rtp_at, rtp_at + 0.1, TIMEOUT_S)


def test_who_goes_on_after_its_bye_takes_part_again() -> None:
    members = Members()
    members.leave(7, 100.0)
    later = 100.1 + STRAGGLERS_S
    assert members.includes(7, later, later, TIMEOUT_S)
    members.hear(7, later)
    assert members.ssrcs == {7}
    assert members.includes(7, 0.0, later, TIMEOUT_S)


def test_a_straggler_is_no_sign_of_life_when_the_bye_is_forgotten() -> None:
    members = Members()
    members.leave(7, 100.0)
    straggler_at = 100.0 + STRAGGLERS_S
    for n in range(400):
        now = straggler_at + n * 0.1
        members.forget_silent(now, TIMEOUT_S)
        assert not members.includes(7, straggler_at, now, TIMEOUT_S)


def test_the_silent_are_forgotten_and_a_flood_is_not_remembered() -> None:
    members = Members()
    for ssrc in range(1000):
        members.hear(ssrc, 100.0)
        members.leave(100_000 + ssrc, 100.0)
    assert len(members.ssrcs) == MEMBERS_MAX
    members.hear(3, 110.0)
    members.forget_silent(100.0 + TIMEOUT_S, TIMEOUT_S)
    assert members.ssrcs == {3}
