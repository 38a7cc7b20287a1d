"""The demo's picture: levels are right, the PNG has its size, a silent side does not break it."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from rapida_media.demo.picture import FLOOR_DBFS, Mark, Picture, draw, level_dbfs, marks_of

RATE_HZ = 16000


def sine(seconds: float) -> np.ndarray:
    return np.sin(2 * np.pi * 1000 * np.arange(int(seconds * RATE_HZ)) / RATE_HZ)


def test_a_full_scale_sine_is_three_decibel_below_full_scale() -> None:
    levels = level_dbfs(sine(1.0), RATE_HZ)
    assert levels == pytest.approx(np.full(50, -3.01), abs=0.01)


def test_silence_lies_on_the_floor() -> None:
    assert level_dbfs(np.zeros(320), RATE_HZ) == pytest.approx([FLOOR_DBFS])


def test_the_events_of_a_report_become_marks_in_plain_words() -> None:
    report = {
        "events": [{"at_ms": 12.5, "event": "first_media"}, {"at_ms": 2000, "event": "ended"}]
    }
    assert marks_of(report) == [Mark(0.0125, "first media"), Mark(2.0, "hang-up")]


def test_the_picture_is_a_png_of_its_size_even_when_nothing_was_heard(tmp_path: Path) -> None:
    picture = Picture(
        title="t", facts="f", rate_hz=RATE_HZ, begins=0.1,
        sent=sine(2.0), heard=np.zeros(2 * RATE_HZ),
        marks=[Mark(0.01, "ringing"), Mark(0.02, "answered"), Mark(2.1, "hang-up")],
    )  # fmt: skip
    draw(picture, tmp_path / "call.png")
    png = (tmp_path / "call.png").read_bytes()
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", png[16:24]) == (1920, 1080)
