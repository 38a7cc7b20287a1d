"""``rapida-media simulate exotel``: one call, as Exotel would bring it or take its order."""

from __future__ import annotations

from rapida_media.testing.exotel.platform import ExotelPlatform
from rapida_media.testing.simulate import Simulated, SimulateOptions, simulate_on


async def simulate(options: SimulateOptions) -> Simulated:
    """Make one call and tell what became of it. Raises ConfigError."""
    values = options.account().values
    platform = ExotelPlatform(values["account_sid"], values["api_key"], values["api_token"])
    if "username" in values or "password" in values:
        platform.basic = values.get("username", ""), values.get("password", "")
    if (app_id := values.get("app_id")) is not None:
        platform.flows[app_id] = _applet(options)
    return await simulate_on(platform, options)


def _applet(options: SimulateOptions) -> str:
    """Give the webhook of the account's flow: the first assistant's, as ``doctor`` prints it."""
    config, account = options.config, options.account()
    base = config.http.public_url or f"http://{config.http.listen}"
    assistants = config.assistants.values()
    mine = [each.name for each in assistants if each.credential in (None, account.name)]
    name = mine[0] if mine else ""
    return f"{base}/v1/talk/exotel/call/{name}/{account.values['path_token']}"
