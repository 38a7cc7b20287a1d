"""``rapida-media simulate twilio``: one call, as Twilio would bring it or take its order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import urlsplit

from rapida_media.errors import ConfigError
from rapida_media.kernels import ulaw_decode
from rapida_media.testing.simulate import Simulated, SimulateOptions, speech, write_stereo
from rapida_media.testing.twilio.line import RATE_HZ
from rapida_media.testing.twilio.phone_call import PhoneCall
from rapida_media.testing.twilio.platform import Callee, TwilioPlatform

# Without a file to play: how long a call lasts, and how long one waits for an answer to a file.
LISTEN_S = 10.0
AFTER_S = 2.0


async def simulate(options: SimulateOptions) -> Simulated:
    """Make one call and tell what became of it. Raises ConfigError."""
    if options.url is None and options.listen is None:
        raise ConfigError("--url brings a call, --listen waits for an order: expected one of them")
    account = options.account()
    microphone = speech(options.play)
    async with TwilioPlatform(
        account.values["account_sid"],
        account.values["auth_token"],
        reach=_reach(options),
        callee=Callee(ring_s=1.0, microphone=microphone),
    ) as platform:
        if options.listen is not None:
            await platform.listen(*options.listen)
        if options.url is not None:
            call = platform.call(
                _public(options, options.url),
                from_=options.from_,
                to=options.to,
                microphone=microphone,
            )
        else:
            call = await _ordered(platform)
        await _last(call, options, len(microphone) / RATE_HZ)
        await call.over()
    return _told(call, options)


async def _ordered(platform: TwilioPlatform) -> PhoneCall:
    await platform.called.wait()
    return next(iter(platform.calls.values()))


async def _last(call: PhoneCall, options: SimulateOptions, said_s: float) -> None:
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


def _told(call: PhoneCall, options: SimulateOptions) -> Simulated:
    line = call.line
    errors = tuple(str(code) for code in call.errors)
    if line is None:
        return Simulated(call.sid, call.state, False, 0.0, 0.0, None, errors)
    if options.record is not None:
        write_stereo(options.record, ulaw_decode(bytes(line.said)), ulaw_decode(bytes(line.heard)))
    first = line.first_heard_at
    return Simulated(
        call.sid,
        call.state,
        True,
        len(line.said) / RATE_HZ,
        line.played / RATE_HZ,
        None if first is None else first * 1000 / RATE_HZ,
        (*errors, *(str(code) for code in line.warnings)),
    )


def _public(options: SimulateOptions, url: str) -> str:
    """Give the URL as Twilio's console would have it: with the configured public address."""
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
