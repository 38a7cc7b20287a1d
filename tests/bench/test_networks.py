"""The measuring of jitter buffers: what it finds in calls whose faults are known."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("pesq")

from pesq import pesq

from bench.assembled import as_it_comes, immediate, judge, silence
from bench.concealers import Samples
from bench.networks import conditions, listen, make_condition


def test_a_clean_network_sounds_clean_and_adds_little_delay() -> None:
    heard = listen(make_condition("lan", 1), "adaptive", pesq, 1)
    assert heard.mos > 3.9  # as good as μ-law is with the demo's speech alone
    assert heard.delay_ms < 14
    assert (heard.dead_ms, heard.jumps) == (0, 0)


def test_a_fixed_delay_is_measured_as_such_and_a_bad_network_costs() -> None:
    fixed = listen(make_condition("lan", 1), "fixed:60", pesq, 1)
    assert fixed.delay_ms == pytest.approx(60, abs=10)
    assert listen(make_condition("wifi-bad", 1), "fixed:60", pesq, 1).mos < fixed.mos - 0.2


def test_all_conditions_can_be_made() -> None:
    assert len(conditions()) >= 22
    assert len(make_condition("talkspurts", 1).packets) < len(make_condition("wifi", 1).packets)


def test_a_recogniser_is_given_everything_in_its_place_and_no_hole() -> None:
    call = make_condition("loss6", 1)
    given = immediate(call)
    assert (given.in_place, given.holes) == (1.0, 0)
    assert min(given.waits_ms) > -0.001
    assert np.median(given.waits_ms) < 0.001


def test_what_a_recogniser_is_given_is_judged_beside_the_ways_of_others() -> None:
    def like(_: int, original: Samples, heard: Samples, *__: str) -> float:
        return float(np.corrcoef(original, heard)[0, 1])

    def clear(original: Samples, heard: Samples, _: int) -> float:
        return like(8000, original, heard)

    call = make_condition("loss6", 1)
    streams = (immediate(call).stream, silence(call), as_it_comes(call))
    scores = [judge(call, stream, like, clear)[0] for stream in streams]
    assert scores[0] > scores[1] > 0.8 > 0.6 > scores[2]
    lan = make_condition("lan", 1)
    assert min(judge(lan, way(lan), like, clear)[1] for way in (silence, as_it_comes)) > 0.99


def test_packets_that_never_come_are_no_jump_of_the_delay() -> None:
    assert listen(make_condition("loss6", 1), "adaptive", pesq, 1).jumps < 1
    assert listen(make_condition("bloat", 1), "adaptive", pesq, 1).jumps > 3
