"""Long inputs leave the interpreter to other threads; short ones are not worth it."""

from __future__ import annotations

import threading
import time

import pytest

from rapida_media.kernels import DtmfDetector, G722Decoder, G722Encoder, Resampler

LONG = bytes(range(256)) * 8000
STARTS = {
    "encode G.722": lambda: G722Encoder().encode,
    "decode G.722": lambda: G722Decoder().decode,
    "resample": lambda: Resampler(8000, 16000).push,
    "find keys": lambda: DtmfDetector().push,
}
EVERY = pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)


class Watch(threading.Thread):
    """Notes the time again and again, as often as it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []
        self.leave = threading.Event()

    def run(self) -> None:
        while not self.leave.is_set():
            self.seen.append(time.monotonic())
            time.sleep(0)


@EVERY
def test_another_thread_runs_while_a_long_input_is_worked_on(start):
    work, watch, longer = start(), Watch(), LONG * 5
    watch.start()
    try:
        began = time.monotonic()
        work(longer)
        ended = time.monotonic()
    finally:
        watch.leave.set()
        watch.join()
    # In the second half it may have been after the work, before its end was noted.
    assert sum(began < seen < (began + ended) / 2 for seen in watch.seen) >= 5


@EVERY
def test_long_inputs_of_two_threads_give_each_what_it_gives_alone(start):
    alone, given = start()(LONG), [None, None]

    def work(number):
        given[number] = start()(LONG)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [alone, alone]


@EVERY
def test_a_long_input_gives_what_its_pieces_give(start):
    whole, piecewise = start()(LONG), start()
    pieces = type(whole)()
    for at in range(0, len(LONG), 4000):
        pieces += piecewise(LONG[at : at + 4000])
    assert pieces == whole
