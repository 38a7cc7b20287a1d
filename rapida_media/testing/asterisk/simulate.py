"""``rapida-media simulate asterisk``: one call, as a dialplan would bring it."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

from rapida_media.errors import ConfigError
from rapida_media.providers.asterisk.audiosocket import KINDS
from rapida_media.providers.asterisk.chan_websocket import FORMATS
from rapida_media.testing.asterisk.platform import AsteriskPlatform
from rapida_media.testing.simulate import Simulated, SimulateOptions, simulate_on


async def simulate(options: SimulateOptions) -> Simulated:
    """Make one call and tell what became of it. Raises ConfigError."""
    if options.url is None or options.listen is not None:
        raise ConfigError("asterisk wants --url; for orders, take an Asterisk with ARI")
    asked = dict(parse_qsl(urlsplit(options.url).query)).get("format", "slin")
    audio = FORMATS.get(asked)
    linear = audio is not None and audio.encoding == "s16le" and audio.rate_hz in KINDS
    if audio is None or (options.audiosocket is not None and not linear):
        raise ConfigError(f"--url: format={asked} is no codec of that channel; slin16 is one")
    values = options.account().values
    platform = AsteriskPlatform(
        username=values.get("username", ""),
        password=values.get("password", ""),
        audiosocket=options.audiosocket,
    )
    return await simulate_on(platform, options)
