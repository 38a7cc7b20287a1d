"""Turn a finished WAV recording into FLAC or Opus, a minute at a time.

Called by ``call/recording`` when a call that is recorded to such a file is over: until then it is
a WAV beside the name that was asked for, valid at every moment. libsndfile does the work, by
way of the soundfile package (extra ``recording``), which is imported only when it is needed.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rapida_media.errors import LocalProtocolError

# Suffix → libsndfile's container and encoding.
FORMATS = {
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "OPUS"),
    ".opus": ("OGG", "OPUS"),
}
PIECE_S = 60


def check_format(path: Path) -> bool:
    """Whether the recording has to be compressed at its end.

    LocalProtocolError for a suffix we do not know, and when soundfile is missing.
    """
    suffix = path.suffix.lower()
    if suffix in ("", ".wav"):
        return False
    if suffix not in FORMATS:
        known = ", ".join(FORMATS)
        raise LocalProtocolError(f"record: expected a name in .wav, {known}, got {path.name!r}")
    if find_spec("soundfile") is None:
        raise LocalProtocolError(
            f"record: {path.name} needs the soundfile package: pip install rapida-media[recording]"
        )
    return True


class Compression:
    """One file being made of another. error: why it was not; the WAV then stays."""

    def __init__(self, wav: Path, target: Path) -> None:
        self.error: OSError | None = None
        self._wav, self._target = wav, target
        self._part = target.with_name(target.name + ".part")
        self._source: Any = None
        self._sink: Any = None

    def step(self) -> bool:
        """Do a minute's worth; False when it is done or has failed."""
        # Optional, and slow to import.
        import soundfile  # type: ignore[import-untyped]  # noqa: PLC0415

        try:
            if self._source is None:
                self._open(soundfile)
            block = self._source.read(PIECE_S * self._source.samplerate, dtype="int16")
            if len(block):
                self._sink.write(block)
                return True
            self._finish()
        except (OSError, soundfile.LibsndfileError) as error:
            self._fail(error if isinstance(error, OSError) else OSError(str(error)))
        return False

    def _open(self, soundfile: Any) -> None:
        container, subtype = FORMATS[self._target.suffix.lower()]
        self._source = soundfile.SoundFile(self._wav)
        self._part.touch(mode=0o600)
        self._sink = soundfile.SoundFile(
            self._part, "w", self._source.samplerate, self._source.channels, subtype,
            format=container,
        )  # fmt: skip

    def _finish(self) -> None:
        self._close()
        self._part.replace(self._target)
        self._wav.unlink()

    def _fail(self, error: OSError) -> None:
        self.error = error
        with suppress(OSError, RuntimeError):
            self._close()
        with suppress(OSError):
            self._part.unlink()

    def _close(self) -> None:
        for file in (self._source, self._sink):
            if file is not None:
                file.close()
