"""Who may call us: the networks and hosts of the configured trunks."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from rapida_media.config import Trunk


class Callers:
    """The list of sources an INVITE may come from.

    Without any trunk everyone may: the engine then listens on loopback only.
    names: hosts to be resolved; their addresses count once ``resolved`` has named them.
    """

    def __init__(self, trunks: Iterable[Trunk]) -> None:
        trunks = list(trunks)
        self.names = [name for trunk in trunks for name in trunk.names]
        self._networks = [network for trunk in trunks for network in trunk.networks]
        self._addresses: set[str] = set()
        self._anyone = not trunks

    def resolved(self, addresses: Iterable[str]) -> None:
        self._addresses.update(addresses)

    def admit(self, host: str) -> bool:
        """Tell whether a call from this IP literal is welcome. Our own machine always is."""
        if self._anyone or host in self._addresses:
            return True
        address = ip_address(host)
        return address.is_loopback or any(address in network for network in self._networks)
