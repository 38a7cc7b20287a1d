"""What the platforms' simulators are asked for, do and tell: ``rapida-media simulate``.

A simulator is a module ``rapida_media.testing.NAME`` with ``async simulate(options) -> Simulated``.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rapida_media.config import Config, Credential
from rapida_media.errors import ConfigError
from rapida_media.media.frame import RATE_HZ
from rapida_media.media.wav import read_wav, wave_header
from rapida_media.testing.phone_call import PlatformCall
from rapida_media.testing.platform import Callee, Platform

# Without a file to play: how long a call lasts, and how long one waits for an answer to a file.
LISTEN_S = 10.0
AFTER_S = 2.0
RING_S = 1.0


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """url: the webhook for a call; None to wait for an order.  listen: serve the platform's REST
    API there.  duration_s: hang up so long after the stream began; None: when all was said.
    audiosocket: bring the media there, for Asterisk.
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
    audiosocket: tuple[str, int] | None = None

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


async def simulate_on(platform: Platform[Any], options: SimulateOptions) -> Simulated:
    """Make one call on a platform and tell what became of it. Raises ConfigError."""
    if options.url is None and options.listen is None:
        raise ConfigError("--url brings a call, --listen waits for an order: expected one of them")
    microphone = read_wav(options.play) if options.play is not None else b""
    platform.reach = _reach(options)
    platform.callee = Callee(ring_s=RING_S, microphone=microphone)
    async with platform:
        if options.listen is not None:
            await platform.listen(*options.listen)
        if options.url is not None:
            url = _public(options, options.url)
            call: PlatformCall = platform.call(
                url, from_=options.from_, to=options.to, microphone=microphone
            )
        else:
            await platform.called.wait()
            call = next(iter(platform.calls.values()))
        await _last(call, options, len(microphone) / 2 / RATE_HZ)
        await call.over()
    return _told(call, options)


async def _last(call: PlatformCall, options: SimulateOptions, said_s: float) -> None:
    """Let the call go on until it is time to hang up, or it is over."""
    over = asyncio.ensure_future(call.over())
    streams = asyncio.ensure_future(call.streams())
    await asyncio.wait({over, streams}, return_when=asyncio.FIRST_COMPLETED)
    if not over.done():
        await call.press(options.digits)
        usual = said_s + AFTER_S if said_s else LISTEN_S
        await asyncio.wait({over}, timeout=options.duration_s or usual)
        call.hang_up()
        await over
    streams.cancel()


def _told(call: PlatformCall, options: SimulateOptions) -> Simulated:
    line = call.line
    errors = tuple(str(code) for code in call.errors)
    if line is None:
        return Simulated(call.id, call.state, False, 0.0, 0.0, None, errors)
    rate_hz = line.audio.rate_hz
    said = line.linear(bytes(line.said))
    if options.record is not None:
        _write_stereo(options.record, said, line.linear(bytes(line.heard)), rate_hz)
    first = line.first_heard_at
    return Simulated(
        call.id,
        call.state,
        True,
        len(said) / 2 / rate_hz,
        line.played / rate_hz,
        None if first is None else first * 1000 / rate_hz,
        (*errors, *(str(code) for code in line.warnings)),
    )


def _public(options: SimulateOptions, url: str) -> str:
    """Give the URL as the platform's console would have it: with the configured public address."""
    public = options.config.http.public_url
    return url if public is None else public + url.removeprefix(_origin(url))


def _reach(options: SimulateOptions) -> Callable[[str], str]:
    """Go to where ``--url`` says, whatever public address stands in the deployment's answers.

    Without it, to where the configuration listens.
    """
    http = options.config.http
    public = http.public_url
    if public is None:
        return lambda url: url
    local = f"http://{http.listen}" if options.url is None else _origin(options.url)

    def reach(url: str) -> str:
        for scheme in ("http", "ws"):
            before = f"{scheme}{public.removeprefix('http')}"
            if url.startswith(before):
                return f"{scheme}{local.removeprefix('http')}{url.removeprefix(before)}"
        return url

    return reach


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _write_stereo(path: Path, left: bytes, right: bytes, rate_hz: int) -> None:
    """Write s16le: what was sent on the left, what was heard on the right."""
    frames = min(len(left), len(right)) // 2
    samples = [struct.unpack(f"<{frames}h", side[: 2 * frames]) for side in (left, right)]
    woven = [sample for pair in zip(*samples, strict=True) for sample in pair]
    path.write_bytes(wave_header(rate_hz, 2, frames) + struct.pack(f"<{2 * frames}h", *woven))
