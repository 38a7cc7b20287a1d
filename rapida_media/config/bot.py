"""The keys of an assistant whose agent is a bot behind a WebSocket: ``agent = "websocket:URL"``.

They stand in the assistant's own table. With any other agent they are refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from rapida_media.config.table import Table, one_of, some_text

DIALECTS = ("twilio", "vonage", "exotel", "l16")
# What the vendors' media streams may be, the default first.
RATES_HZ: Mapping[str, tuple[int, ...]] = {
    "twilio": (8000,),
    "vonage": (16000, 8000, 24000),
    "exotel": (8000, 16000, 24000),
    "l16": (16000, 24000),
}
BOT = "websocket:"
CHUNK_MS_MAX = 200
KEYS = (
    "dialect", "headers", "fallback", "connect_seconds", "reconnects", "sample_rate", "chunk_ms",
    "bot_credential",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class BotConfig:
    """How the engine talks to a bot.

    headers: more of the upgrade request.  fallback: "hangup", "play:FILE.wav" or a second URL, for
    a bot that cannot be reached or is lost.  connect_seconds: how long one attempt to connect may
    take.  reconnects: how often a connection that fails is tried again.
    sample_rate: of the stream; None for the dialect's own.  chunk_ms: how much audio one message
    of the exotel dialect carries.
    credential: whose secrets sign the upgrade; None for the assistant's ``credential``.
    """

    dialect: str = "twilio"
    headers: Mapping[str, str] = field(default_factory=dict)
    fallback: str = "hangup"
    connect_seconds: float = 5.0
    reconnects: int = 0
    sample_rate: int | None = None
    chunk_ms: int = 100
    credential: str | None = None


def read_bot(table: Table, agent: str) -> BotConfig:
    """Read the bot's keys of an assistant's table."""
    given = [key for key in KEYS if table.has(key)]
    if given and not agent.startswith(BOT):
        raise table.fault(given[0], f'only an agent "{BOT}URL" has it')
    default = BotConfig()
    dialect = table.text("dialect", one_of(*DIALECTS)) or default.dialect
    return BotConfig(
        dialect=dialect,
        headers=table.header_fields("headers"),
        fallback=table.text("fallback", _fallback) or default.fallback,
        connect_seconds=table.number("connect_seconds", default.connect_seconds, above=0),
        reconnects=table.whole("reconnects", default.reconnects, least=0),
        sample_rate=_sample_rate(table, dialect),
        chunk_ms=_chunk_ms(table, dialect, default.chunk_ms),
        credential=table.text("bot_credential", some_text),
    )


def check_bot_url(text: str) -> str:
    """Give a bot's URL back. Raises ValueError that does not repeat it: it may hold secrets."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.fragment or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError('expected a URL such as "wss://bot.example.com/media"')
    return text


def _fallback(text: str) -> str:
    kind, _, name = text.partition(":")
    if text == "hangup" or (kind == "play" and name):
        return text
    if kind in ("ws", "wss"):
        return check_bot_url(text)
    raise ValueError('expected "hangup", "play:FILE.wav" or a second URL')


def _sample_rate(table: Table, dialect: str) -> int | None:
    if not table.has("sample_rate"):
        return None
    rate_hz, allowed = table.whole("sample_rate", 0), RATES_HZ[dialect]
    if rate_hz not in allowed:
        choices = " or ".join(str(each) for each in sorted(allowed))
        raise table.fault("sample_rate", f"expected {choices} with {dialect}, got {rate_hz}")
    return rate_hz


def _chunk_ms(table: Table, dialect: str, default: int) -> int:
    if not table.has("chunk_ms"):
        return default
    if dialect != "exotel":
        raise table.fault("chunk_ms", "only the exotel dialect has it; the others send every 20 ms")
    chunk_ms = table.whole("chunk_ms", default)
    if chunk_ms % 20 or chunk_ms > CHUNK_MS_MAX:
        raise table.fault("chunk_ms", f"expected a multiple of 20 up to {CHUNK_MS_MAX}")
    return chunk_ms
