"""Jitter buffers of others, as the table "jitter" plays them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from missing import skip_or_fail
from numpy.typing import NDArray

from bench.buffers import OTHERS, TICK, PJMedia, Player, open_player
from bench.concealers import Samples
from bench.harness import MissingPeerError
from bench.networks import make_condition, play
from rapida_media.kernels import ulaw_decode, ulaw_encode
from rapida_media.testing.jitter import Call

PACKAGED = ("speexdsp and spandsp",)  # CI has them; nobody packages the others
STARTED = 20  # ticks


class Ticks(NamedTuple):
    pcm: Samples  # a row for each tick
    positions: NDArray[np.int64]
    owed: NDArray[np.int64]
    idle: NDArray[np.bool_]


@pytest.fixture(params=["fixed:60", *OTHERS])
def player(request: pytest.FixtureRequest) -> Player:
    try:
        return open_player(request.param)
    except MissingPeerError as how:
        reason = f"{request.param} not compared: {how}"
        if request.param in PACKAGED:
            skip_or_fail(reason)
        pytest.skip(reason)


def ticks(call: Call, player: Player) -> Ticks:
    pcm, *told = play(call, player, call.packets[0].arrival_us + 3000)
    return Ticks(*(part[STARTED:] for part in (pcm.reshape(-1, TICK), *told)))


def said_in(call: Call, positions: NDArray[np.int64]) -> Samples:
    """The ticks that end at these positions, as a μ-law line leaves them."""
    line = np.frombuffer(ulaw_decode(ulaw_encode(call.pcm)), np.int16)
    return np.stack([line[end - TICK : end] for end in positions])


def test_a_buffer_tells_which_sample_of_the_speech_it_has_reached(player: Player) -> None:
    call = make_condition("lan", 1)
    heard = ticks(call, player)
    assert np.array_equal(heard.pcm, said_in(call, heard.positions))
    assert not heard.owed.any()
    assert not heard.idle.any()


@pytest.mark.parametrize("network", ["trunk", "wifi", "new source", "timestamp jump"])
def test_it_tells_so_on_bad_networks_too_wherever_nothing_is_made_up(
    player: Player, network: str
) -> None:
    call = make_condition(network, 1)
    heard = ticks(call, player)
    steady = np.diff(heard.positions, prepend=heard.positions[0]) == TICK
    alike = (heard.pcm == said_in(call, heard.positions)).all(axis=1)
    assert steady.mean() > 0.95
    assert alike[steady].mean() > 0.95  # the others are made up for lost packets


def test_a_pause_is_played_as_noise_of_the_level_that_was_told(player: Player) -> None:
    heard = ticks(make_condition("talkspurts", 1), player)
    told = 32768 * 10 ** (-65 / 20)
    quiet = heard.pcm[heard.idle].astype(float)
    if isinstance(player, PJMedia):  # it does not take comfort noise
        assert not len(quiet)
    else:
        assert len(quiet) > 100
        assert np.sqrt((quiet**2).mean()) == pytest.approx(told, rel=0.1)
