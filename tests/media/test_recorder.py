from __future__ import annotations

import os
import resource
import select
import signal
import stat
import subprocess
import sys
import tracemalloc
import wave
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rapida_media.errors import LocalProtocolError
from rapida_media.media.recorder import StereoRecorder

Samples = npt.NDArray[np.int16]


def read_stereo(path: Path) -> Samples:
    """Read with the standard library: int16 array of (frames, 2)."""
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth()) == (2, 2)
        pcm = file.readframes(file.getnframes())
        assert len(pcm) == 4 * file.getnframes()
    return np.frombuffer(pcm, dtype="<i2").reshape(-1, 2)


def ramp(start: int, count: int) -> Samples:
    """Samples that tell their own place."""
    return (np.arange(start, start + count) % 30011 + 1).astype("<i2")


def count_disk_writes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    sizes: list[int] = []
    pwrite = os.pwrite

    def counting(fd: int, data: bytes, place: int) -> int:
        sizes.append(len(data))
        return pwrite(fd, data, place)

    monkeypatch.setattr(os, "pwrite", counting)
    return sizes


def test_both_sides_stand_where_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "call.wav"
    recorder = StereoRecorder(path)
    for pts in range(0, 48000, 320):
        recorder.write_left(pts, ramp(pts, 320).tobytes())
        if pts >= 16000:
            recorder.write_right(pts - 7, (-ramp(pts, 320)).tobytes())
    recorder.close()
    stereo = read_stereo(path)
    assert (stereo[:, 0] == ramp(0, 48000)).all()
    assert (stereo[: 16000 - 7, 1] == 0).all()
    assert (stereo[16000 - 7 : -7, 1] == -ramp(16000, 32000)).all()
    assert (stereo[-7:, 1] == 0).all()
    assert (recorder.frames, recorder.error, recorder.dropped_samples) == (48000, None, 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_recording_without_audio_is_a_valid_empty_file(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav", rate_hz=8000)
    recorder.close()
    recorder.close()
    assert len(read_stereo(recorder.path)) == 0
    with wave.open(str(recorder.path), "rb") as file:
        assert file.getframerate() == 8000


def test_a_playout_written_far_ahead_lands_in_its_place(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav")
    recorder.write_right(320000, ramp(0, 160000).tobytes())
    for pts in range(0, 480000, 320):
        recorder.write_left(pts, ramp(pts, 320).tobytes())
    recorder.close()
    stereo = read_stereo(recorder.path)
    assert (stereo[:, 0] == ramp(0, 480000)).all()
    assert (stereo[:320000, 1] == 0).all()
    assert (stereo[320000:, 1] == ramp(0, 160000)).all()


def test_a_minute_takes_one_write_of_audio_a_second(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = count_disk_writes(monkeypatch)
    recorder = StereoRecorder(tmp_path / "call.wav")
    frame = bytes(640)
    for pts in range(0, 60 * 16000, 320):
        recorder.write_left(pts, frame)
        if pts >= 960:
            recorder.write_right(pts - 960, frame)
    assert len([size for size in sizes if size > 44]) == 60
    assert len([size for size in sizes if size == 44]) == 1 + 60
    recorder.close()


def test_pauses_between_frames_do_not_cost_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = count_disk_writes(monkeypatch)
    recorder = StereoRecorder(tmp_path / "call.wav")
    for pts in range(0, 10 * 16000, 640):
        recorder.write_left(pts, ramp(pts, 320).tobytes())
    recorder.close()
    assert len([size for size in sizes if size > 44]) <= 11
    left = read_stereo(recorder.path)[:, 0]
    assert (left[640:960] == ramp(640, 320)).all()
    assert (left[320:640] == 0).all()


def test_memory_stays_bounded_whatever_is_written(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav")
    frame = bytes(640)
    tracemalloc.start()
    try:
        for pts in range(0, 300 * 16000, 320):
            recorder.write_left(pts, frame)
            recorder.write_right(2 * pts, frame)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    recorder.close()
    assert kept < 200_000
    assert peak < 450_000


def test_the_file_is_valid_after_every_frame(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav")
    for pts in range(0, 5 * 16000, 320):
        recorder.write_left(pts, ramp(pts, 320).tobytes())
        on_disk = read_stereo(recorder.path)
        assert len(on_disk) > pts + 320 - 16000 - 320
        assert (on_disk[:, 0] == ramp(0, len(on_disk))).all()
    recorder.close()


RECORD_UNTIL_KILLED = """
import sys
from rapida_media.media.recorder import StereoRecorder
from tests_ramp import ramp
recorder = StereoRecorder(sys.argv[1])
for pts in range(0, 10 * 16000 - 320, 320):
    recorder.write_left(pts, ramp(pts, 320).tobytes())
    if pts >= 8000:
        recorder.write_right(pts, ramp(pts, 320).tobytes())
print("recorded", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_leaves_all_but_the_last_second(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    (tmp_path / "tests_ramp.py").write_text(
        "import numpy as np\n"
        "def ramp(start, count):\n"
        "    return (np.arange(start, start + count) % 30011 + 1).astype('<i2')\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "-c", RECORD_UNTIL_KILLED, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 60)[0]
        assert process.stdout.readline() == b"recorded\n"
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    stereo = read_stereo(path)
    written = 10 * 16000 - 320
    assert written - 16000 <= len(stereo) <= written
    assert (stereo[:, 0] == ramp(0, len(stereo))).all()
    assert (stereo[:8000, 1] == 0).all()
    assert (stereo[8000:, 1] == ramp(8000, len(stereo) - 8000)).all()


def test_a_full_disk_ends_the_recording_and_not_the_call() -> None:
    recorder = StereoRecorder("/dev/full")
    assert recorder.error is not None
    recorder.write_left(0, bytes(640))
    recorder.close()
    assert recorder.dropped_samples == 320


def test_a_folder_that_cannot_be_made_is_remembered(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    recorder = StereoRecorder(tmp_path / "file" / "call.wav")
    recorder.write_right(0, bytes(2))
    assert isinstance(recorder.error, NotADirectoryError | FileExistsError)
    assert recorder.dropped_samples == 1


def test_an_error_at_close_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav")
    recorder.write_left(0, bytes(640))
    close = os.close

    def failing(fd: int) -> None:
        close(fd)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "close", failing)
        recorder.close()
    assert recorder.error is not None
    assert len(read_stereo(recorder.path)) == 320


@pytest.fixture
def _limited_file_size() -> object:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3 * 64000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, before)


@pytest.mark.usefixtures("_limited_file_size")
def test_what_was_recorded_before_the_disk_was_full_stays_readable(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav")
    for pts in range(0, 10 * 16000, 320):
        recorder.write_left(pts, ramp(pts, 320).tobytes())
    recorder.close()
    assert recorder.error is not None
    assert recorder.frames == 2 * 16000
    assert (read_stereo(recorder.path)[:, 0] == ramp(0, 2 * 16000)).all()
    assert recorder.path.stat().st_size == 44 + 4 * 2 * 16000
    assert recorder.dropped_samples == 7 * 16000


def test_audio_beyond_the_size_of_a_wav_file_is_counted(tmp_path: Path) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav")
    recorder.write_left(2**30, bytes(640))
    recorder.close()
    assert (recorder.dropped_samples, recorder.error, recorder.frames) == (320, None, 0)


@pytest.mark.parametrize(("pts", "pcm"), [(-1, bytes(2)), (0, bytes(3))])
def test_misuse_is_refused(tmp_path: Path, pts: int, pcm: bytes) -> None:
    recorder = StereoRecorder(tmp_path / "call.wav")
    with pytest.raises(LocalProtocolError):
        recorder.write_left(pts, pcm)
    recorder.close()
    assert recorder.frames == 0


WRITES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 700), st.integers(0, 250), st.integers(1, 30000)),
    max_size=25,
)


@settings(max_examples=200)
@given(WRITES)
def test_any_order_of_writes_gives_what_was_written_last(
    tmp_path_factory: pytest.TempPathFactory, writes: list[tuple[int, int, int, int]]
) -> None:
    path = tmp_path_factory.getbasetemp() / "any_order.wav"
    # At 100 Hz a second is 100 samples, so that a few writes pass through every case.
    recorder = StereoRecorder(path, rate_hz=100)
    expected = np.zeros((1000, 2), dtype="<i2")
    length = 0
    for side, pts, count, first in writes:
        samples = ramp(first, count)
        write = recorder.write_right if side else recorder.write_left
        write(pts, samples.tobytes())
        expected[pts : pts + count, side] = samples
        length = max(length, pts + count if count else 0)
    recorder.close()
    stereo = read_stereo(path)
    assert len(stereo) == length
    assert (stereo == expected[:length]).all()
