"""``rapida-media simulate vonage``: one call, as Vonage would bring it or take its order."""

from __future__ import annotations

from rapida_media.errors import ConfigError
from rapida_media.providers.vonage.signature import private_key
from rapida_media.testing.simulate import Simulated, SimulateOptions, simulate_on
from rapida_media.testing.vonage.platform import VonagePlatform


async def simulate(options: SimulateOptions) -> Simulated:
    """Make one call and tell what became of it. Raises ConfigError."""
    account = options.account()
    values = account.values
    try:
        platform = VonagePlatform(
            values["application_id"],
            private_key(account),
            values["signature_secret"],
            values.get("api_key", "a1b2c3d4"),
        )
    except (ValueError, TypeError, AssertionError):
        where = f"[credentials.{account.name}] private_key"
        raise ConfigError(f"{where}: expected an RSA key in PEM form") from None
    return await simulate_on(platform, options)
