"""The measuring of jitter buffers: what it finds in calls whose faults are known."""

from __future__ import annotations

import pytest

pytest.importorskip("pesq")

from pesq import pesq

from bench.networks import conditions, listen, make_condition


def test_a_clean_network_sounds_clean_and_adds_little_delay() -> None:
    heard = listen(make_condition("lan", 1), "adaptive", pesq, 1)
    assert heard.mos > 4.0
    assert heard.delay_ms < 14
    assert (heard.dead_ms, heard.jumps) == (0, 0)


def test_a_fixed_delay_is_measured_as_such_and_a_bad_network_costs() -> None:
    fixed = listen(make_condition("lan", 1), "fixed:60", pesq, 1)
    assert fixed.delay_ms == pytest.approx(60, abs=10)
    assert listen(make_condition("wifi-bad", 1), "fixed:60", pesq, 1).mos < fixed.mos - 0.2


def test_all_conditions_can_be_made() -> None:
    assert len(conditions()) >= 22
    assert len(make_condition("talkspurts", 1).packets) < len(make_condition("wifi", 1).packets)
