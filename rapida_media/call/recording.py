"""Recording one call: both directions of a leg onto one time line, in stereo, on disk.

The disk is somebody else's thread: frames are collected here for half a second and handed over,
so that no disk, however slow, holds the media up.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from rapida_media.agents.events import RecordingFailed, RecordingPaused
from rapida_media.call.placement import Placement
from rapida_media.call.signalling import Future
from rapida_media.errors import LocalProtocolError
from rapida_media.legs.base import Leg
from rapida_media.media.compress import Compression, check_format
from rapida_media.media.frame import Audio
from rapida_media.media.recorder import StereoRecorder

# Half a second of both sides.
BATCH_FRAMES = 50
# A disk that has not taken half a minute by now is as good as full.
BATCHES_MAX = 60
# Below this the far end does not speak.
QUIET_DBOV = -45

Frame = tuple[bool, int, bytes]  # received, position, samples
Told = Callable[[RecordingPaused | RecordingFailed], None]


class DiskWriter(Protocol):
    """Runs jobs one after the other, away from the media."""

    def submit(self, job: Callable[[], object], done: Callable[[], None]) -> None:
        """Run ``job`` when its turn comes, then call ``done`` where ``submit`` was called."""
        ...


class AtOnce:
    """A ``DiskWriter`` for those who can wait."""

    def submit(self, job: Callable[[], object], done: Callable[[], None]) -> None:
        job()
        done()


AT_ONCE = AtOnce()


class Recording:
    """Left: what the far end said, right: what it was sent; position 0 is the moment of creation.

    Received audio is placed by its own time stamps (see ``placement``), sent audio at the instant
    it left. path: .wav, or .flac, .ogg or .opus, which are made of a WAV at the end. told: hears of
    pauses and of failure. LocalProtocolError for other names.
    """

    def __init__(
        self,
        leg: Leg,
        path: str | Path,
        *,
        sent_left: bool = False,
        disk: DiskWriter = AT_ONCE,
        told: Told = lambda event: None,
    ) -> None:
        self.path = Path(path)
        self._compressed = check_format(self.path)
        self._wav = self.path.with_name(self.path.name + ".wav") if self._compressed else self.path
        self._leg, self._sent_left = leg, sent_left
        self._disk, self._told = disk, told
        self._file: StereoRecorder | None = None
        self._compression = Compression(self._wav, self.path)
        self._batch: list[Frame] = []
        self._waiting = 0
        self._slow: OSError | None = None
        self._failed = False
        self._saved: list[Future] = []
        self.dropped_frames = 0
        self.paused = self.closed = self.is_saved = False
        self._started_at = leg.elapsed_samples
        self._placement = Placement()
        self._submit(self._open)
        self._unsubscribe = (
            leg.received.subscribe(self._received),
            leg.sent.subscribe(self._sent),
        )

    @property
    def error(self) -> OSError | None:
        """Why the file is shorter than the call, or not what was asked for; None if it is well."""
        file = self._file
        return (None if file is None else file.error) or self._slow or self._compression.error

    # -- verbs -----------------------------------------------------------------------------------

    def pause(self) -> None:
        """Record silence from now on, on both sides: for a card number. Again: nothing changes."""
        self._pause(True)

    def resume(self) -> None:
        """Record what is said again."""
        self._pause(False)

    def _pause(self, paused: bool) -> None:
        if self.closed:
            raise LocalProtocolError("the recording is over")
        if paused != self.paused:
            self.paused = paused
            self._told(RecordingPaused(paused))

    def close(self) -> None:
        """Finish the file. Calling it again changes nothing."""
        if self.closed:
            return
        self.closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._hand_over()
        self._disk.submit(self._close_file, self._file_closed)

    def saved(self, future: Future) -> Awaitable[None]:
        """Await the file being complete; future: made by the caller's loop."""
        if self.is_saved:
            future.set_result(None)
        else:
            self._saved.append(future)
        return future

    # -- frames ----------------------------------------------------------------------------------

    def _received(self, frame: Audio) -> None:
        now = self._leg.elapsed_samples - self._started_at
        quiet = frame.level_dbov < QUIET_DBOV
        self._put(True, self._placement.place(frame.pts, now, quiet=quiet), frame.pcm)

    def _sent(self, frame: Audio) -> None:
        self._put(False, frame.pts - self._started_at, frame.pcm)

    def _put(self, received: bool, position: int, pcm: bytes) -> None:
        if self.paused or position < 0:
            return
        self._batch.append((received, position, pcm))
        if len(self._batch) >= BATCH_FRAMES:
            self._hand_over()

    def _hand_over(self) -> None:
        batch, self._batch = self._batch, []
        if self._waiting >= BATCHES_MAX:
            self.dropped_frames += len(batch)
            self._slow = self._slow or OSError("the disk does not keep up")
            self._tell_failure()
        elif batch:
            self._submit(lambda: self._write(batch))

    def _submit(self, job: Callable[[], object]) -> None:
        self._waiting += 1
        self._disk.submit(job, self._written)

    def _written(self) -> None:
        self._waiting -= 1
        self._tell_failure()

    def _tell_failure(self) -> None:
        error = self.error
        if error is not None and not self._failed:
            self._failed = True
            self._told(RecordingFailed(str(self.path), error.strerror or str(error)))

    # -- on the disk's side ------------------------------------------------------------------------

    def _open(self) -> None:
        self._file = StereoRecorder(self._wav)

    def _write(self, batch: list[Frame]) -> None:
        assert self._file is not None, "it was opened by the first job"
        for received, position, pcm in batch:
            if received != self._sent_left:
                self._file.write_left(position, pcm)
            else:
                self._file.write_right(position, pcm)

    def _close_file(self) -> None:
        assert self._file is not None, "it was opened by the first job"
        self._file.close()

    def _file_closed(self) -> None:
        """Back on our side: compress, in turns with other recordings, or be done."""
        if self._compressed and self.error is None:
            more: list[bool] = []
            self._disk.submit(
                lambda: more.append(self._compression.step()),
                lambda: self._file_closed() if more[0] else self._done(),
            )
        else:
            self._done()

    def _done(self) -> None:
        self._tell_failure()
        self.is_saved = True
        for future in self._saved:
            if not future.done():
                future.set_result(None)
