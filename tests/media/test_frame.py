"""The ring keeps the newest items and counts what it dropped."""

import pytest

from rapida_media.media.frame import FRAME_BYTES, FRAME_SAMPLES, Ring


def test_a_bus_frame_is_twenty_milliseconds_of_sixteen_kilohertz():
    assert (FRAME_SAMPLES, FRAME_BYTES) == (320, 640)


def test_a_full_ring_drops_its_oldest_item_and_counts_it():
    ring = Ring[int](limit=3)
    for item in range(5):
        ring.push(item)
    assert ring.dropped == 2
    assert [ring.pop() for _ in range(len(ring))] == [2, 3, 4]


def test_an_empty_ring_has_nothing_to_pop():
    with pytest.raises(IndexError):
        Ring[int](limit=1).pop()
