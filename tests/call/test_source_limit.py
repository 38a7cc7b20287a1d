"""A stranger's tokens: few, refilled slowly, in a bounded table."""

import pytest

from rapida_media.call import source_limit
from rapida_media.call.source_limit import BURST, PER_SECOND, SourceLimit


def exhaust(limit, host, now):
    return sum(limit.allow(host, now) for _ in range(int(BURST) * 3))


def test_a_source_gets_its_burst_and_then_its_rate():
    limit = SourceLimit()
    assert exhaust(limit, "203.0.113.9", 10.0) == BURST
    assert exhaust(limit, "203.0.113.9", 10.0 + 10 / PER_SECOND) == 10


def test_sources_do_not_share_and_a_host_has_its_whole_ipv6_network():
    limit = SourceLimit()
    exhaust(limit, "2001:db8::1", 10.0)
    assert not limit.allow("2001:db8::ffff", 10.0)
    assert limit.allow("2001:db8:0:1::1", 10.0)
    exhaust(limit, "203.0.113.9", 10.0)
    assert not limit.allow("::ffff:203.0.113.9", 10.0)
    assert limit.allow("203.0.113.10", 10.0)
    assert limit.allow("fe80::1%eth0", 10.0)


def test_who_shows_the_password_starts_anew():
    limit = SourceLimit()
    exhaust(limit, "203.0.113.9", 10.0)
    limit.forgive("203.0.113.9")
    assert limit.allow("203.0.113.9", 10.0)


def test_the_table_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source_limit, "MAX_SOURCES", 3)
    limit = SourceLimit()
    for last in range(10):
        limit.allow(f"203.0.113.{last}", 10.0)
    assert len(limit) == 3
