"""Record both sides of a call into one stereo WAV file while it lasts.

The call owns one ``StereoRecorder`` and states the place of every write on one sample line shared
by both sides; what was never written is silence. The sides need not keep step: a playout written
seconds ahead and audio that arrives late both land where they belong.

Each side collects its latest consecutive samples, at most two seconds. When one of them holds a
full second, both go to disk in one write and the header is rewritten after it, so the file is a
valid WAV at every moment and a killed process loses the last second at most:

    left   |=========== on disk ============|···run···>
    right  |========= on disk =========|·····run·····>
                                       └ read back, merged, written as one block ┘
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import numpy as np

from rapida_media.errors import LocalProtocolError
from rapida_media.media.wav import WAVE_HEADER_BYTES, wave_header

_FRAME_BYTES = 4  # two channels of 16 bits
# RIFF sizes are 32-bit.
_FRAMES_LIMIT = (2**32 - 1 - WAVE_HEADER_BYTES) // _FRAME_BYTES


class _Run:
    """Consecutive samples of one side that are not on disk yet.

    high: the end of all this side ever recorded; nothing of it lies beyond.
    """

    __slots__ = ("high", "pcm", "start")

    def __init__(self) -> None:
        self.start = 0
        self.high = 0
        self.pcm = bytearray()

    @property
    def end(self) -> int:
        return self.start + len(self.pcm) // 2

    def fits(self, pts: int, longest_gap: int) -> bool:
        """Whether samples at ``pts`` can join: on or next to the run, or after a silence."""
        if not self.pcm or self.start <= pts <= self.end:
            return True
        # Filling a gap must not silence what this side recorded there before it went back.
        return self.end == self.high and self.end < pts <= self.start + longest_gap

    def put(self, pts: int, pcm: bytes) -> None:
        if not self.pcm:
            self.start = pts
        self.pcm += bytes(max(0, 2 * (pts - self.end)))
        offset = 2 * (pts - self.start)
        self.pcm[offset : offset + len(pcm)] = pcm
        self.high = max(self.high, self.end)

    def clear(self) -> None:
        self.pcm = bytearray()


class StereoRecorder:
    """A stereo WAV file, left and right written independently.

    Creates the file, readable by its owner only, and missing folders above it. Trouble with the
    disk never reaches the call: the first OSError is kept in ``error``, what was recorded until
    then stays readable, and further writes are only counted.
    """

    def __init__(self, path: str | Path, rate_hz: int = 16000) -> None:
        self.path = Path(path)
        self.rate_hz = rate_hz
        self.error: OSError | None = None
        self.dropped_samples = 0
        self._runs = (_Run(), _Run())
        self._frames = 0
        self._fd: int | None = None
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            self._fd = os.open(self.path, flags, 0o600)
            _write_all(self._fd, wave_header(rate_hz, 2, 0), 0)
        except OSError as error:
            self._fail(error)

    @property
    def frames(self) -> int:
        """Length of the recording, in samples of one side, as far as it is on disk."""
        return self._frames

    def write_left(self, pts: int, pcm: bytes) -> None:
        """Record samples of the left side; see ``write_right``."""
        self._write(self._runs[0], pts, pcm)

    def write_right(self, pts: int, pcm: bytes) -> None:
        """Record samples of the right side, s16le at ``rate_hz``, any number.

        pts: place of the first sample, counted from the start of the recording. A later write
        replaces what an earlier one of the same side put in its place. What comes after ``close``,
        after an error or beyond the 4 GiB of a WAV file is counted in ``dropped_samples``.
        Raises LocalProtocolError for a negative place or half a sample.
        """
        self._write(self._runs[1], pts, pcm)

    def close(self) -> None:
        """Write what is left and close the file. Harmless when repeated."""
        self._flush()
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        try:
            os.close(fd)
        except OSError as error:
            self.error = error

    def _write(self, run: _Run, pts: int, pcm: bytes) -> None:
        if pts < 0 or len(pcm) % 2:
            raise LocalProtocolError(
                f"expected whole samples at pts ≥ 0, got {len(pcm)} B at {pts}"
            )
        second_bytes = 2 * self.rate_hz
        for offset in range(0, len(pcm), second_bytes):
            self._write_piece(run, pts + offset // 2, pcm[offset : offset + second_bytes])

    def _write_piece(self, run: _Run, pts: int, pcm: bytes) -> None:
        if not run.fits(pts, self.rate_hz):
            self._flush()
        if self._fd is None or pts + len(pcm) // 2 > _FRAMES_LIMIT:
            self.dropped_samples += len(pcm) // 2
            return
        run.put(pts, pcm)
        if len(run.pcm) >= 2 * self.rate_hz:
            self._flush()

    def _flush(self) -> None:
        """Bring both runs to disk, in one block when they lie close together."""
        runs = [run for run in self._runs if run.pcm]
        if self._fd is None or not runs:
            return
        first, last = min(run.start for run in runs), max(run.end for run in runs)
        blocks = [runs] if last - first <= 2 * self.rate_hz else [[run] for run in runs]
        try:
            for block in blocks:
                self._store(self._fd, block)
        except OSError as error:
            self._fail(error)
        for run in runs:
            run.clear()

    def _store(self, fd: int, runs: list[_Run]) -> None:
        first, last = min(run.start for run in runs), max(run.end for run in runs)
        place = WAVE_HEADER_BYTES + _FRAME_BYTES * first
        block = bytearray(_FRAME_BYTES * (last - first))
        if first < self._frames:
            known = os.pread(fd, _FRAME_BYTES * (min(last, self._frames) - first), place)
            block[: len(known)] = known
        stereo = np.frombuffer(block, dtype="<i2").reshape(-1, 2)
        for run in runs:
            side = self._runs.index(run)
            stereo[run.start - first : run.end - first, side] = np.frombuffer(run.pcm, dtype="<i2")
        _write_all(fd, block, place)
        self._frames = max(self._frames, last)
        _write_all(fd, wave_header(self.rate_hz, 2, self._frames), 0)

    def _fail(self, error: OSError) -> None:
        """Remember the error and leave the file as long as its header says."""
        self.error = error
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        with suppress(OSError):
            os.ftruncate(fd, WAVE_HEADER_BYTES + _FRAME_BYTES * self._frames)
        with suppress(OSError):
            os.close(fd)


def _write_all(fd: int, data: bytes | bytearray, place: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(fd, rest, place)
        rest = rest[written:]
        place += written
