"""The keys of an assistant whose agent is a bot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rapida_media.config import BotConfig, parse_config
from rapida_media.errors import ConfigError

URL = "websocket:wss://bot.example.com/media?key=hidden"


def bot(agent: str = URL, **keys: Any) -> BotConfig:
    document = {
        "credentials": {"main": {"provider": "twilio"}},
        "assistants": {"a": {"agent": agent, **keys}},
    }
    return parse_config(document, Path(), {"KEY": "s3cret"}).assistants["a"].bot


def test_the_default_is_twilio_and_a_hang_up_where_there_is_no_bot() -> None:
    assert bot() == BotConfig()
    assert (BotConfig().dialect, BotConfig().fallback) == ("twilio", "hangup")


def test_every_key_is_read() -> None:
    assert bot(
        dialect="exotel",
        headers={"X-Key": "env:KEY"},
        fallback="wss://second.example.com/",
        connect_seconds=2,
        reconnects=3,
        sample_rate=24000,
        chunk_ms=40,
        bot_credential="main",
    ) == BotConfig(
        dialect="exotel",
        headers={"X-Key": "s3cret"},
        fallback="wss://second.example.com/",
        connect_seconds=2.0,
        reconnects=3,
        sample_rate=24000,
        chunk_ms=40,
        credential="main",
    )


@pytest.mark.parametrize(
    ("keys", "wrong"),
    [
        ({"dialect": "plivo"}, "dialect: expected twilio or vonage or exotel or l16"),
        ({"sample_rate": 16000}, "sample_rate: expected 8000 with twilio, got 16000"),
        (
            {"dialect": "l16", "sample_rate": 8000},
            "sample_rate: expected 16000 or 24000 with l16, got 8000",
        ),
        ({"chunk_ms": 40}, "chunk_ms: only the exotel dialect has it"),
        ({"dialect": "exotel", "chunk_ms": 30}, "chunk_ms: expected a multiple of 20 up to 200"),
        ({"fallback": "sorry.wav"}, 'fallback: expected "hangup", "play:FILE.wav" or a second URL'),
        ({"fallback": "wss://"}, "fallback: expected a URL such as"),
        ({"connect_seconds": 0}, "connect_seconds: expected a number above 0"),
        ({"reconnects": -1}, "reconnects: expected a whole number of at least 0"),
        ({"headers": {"Bad Name": "x"}}, "headers: Bad Name: expected a header field"),
        ({"headers": {"X": "a\r\nb"}}, "headers: X: expected a header field"),
        ({"headers": {"X": 5}}, "headers: X: expected a header field"),
        ({"bot_credential": "nobody"}, r"bot_credential: there is no table \[credentials.nobody\]"),
    ],
)
def test_a_wrong_value_is_named_with_the_remedy(keys: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"^\[assistants.a\] {wrong}") as caught:
        bot(**keys)
    assert "hidden" not in str(caught.value)


def test_other_agents_have_no_such_keys() -> None:
    with pytest.raises(ConfigError, match='dialect: only an agent "websocket:URL" has it'):
        bot("echo", dialect="twilio")
