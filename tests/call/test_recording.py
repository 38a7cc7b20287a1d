"""Recording a call: pauses, trouble with the disk, a slow disk, compressed files."""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from call_line import Line

from rapida_media.agents.events import RecordingFailed, RecordingPaused
from rapida_media.call.endings import Ending
from rapida_media.call.recording import BATCHES_MAX, Recording
from rapida_media.errors import LocalProtocolError
from rapida_media.kernels import Tone
from rapida_media.media import compress

soundfile = pytest.importorskip("soundfile")


class LaterDisk:
    """A disk that does nothing until told to."""

    def __init__(self) -> None:
        self.jobs: list[tuple[Callable[[], object], Callable[[], None]]] = []

    def submit(self, job: Callable[[], object], done: Callable[[], None]) -> None:
        self.jobs.append((job, done))

    def work(self) -> None:
        while self.jobs:
            job, done = self.jobs.pop(0)
            job()
            done()


def events(line: Line) -> list[object]:
    kinds = RecordingPaused | RecordingFailed
    return [event for event in line.call._events._items if isinstance(event, kinds)]


def seconds_with_sound(path: Path) -> list[bool]:
    """Tell for each tenth of a second of the left side whether there is sound."""
    with wave.open(str(path), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2)[:, 0]
    blocks = pcm[: len(pcm) // 1600 * 1600].reshape(-1, 1600)
    return [bool(np.abs(block).max() > 100) for block in blocks]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def speak(line: Line, seconds: float) -> None:
    line.far.write(Tone(440, dbov=-15).read(int(16000 * seconds)))
    await line.run(seconds)


async def test_a_pause_is_silence_on_the_time_line_and_an_event(line: Line, tmp_path: Path) -> None:
    recording = line.call.record(tmp_path / "call.wav")
    await speak(line, 1.0)
    recording.pause()
    recording.pause()
    await speak(line, 1.0)
    recording.resume()
    await speak(line, 1.0)
    recording.close()
    sound = seconds_with_sound(recording.path)
    assert len(sound) >= 29
    assert all(sound[2:9])
    assert not any(sound[12:19])
    assert all(sound[22:28])
    assert events(line) == [RecordingPaused(True), RecordingPaused(False)]
    with pytest.raises(LocalProtocolError):
        recording.pause()


async def test_a_recording_of_a_call_that_is_over_is_empty_and_nobody_waits_for_it(
    line: Line, tmp_path: Path
) -> None:
    line.call.end(Ending("bye"))
    recording = line.call.record(tmp_path / "call.wav")
    assert recording.closed
    async with asyncio.timeout(1):
        assert await line.call.recorded() == tmp_path / "call.wav"
    assert seconds_with_sound(tmp_path / "call.wav") == []


async def test_a_full_disk_is_an_event_and_the_call_goes_on(line: Line) -> None:
    recording = line.call.record("/dev/full")
    await speak(line, 3.0)
    (event,) = events(line)
    assert isinstance(event, RecordingFailed)
    assert event.path == "/dev/full"
    assert event.reason
    assert recording.error is not None
    line.heard.clear()
    line.call.write(Tone(300, dbov=-15).read(16000))
    await line.run(1.0)
    assert len(line.heard) >= 45


async def test_a_folder_that_cannot_be_made_is_an_event(line: Line, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    line.call.record(tmp_path / "file" / "call.wav")
    assert [type(event) for event in events(line)] == [RecordingFailed]


async def test_a_disk_that_stands_still_holds_nothing_up_and_memory_is_bounded(
    line: Line, tmp_path: Path
) -> None:
    disk, told = LaterDisk(), list[object]()
    recording = Recording(line.near, tmp_path / "call.wav", disk=disk, told=told.append)
    for _ in range(70):
        await speak(line, 1.0)
    assert len(disk.jobs) == BATCHES_MAX
    assert recording.dropped_frames > 0
    assert [type(event) for event in told] == [RecordingFailed]
    recording.close()
    disk.work()
    sound = seconds_with_sound(recording.path)
    assert 290 <= len(sound) <= 610
    assert all(sound[2:280])


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus"])
async def test_a_compressed_recording_is_made_at_the_end(
    line: Line, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compress, "PIECE_S", 1)
    line.call.disk = disk = LaterDisk()
    recording = line.call.record(tmp_path / f"call{suffix}")
    await speak(line, 2.5)
    disk.work()
    assert names(tmp_path) == [f"call{suffix}.wav"]
    assert any(seconds_with_sound(tmp_path / f"call{suffix}.wav"))
    recording.close()
    done = recording.saved(line.call._new_future())
    disk.work()
    await done
    assert names(tmp_path) == [f"call{suffix}"]
    pcm, rate_hz = soundfile.read(recording.path)
    assert (rate_hz in (16000, 48000), pcm.shape[1]) == (True, 2)
    assert len(pcm) / rate_hz == pytest.approx(2.5, abs=0.15)
    assert np.abs(pcm[rate_hz : 2 * rate_hz, 0]).max() == pytest.approx(0.25, abs=0.05)


async def test_what_cannot_be_compressed_stays_a_wav(line: Line, tmp_path: Path) -> None:
    recording = line.call.record(tmp_path / "call.flac")
    await speak(line, 1.5)
    (tmp_path / "call.flac").mkdir()
    recording.close()
    assert recording.error is not None
    assert any(seconds_with_sound(tmp_path / "call.flac.wav"))
    assert [type(event) for event in events(line)] == [RecordingFailed]
    assert await line.call.recorded() == recording.path


async def test_a_name_of_another_kind_is_refused_before_anything_happens(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LocalProtocolError, match="mp3"):
        line.call.record(tmp_path / "call.mp3")
    monkeypatch.setattr(compress, "find_spec", lambda name: None)
    with pytest.raises(LocalProtocolError, match=r"pip install rapida-media\[recording\]"):
        line.call.record(tmp_path / "call.flac")
    assert names(tmp_path) == []
    Recording(line.near, tmp_path / "call.wav").close()
