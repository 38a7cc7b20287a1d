"""``[audiosocket]``: where Asterisk brings the media of calls by TCP."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network

from rapida_media.config.http import HttpListen, parse_http_listen
from rapida_media.config.table import Table
from rapida_media.config.trunk import Network


@dataclass(frozen=True, slots=True)
class AudioSocketConfig:
    """listen: None for no AudioSocket.  hosts: who may connect; empty for this machine alone."""

    listen: HttpListen | None = None
    hosts: tuple[Network, ...] = ()


def read_audiosocket(table: Table) -> AudioSocketConfig:
    """Read ``[audiosocket]``. Raises ConfigError."""
    config = AudioSocketConfig(
        listen=table.text("listen", parse_http_listen),
        hosts=table.texts("hosts", _network) or (),
    )
    table.finish()
    return config


def _network(text: str) -> Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise ValueError('expected an address or a network such as "192.0.2.0/24"') from None
