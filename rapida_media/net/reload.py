"""Another configuration for a running engine, made ready: nothing of it can fail any more.

``Engine.prepare`` makes it, ``Engine.use`` swaps it in between two events of the loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from rapida_media.config import Config, Trunk
from rapida_media.errors import ConfigError
from rapida_media.net.assistants import Assistants
from rapida_media.net.trunks import TrunkLink
from rapida_media.sdp.codec import SUPPORTED


@dataclass(frozen=True, slots=True)
class Prepared:
    """assistants: with their agents made. links: by trunk, looked up; the running ones where the
    trunk's registration and ping stay as they are."""

    config: Config
    assistants: Assistants
    links: Mapping[str, TrunkLink]


def check_codecs(trunks: Iterable[Trunk]) -> None:
    """Raise ConfigError for a trunk with a codec that is unknown."""
    for trunk in trunks:
        for name in trunk.codecs or ():
            if name not in SUPPORTED:
                known = ", ".join(SUPPORTED)
                raise ConfigError(f"[trunks.{trunk.name}] codecs: expected {known}, got {name!r}")
