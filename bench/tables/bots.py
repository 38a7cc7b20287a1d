"""Bots behind WebSockets: what a dialect costs per message, and how late a bot's answer is.

The latency is the whole way of a sound, from the packet that brings it to the packet that takes it
back, with a bot that echoes at once. The engine sends each call a packet every 20 ms, so some 10 ms
of it are the wait for the next one; "above packet" leaves one packet of 20 ms out. Without a bot an
agent in Python sends it back. Exotel's messages carry 100 ms unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.bots import latencies
from bench.harness import Candidate, Row, Run, each
from bench.material import items
from bench.tables import Facts, Table
from rapida_media.agents.dialects import make_dialect
from rapida_media.agents.dialects.base import Dialect, Opening
from rapida_media.config import BotConfig

DIALECTS = "twilio", "vonage", "exotel", "l16"
OPENING = Opening("c" * 32, "5" * 32)


def dialect(name: str) -> Dialect:
    options: dict[str, Any] = {"chunk_ms": 20} if name == "exotel" else {}
    return make_dialect(BotConfig(dialect=name, **options), OPENING)


def to_bot(name: str) -> Callable[[], Run]:
    return lambda: each(dialect(name).audio)


def from_bot(name: str) -> Callable[[], Run]:
    return lambda: each(dialect(name).receive)


def answer(name: str) -> Callable[[Any], Any]:
    """Turn bus audio into what a bot that heard it would send back."""
    said = dialect(name)

    def echoed(pcm: bytes) -> str | bytes:
        message = said.audio(pcm)
        if isinstance(message, bytes):
            return message
        payload = message.partition('"payload":"')[2].partition('"')[0]
        key, stream = ("streamSid", "MZ" + "5" * 32) if name == "twilio" else ("stream_sid", "5")
        return f'{{"event":"media","{key}":"{stream}","media":{{"payload":"{payload}"}}}}'

    return echoed


def named(dialect: str) -> str:
    return f"rapida-media, {dialect}"


def rows() -> list[Row]:
    frames = items(16000, "20 ms")
    return [
        Row("20 ms to a bot", frames, [Candidate(named(name), to_bot(name)) for name in DIALECTS]),
        Row(
            "20 ms from a bot",
            frames,
            [Candidate(named(name), from_bot(name), answer(name)) for name in DIALECTS],
        ),
    ]


def facts() -> Facts:
    return {"a sound, to a bot and back": dict(latencies())}


TABLE = Table("Bots behind WebSockets", rows, facts)
