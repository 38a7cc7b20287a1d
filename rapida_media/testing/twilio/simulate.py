"""``rapida-media simulate twilio``: one call, as Twilio would bring it or take its order."""

from __future__ import annotations

from rapida_media.testing.simulate import Simulated, SimulateOptions, simulate_on
from rapida_media.testing.twilio.platform import TwilioPlatform


async def simulate(options: SimulateOptions) -> Simulated:
    """Make one call and tell what became of it. Raises ConfigError."""
    values = options.account().values
    platform = TwilioPlatform(values["account_sid"], values["auth_token"])
    return await simulate_on(platform, options)
