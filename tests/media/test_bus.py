"""The bus calls subscribers at once, in order, and converts once for each other rate."""

import numpy as np

from rapida_media.media.bus import Bus
from rapida_media.media.frame import CONCEALED, FRAME_SAMPLES, Audio


def frame(index: int, flags: int = 0) -> Audio:
    time = (np.arange(FRAME_SAMPLES) + index * FRAME_SAMPLES) / 16_000
    pcm = (8000 * np.sin(2 * np.pi * 1000 * time)).astype("<i2").tobytes()
    return Audio(index * FRAME_SAMPLES, flags, pcm)


def test_every_subscriber_gets_every_frame_in_order():
    bus, heard = Bus(), []
    bus.subscribe(lambda each: heard.append(("first", each.pts)))
    bus.subscribe(lambda each: heard.append(("second", each.pts)))
    bus.publish(frame(0))
    bus.publish(frame(1))
    assert heard == [("first", 0), ("second", 0), ("first", 320), ("second", 320)]


def test_who_unsubscribes_hears_nothing_more():
    bus, heard = Bus(), []
    stop = bus.subscribe(heard.append)
    bus.publish(frame(0))
    stop()
    bus.publish(frame(1))
    assert heard == [frame(0)]


def test_a_subscriber_may_unsubscribe_while_it_is_called():
    bus, heard = Bus(), []

    def once(each: Audio) -> None:
        heard.append(each.pts)
        stop()

    stop = bus.subscribe(once)
    bus.subscribe(lambda each: heard.append(-each.pts))
    bus.publish(frame(1))
    bus.publish(frame(2))
    assert heard == [320, -320, -640]


def test_another_rate_is_converted_once_for_all_that_asked_for_it():
    bus, first, second = Bus(), [], []
    bus.subscribe(first.append, rate_hz=8000)
    bus.subscribe(second.append, rate_hz=8000)
    for index in range(50):
        bus.publish(frame(index, CONCEALED if index == 7 else 0))
    assert all(one is other for one, other in zip(first, second, strict=True))
    assert [each.pts for each in first] == [index * 160 for index in range(50)]
    assert [each.flags for each in first].index(CONCEALED) == 7
    samples = np.frombuffer(b"".join(each.pcm for each in first), "<i2")
    assert len(samples) == 50 * 160
    spectrum = np.abs(np.fft.rfft(samples[160:]))
    assert np.argmax(spectrum) * 8000 / len(samples[160:]) == 1000


def test_the_publisher_is_told_when_frames_are_wanted_and_when_no_longer():
    told = []
    bus = Bus(wanted=told.append)
    stop_one = bus.subscribe(lambda each: None)
    stop_other = bus.subscribe(lambda each: None, rate_hz=8000)
    stop_one()
    assert told == [True]
    stop_other()
    assert told == [True, False]
