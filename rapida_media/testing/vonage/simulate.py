"""``rapida-media simulate vonage``: one call, as Vonage would bring it or take its order."""

from __future__ import annotations

from rapida_media.providers.registry import check_credentials
from rapida_media.providers.vonage.signature import private_key
from rapida_media.testing.simulate import Simulated, SimulateOptions, simulate_on
from rapida_media.testing.vonage.platform import VonagePlatform


async def simulate(options: SimulateOptions) -> Simulated:
    """Make one call and tell what became of it. Raises ConfigError."""
    account = options.account()
    check_credentials([account])
    values = account.values
    platform = VonagePlatform(
        values["application_id"],
        private_key(values["private_key"]).public_key(),
        values["signature_secret"],
        values.get("api_key", "a1b2c3d4"),
    )
    return await simulate_on(platform, options)
