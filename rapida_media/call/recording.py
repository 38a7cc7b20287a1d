"""Recording one call: both directions of a leg onto one time line, in stereo, on disk."""

from __future__ import annotations

from pathlib import Path

from rapida_media.legs.base import Leg
from rapida_media.media.frame import Audio
from rapida_media.media.recorder import StereoRecorder


class Recording:
    """Left: what the far end said, right: what it was sent; position 0 is the moment of creation.

    Received audio is placed by its own time stamps, anchored at the arrival of its first frame;
    sent audio at the instant it left.
    """

    def __init__(self, leg: Leg, path: str | Path, *, sent_left: bool = False) -> None:
        self._leg = leg
        self._file = StereoRecorder(path)
        write_received, write_sent = self._file.write_left, self._file.write_right
        if sent_left:
            write_received, write_sent = write_sent, write_received
        self._write_received, self._write_sent = write_received, write_sent
        self._started_at = leg.elapsed_samples
        self._received_offset: int | None = None
        self._unsubscribe = (
            leg.received.subscribe(self._received),
            leg.sent.subscribe(self._sent),
        )
        self.closed = False

    @property
    def error(self) -> OSError | None:
        """Why the file is shorter than the call, or None."""
        return self._file.error

    def _received(self, frame: Audio) -> None:
        if self._received_offset is None:
            self._received_offset = self._leg.elapsed_samples - self._started_at - frame.pts
        self._write_received(self._received_offset + frame.pts, frame.pcm)

    def _sent(self, frame: Audio) -> None:
        position = frame.pts - self._started_at
        if position >= 0:
            self._write_sent(position, frame.pcm)

    def close(self) -> None:
        """Finish the file. Calling it again changes nothing."""
        if self.closed:
            return
        self.closed = True
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._file.close()
