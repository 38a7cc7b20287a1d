"""``[http]`` and ``[credentials.NAME]``: the HTTP interface, and accounts with providers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from rapida_media.config.numbers import number_prefix
from rapida_media.config.table import Table, some_text


@dataclass(frozen=True, slots=True)
class HttpListen:
    """Where HTTP is taken. host: an IP literal, IPv6 without brackets; port 0: any that is free."""

    host: str = "127.0.0.1"
    port: int = 8080

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        return ip_address(self.host).is_loopback


@dataclass(frozen=True, slots=True)
class HttpConfig:
    """``[http]``. public_url: how providers reach us, without a slash at the end; None for the
    address listened on.  api_keys: what operators show; without any, loopback only.
    requests_per_second: of one key.
    """

    listen: HttpListen = HttpListen()
    public_url: str | None = None
    api_keys: tuple[str, ...] = field(default=(), repr=False)
    requests_per_second: float = 50.0


@dataclass(frozen=True, slots=True)
class Credential:
    """``[credentials.NAME]``: an account with a provider.

    values: the provider's own keys, which its ``SPEC`` names.  api_base: another endpoint than the
    provider's usual one.  allow: prefixes of numbers that may be called with it.
    price_per_minute: what an outbound minute costs, for the spend limit of assistants.
    """

    name: str
    provider: str
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_base: str | None = None
    allow: tuple[str, ...] = ()
    price_per_minute: float = 0.0


def read_http(table: Table) -> HttpConfig:
    """Read ``[http]``. Raises ConfigError."""
    default = HttpConfig()
    config = HttpConfig(
        listen=table.text("listen", parse_http_listen) or default.listen,
        public_url=table.text("public_url", _base_url),
        api_keys=table.texts("api_keys", _api_key) or (),
        requests_per_second=table.number(
            "requests_per_second", default.requests_per_second, above=0
        ),
    )
    table.finish()
    return config


def read_credential(name: str, table: Table) -> Credential:
    """Read one account; which keys its provider wants is checked by the provider's registry."""
    provider = table.text("provider", some_text)
    if provider is None:
        raise table.fault("provider", 'missing; expected one such as "twilio"')
    return Credential(
        name,
        provider,
        api_base=table.text("api_base", _base_url),
        allow=table.texts("allow", number_prefix) or (),
        price_per_minute=table.number("price_per_minute", 0.0),
        values=table.other_texts(),
    )


def parse_http_listen(text: str) -> HttpListen:
    """Read ``127.0.0.1:8080`` or ``[::1]:8080``. Raises ValueError that says what is wrong."""
    host, colon, port_text = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    bare = host[1:-1] if bracketed else host
    try:
        version = ip_address(bare).version
    except ValueError:
        raise ValueError('expected "ADDRESS:PORT" with an IP address') from None
    digits = port_text.isascii() and port_text.isdigit() and len(port_text) <= 5
    if not colon or bracketed != (version == 6) or not digits or int(port_text) > 65535:
        raise ValueError('expected "ADDRESS:PORT" with an IP address and a port from 0 to 65535')
    return HttpListen(bare, int(port_text))


def _base_url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, or no IPv6 address
        usable = False
    if usable:
        # Signatures and links are made with it: nothing that a browser would leave out or change.
        usable = not (parts.query or parts.fragment or "@" in parts.netloc)
        usable = usable and text.isascii() and text.isprintable() and " " not in text
    if not usable:
        raise ValueError('expected a URL such as "https://voice.example.com"')
    return text.rstrip("/")


def _api_key(text: str) -> str:
    # What fits a header field; the length leaves guessing without a chance.
    if len(text) < 16 or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("expected at least 16 printable characters without a space")
    return text
