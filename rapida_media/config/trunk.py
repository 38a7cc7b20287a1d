"""``[trunks.NAME]``: the carriers, exchanges and phones that SIP calls come from and go to."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from rapida_media.config.table import Table, some_text
from rapida_media.errors import ConfigError

Network = IPv4Network | IPv6Network
# RFC 1123 section 2.1: letters, digits and inner hyphens.
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Trunk:
    """One trunk.

    networks and names: ``hosts``, told apart: who may call us.
    username, password: what a caller must know; with them ``hosts`` may be empty.
    challenge: whether calls from ``hosts``, too, must show the password.
    """

    name: str
    networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    challenge: bool = False


def read_trunk(name: str, table: Table) -> Trunk:
    """Read one trunk's table. Raises ConfigError."""
    hosts = table.texts("hosts", _host) or ()
    username = table.text("username", _plain)
    password = table.text("password", some_text)
    if (username is None) != (password is None):
        missing = "username" if username is None else "password"
        raise table.fault(missing, "missing; username and password belong together")
    if not hosts and username is None:
        raise table.fault(
            "hosts",
            "missing or empty; expected who may call, "
            'such as ["198.51.100.0/24", "sip.carrier.example"]',
        )
    challenge = table.flag("challenge", default=username is not None)
    if challenge and username is None:
        raise table.fault("challenge", "wants a username and a password to ask for")
    table.finish()
    return Trunk(
        name,
        networks=tuple(host for host in hosts if not isinstance(host, str)),
        names=tuple(host for host in hosts if isinstance(host, str)),
        username=username,
        password=password,
        challenge=challenge,
    )


def check_trunks(trunks: Iterable[Trunk]) -> None:
    """Refuse two trunks with one user name: a caller could not be told apart by it."""
    owners: dict[str, str] = {}
    for trunk in trunks:
        if trunk.username is None:
            continue
        owner = owners.setdefault(trunk.username, trunk.name)
        if owner != trunk.name:
            raise ConfigError(
                f"[trunks.{trunk.name}] username: it already belongs to [trunks.{owner}]; "
                "each trunk needs its own"
            )


def _host(text: str) -> Network | str:
    """Read a network (an address is one of a single host) or a host name."""
    try:
        return ip_network(text)
    except ValueError:
        pass
    labels = text.removesuffix(".").split(".")
    # A last label of digits only is a mistyped address, never a name (RFC 3696 section 2).
    if labels[-1].isdigit() or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("expected a network without host bits, an address or a host name")
    return text.lower()


def _plain(text: str) -> str:
    """Read a user name: printable, since it is written into header fields."""
    if not text.strip() or not text.isprintable():
        raise ValueError("expected a printable text")
    return text
