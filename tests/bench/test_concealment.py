"""How concealment sounds: PESQ of short calls with losses, and what the comparison is made of."""

from __future__ import annotations

import statistics
import wave
from pathlib import Path

import numpy as np
import pytest
from pesq import pesq

from bench.concealers import FILLS, PACKET, appendix_i, ours, silence, wsola
from bench.losses import FOLDER, PATTERNS, RATE_HZ, SPEECH, coded, files_in, read


@pytest.fixture(scope="module")
def recording() -> np.ndarray:
    return read(SPEECH)


def score(fill, recording, pattern: str) -> float:
    line = coded(recording)
    return statistics.fmean(
        pesq(RATE_HZ, recording, fill(line, lost(pattern, len(line) // PACKET, seed)), "nb")
        for seed in (1, 2)
    )


def lost(pattern: str, packets: int, seed: int = 1) -> np.ndarray:
    return PATTERNS[pattern](packets, np.random.default_rng(seed))


@pytest.mark.parametrize("pattern", ["3 % single", "5 % bursty"])
def test_concealment_sounds_better_than_appendix_i_and_much_better_from_both_sides(
    recording, pattern
):
    one_sided, bridged = score(ours(0), recording, pattern), score(ours(1), recording, pattern)
    published = score(appendix_i, recording, pattern)
    assert one_sided > published
    assert bridged > published + 0.2


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_loses_its_share_of_packets_and_none_at_the_ends(pattern):
    packets = 100_000
    places = lost(pattern, packets)
    wanted = float(pattern.split()[0]) / 100
    assert places.mean() == pytest.approx(wanted, rel=0.15)
    assert not places[:5].any()
    assert not places[-3:].any()
    bursts = np.diff(np.flatnonzero(np.diff(np.concatenate([[False], places, [False]]))))[::2]
    assert bursts.mean() == pytest.approx(2.5 if "bursty" in pattern else 1, abs=0.3)


@pytest.mark.parametrize("name", [name for name in FILLS if name != "spandsp"])
def test_a_method_leaves_a_call_without_losses_alone(recording, name):
    line = coded(recording)
    played = FILLS[name](line, np.zeros(len(line) // PACKET, bool))
    used = len(played) - 30  # Appendix I's delay is taken back at the end
    assert np.array_equal(played[:used], line[:used])


@pytest.mark.parametrize("fill", [appendix_i, wsola])
def test_a_published_method_repeats_a_tone(fill):
    time = np.arange(100 * PACKET) / RATE_HZ
    tone = np.rint(5000 * np.sin(2 * np.pi * 200 * time)).astype(np.int16)
    places = np.zeros(100, bool)
    places[50] = True
    error = np.abs(fill(tone, places)[:-PACKET].astype(float) - tone[:-PACKET])
    assert error[: 50 * PACKET + PACKET // 2].max() < 50
    assert error.max() < 0.2 * 5000  # Appendix I fades by a fifth in the second 10 ms
    assert np.abs(silence(tone, places).astype(float) - tone).max() > 4000


def test_recordings_are_taken_from_the_folder_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    assert files_in(FOLDER, "*.wav") == []
    monkeypatch.setenv(FOLDER, str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=rf"{FOLDER}: no \*\.wav in .*nowhere"):
        files_in(FOLDER, "*.wav")
    monkeypatch.setenv(FOLDER, str(SPEECH.parent))
    assert SPEECH in files_in(FOLDER, "*.wav")


def test_a_recording_of_another_kind_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(ValueError, match=r"text\.wav, got no WAV"):
        read(tmp_path / "text.wav")
    with wave.open(str(tmp_path / "stereo.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(16000)
    with pytest.raises(ValueError, match=r"stereo\.wav, got 16-bit, 2 channels, 16000 Hz"):
        read(tmp_path / "stereo.wav")
