"""What the platforms' simulators are asked for and tell: ``rapida-media simulate``.

A simulator is a module ``rapida_media.testing.NAME`` with ``async simulate(options) -> Simulated``.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path

from rapida_media.config import Config, Credential
from rapida_media.errors import ConfigError
from rapida_media.kernels import PayloadEncoder
from rapida_media.media.wav import read_wav, wave_header

RATE_HZ = 8000


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """url: the webhook for a call; None to wait for an order.  listen: serve the platform's REST
    API there.  duration_s: hang up so long after the stream began; None: when all was said.
    """

    config: Config
    provider: str
    url: str | None = None
    credential: str | None = None
    play: Path | None = None
    record: Path | None = None
    duration_s: float | None = None
    digits: str = ""
    from_: str = "+14155550100"
    to: str = "+15005550006"
    listen: tuple[str, int] | None = None

    def account(self) -> Credential:
        """Give the account whose platform is simulated. Raises ConfigError."""
        accounts = self.config.credentials
        chosen = [
            each
            for each in accounts.values()
            if each.provider == self.provider and self.credential in (None, each.name)
        ]
        if len(chosen) != 1:
            raise ConfigError(
                f"expected one account with {self.provider} in the configuration, got "
                f"{len(chosen)}; --credential NAME chooses"
            )
        return chosen[0]


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of the call. sent_s, heard_s: audio; silence that nobody sent is not counted.
    errors: what the platform's console would show."""

    call_id: str
    state: str
    streamed: bool
    sent_s: float
    heard_s: float
    first_audio_ms: float | None
    errors: tuple[str, ...] = ()

    @property
    def worked(self) -> bool:
        return self.streamed and self.heard_s > 0 and not self.errors

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def to_text(self) -> str:
        first = "never" if self.first_audio_ms is None else f"after {self.first_audio_ms:.0f} ms"
        lines = [
            f"call {self.call_id}: {self.state}",
            f"stream: {'opened' if self.streamed else 'not opened'}",
            f"sent {self.sent_s:.1f} s, heard {self.heard_s:.1f} s, first audio {first}",
        ]
        return "\n".join(lines + [f"error {each}" for each in self.errors])


def speech(path: Path | None) -> bytes:
    """Read a WAV file as μ-law at 8 kHz, in whole chunks of 20 ms; nothing without one."""
    if path is None:
        return b""
    pcm = read_wav(path)
    pcm += bytes(-len(pcm) % 640)
    return PayloadEncoder("PCMU").encode(pcm)


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Write s16le at 8 kHz: what was sent on the left, what was heard on the right."""
    frames = min(len(left), len(right)) // 2
    samples = [struct.unpack(f"<{frames}h", side[: 2 * frames]) for side in (left, right)]
    woven = [sample for pair in zip(*samples, strict=True) for sample in pair]
    path.write_bytes(wave_header(RATE_HZ, 2, frames) + struct.pack(f"<{2 * frames}h", *woven))
