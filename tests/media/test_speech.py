"""Speech begins and ends where somebody begins and ends to speak, whoever detects it."""

from __future__ import annotations

import numpy as np
import pytest
import webrtcvad
from noisy_speech import BACKGROUNDS, background, frames, levels

from rapida_media.kernels import DIGIT, Audio, EnergyDetector
from rapida_media.media.frame import RATE_HZ
from rapida_media.media.speech import SpeechActivity, SpeechDetector, SpeechEnded, SpeechStarted

LOUD, QUIET = (10_000 * np.sign(np.arange(320) % 16 - 7.5)).astype("<i2").tobytes(), bytes(640)


class Script:
    """Answers as it was told to."""

    def __init__(self, answers: list[float]) -> None:
        self._answers = iter(answers)

    def feed(self, frame: Audio) -> float:
        return next(self._answers)


class WebRtcVad:
    """The detector of WebRTC, as an agent plugs it in."""

    def __init__(self) -> None:
        self._vad = webrtcvad.Vad(3)

    def feed(self, frame: Audio) -> bool:
        return self._vad.is_speech(frame.pcm, RATE_HZ)


def scripted(answers: str | list[float], **times: int) -> list[tuple[int, object]]:
    """Give (number of the frame, event) for answers, of which x is speech."""
    likely = [float(each == "x") if isinstance(each, str) else each for each in answers]
    activity = SpeechActivity(Script(likely), **times)
    found = []
    for number in range(len(likely)):
        event = activity.hear(Audio(number * 320, 0, LOUD))
        if event is not None:
            found.append((number, event))
    return found


def events(heard: list[Audio], detector: SpeechDetector | None = None) -> list[tuple[int, object]]:
    """Give (position at which it was told, event)."""
    activity = SpeechActivity(detector or EnergyDetector())
    found = [(frame.pts + 320, activity.hear(frame)) for frame in heard]
    return [(told, event) for told, event in found if event is not None]


def test_sixty_milliseconds_begin_and_half_a_second_of_quiet_ends():
    assert scripted("..xxxxx" + "." * 25) == [
        (4, SpeechStarted(2 * 320, -10)),
        (31, SpeechEnded(7 * 320, -10, 100)),
    ]


@pytest.mark.parametrize("clicks", ["xx..xx..xx..", "x.x.x.x.", "..xx"])
def test_clicks_are_no_beginning(clicks):
    assert scripted(clicks) == []


def test_a_dip_does_not_set_a_beginning_back():
    assert scripted("xx.xx") == [(4, SpeechStarted(0, -10))]


def test_a_pause_shorter_than_the_hang_over_ends_nothing():
    assert scripted("xxx" + ("." * 24 + "x") * 3) == [(2, SpeechStarted(0, -10))]


def test_onset_and_hang_over_are_what_was_asked_for():
    assert scripted("x.....", onset_ms=20, hangover_ms=100) == [
        (0, SpeechStarted(0, -10)),
        (5, SpeechEnded(320, -10, 20)),
    ]


def test_a_probability_has_to_be_higher_to_begin_than_to_go_on():
    assert scripted([0.45] * 10) == []
    assert scripted([0.55] * 3 + [0.4] * 40 + [0.3] * 25) == [
        (2, SpeechStarted(0, -10)),
        (67, SpeechEnded(43 * 320, -10, 860)),
    ]


def test_time_in_which_nothing_was_sent_is_a_pause():
    activity = SpeechActivity(EnergyDetector())
    heard = [activity.hear(Audio(n * 320, 0, QUIET)) for n in range(3)]
    activity = SpeechActivity(Script([1.0] * 8))
    heard = [activity.hear(Audio(n * 320, 0, LOUD)) for n in range(4)]
    assert heard == [None, None, SpeechStarted(0, -10), None]
    late = 4 * 320 + RATE_HZ // 2
    heard = [activity.hear(Audio(late + n * 320, 0, LOUD)) for n in range(3)]
    assert heard == [SpeechEnded(4 * 320, -10, 80), None, None]
    assert activity.hear(Audio(late + 3 * 320, 0, LOUD)) == SpeechStarted(late + 320, -10)


def test_a_gap_before_the_onset_is_over_starts_it_again():
    activity = SpeechActivity(Script([1.0] * 4))
    assert activity.hear(Audio(0, 0, LOUD)) is activity.hear(Audio(320, 0, LOUD)) is None
    assert activity.hear(Audio(1280, 0, LOUD)) is activity.hear(Audio(1600, 0, LOUD)) is None


def test_a_frame_under_a_key_is_no_speech():
    activity = SpeechActivity(Script([1.0] * 10))
    assert [activity.hear(Audio(n * 320, DIGIT, LOUD)) for n in range(10)] == [None] * 10


def test_rest_ends_what_is_being_said_and_nothing_else():
    activity = SpeechActivity(Script([1.0] * 3))
    assert activity.rest() is None
    for n in range(3):
        activity.hear(Audio(n * 320, 0, LOUD))
    assert activity.speaking
    assert activity.rest() == SpeechEnded(960, -10, 60)
    assert not activity.speaking
    assert activity.rest() is None


# -- with sounds -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def speech(speech_frames: list[bytes]) -> np.ndarray:
    """Give two sentences, from the first frame above -45 dBov to the last one."""
    samples = np.frombuffer(b"".join(speech_frames), "<i2").astype(float)
    loud = np.flatnonzero(levels(samples) > -45)
    return samples[loud[0] * 320 : (loud[-1] + 1) * 320]


@pytest.mark.parametrize("level", [-60, -45, -30])
@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_ten_minutes_of_a_steady_background_begin_nothing(kind, level):
    minute = frames(background(kind, 60, level))
    activity, detector_time = SpeechActivity(EnergyDetector()), 0
    for _ in range(10):
        for frame in minute:
            assert activity.hear(Audio(detector_time, 0, frame.pcm)) is None
            detector_time += 320


@pytest.mark.parametrize("snr_db", [30, 20, 15, 10])
@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_a_beginning_is_told_within_a_hundred_milliseconds(speech, kind, snr_db):
    """snr_db: of the active level of speech."""
    loud = levels(speech)
    active = 10 * np.log10(np.mean(10 ** (loud[loud > loud.max() - 30] / 10)))
    quiet = np.zeros(3 * RATE_HZ)
    line = np.concatenate([quiet, speech, quiet])
    line += background(kind, len(line) / RATE_HZ, active - snr_db)[: len(line)]
    (told, started), *between, (_, ended) = events(frames(line))
    begins, ends = 3 * RATE_HZ, 3 * RATE_HZ + len(speech)
    assert isinstance(started, SpeechStarted)
    assert 0 <= told - begins <= RATE_HZ // 10
    assert -320 <= started.pts - begins <= 960
    assert isinstance(ended, SpeechEnded)
    assert ends - RATE_HZ // 2 < ended.pts <= ends
    assert ended.level_dbov == pytest.approx(active, abs=3)
    assert len(between) <= 2  # there may be a pause between the two sentences


def test_a_detector_of_others_takes_the_place_of_ours(speech):
    """webrtcvad, by its own rules: it takes the first moments of any call for speech."""
    quiet = np.zeros(3 * RATE_HZ)
    line = np.concatenate([quiet, speech, quiet])
    line += background("hiss", len(line) / RATE_HZ, -60)[: len(line)]
    found = [(told, each) for told, each in events(frames(line), WebRtcVad()) if told > RATE_HZ]
    (told, started), *_, (_, ended) = found
    assert isinstance(started, SpeechStarted)
    assert 0 <= told - 3 * RATE_HZ <= RATE_HZ // 7
    assert isinstance(ended, SpeechEnded)
    assert abs(ended.pts - 3 * RATE_HZ - len(speech)) < RATE_HZ // 2
