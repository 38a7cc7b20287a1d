"""What of a configuration a running engine takes over, and what waits for its restart.

Assistants, accounts and trunks change while calls go on. Everything else is bound to sockets, to
open files or to limits that were made room for at the start.
"""

from __future__ import annotations

from dataclasses import fields, replace

from rapida_media.config import Config
from rapida_media.config.trunk import check_trunks

TAKEN_OVER = ("assistants", "credentials", "trunks")


def taking_over(running: Config, newer: Config) -> Config:
    """Give the running configuration with the assistants, accounts and trunks of a newer one.

    ConfigError when these do not go with where the engine listens.
    """
    config = replace(running, **{name: getattr(newer, name) for name in TAKEN_OVER})
    check_trunks(config.trunks.values(), {listen.transport for listen in config.sip.listen})
    config.check_exposure()
    return config


def left_for_restart(running: Config, newer: Config) -> list[str]:
    """Name what differs and is not taken over, such as ``[sip] listen``."""
    return [
        f"[{table.name}] {key.name}"
        for table in fields(Config)
        if table.name not in TAKEN_OVER
        for key in fields(getattr(newer, table.name))
        if getattr(getattr(newer, table.name), key.name)
        != getattr(getattr(running, table.name), key.name)
    ]
